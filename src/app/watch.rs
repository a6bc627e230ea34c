//! Whether files, or folders' files, have changed: told by what they hold.
//!
//! Reading it again every few seconds misses nothing, whatever stands behind the path: a link that is turned to another
//! folder (a Kubernetes ConfigMap), a mount, an editor that writes a new file and renames it. Times and inodes tell that
//! less surely, and not at all on some network file systems.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};

use super::corpus::{MAX_SIZE, files_of};

/// A changed file is taken for written to its end once it stays the same for so long.
const SETTLED: Duration = Duration::from_millis(500);

/// Files, and what each held when it was last looked at.
pub(super) struct Watched {
    paths: Arc<[PathBuf]>,
    seen: Seen,
}

/// A fingerprint for each path; none for a file that can't be read.
type Seen = Vec<Option<u64>>;

impl Watched {
    /// The files as they are now. Blocks.
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: Arc<[PathBuf]> = paths.into_iter().collect();
        Self { seen: fingerprints(&paths), paths }
    }

    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Looks at the files every so often, until one holds something else, and all are written to their ends. Returns
    /// those that changed.
    pub(super) async fn changed(&mut self, every: Duration) -> Vec<PathBuf> {
        loop {
            sleep(every).await;
            let mut found = self.look().await;
            if found == self.seen {
                continue;
            }
            loop {
                sleep(SETTLED.min(every)).await;
                let again = self.look().await;
                if again == found {
                    break;
                }
                found = again;
            }
            if found != self.seen {
                let before = std::mem::replace(&mut self.seen, found);
                let seen = before.iter().zip(&self.seen).zip(&*self.paths);
                return seen.filter(|((before, now), _)| before != now).map(|(_, path)| path.clone()).collect();
            }
        }
    }

    /// Takes what they hold now for seen.
    pub(super) async fn see(&mut self) {
        self.seen = self.look().await;
    }

    async fn look(&self) -> Seen {
        let paths = self.paths.clone();
        let looked = spawn_blocking(move || fingerprints(&paths)).await;
        looked.unwrap_or_else(|_| self.seen.clone())
    }
}

fn fingerprints(paths: &[PathBuf]) -> Seen {
    paths.iter().map(|path| fingerprint(path)).collect()
}

/// A hash of what a file holds, or all files of a folder; `None` if one can't be read. Of a saved model, which may be
/// larger than anything else that is watched, the length and the beginning: a digest of the whole stands there.
fn fingerprint(path: &Path) -> Option<u64> {
    let limit = u64::try_from(MAX_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    let mut hasher = DefaultHasher::new();
    for path in files_of(path).ok()? {
        let mut bytes = Vec::new();
        // To open a pipe could wait for ever.
        let file = path.is_file().then(|| File::open(&path).ok())??;
        let length = file.metadata().ok()?.len();
        file.take(limit).read_to_end(&mut bytes).ok()?;
        (path, length, bytes).hash(&mut hasher);
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::{fs, os::unix::fs::symlink};

    use tokio::time::timeout;

    use super::*;

    const EVERY: Duration = Duration::from_millis(5);

    /// Whether it changes at last, however busy the machine is.
    async fn changes(watched: &mut Watched) -> bool {
        timeout(Duration::from_secs(30), watched.changed(EVERY)).await.is_ok()
    }

    async fn is_changed(watched: &mut Watched) -> bool {
        timeout(Duration::from_millis(100), watched.changed(EVERY)).await.is_ok()
    }

    #[tokio::test]
    async fn a_change_is_seen_however_it_is_made_and_only_once() {
        let folder = std::env::temp_dir().join(format!("watched-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        let [path, other, link] = ["a.toml", "b.toml", "link"].map(|name| folder.join(name));
        fs::write(&path, "a").unwrap();
        let mut watched = Watched::new([path.clone()]);
        assert!(!is_changed(&mut watched).await);
        // Written again with the same text, or set to another time: nothing to do.
        fs::write(&path, "a").unwrap();
        assert!(!is_changed(&mut watched).await);
        fs::write(&path, "b").unwrap();
        assert!(changes(&mut watched).await);
        assert!(!is_changed(&mut watched).await);
        // An editor's rename.
        fs::write(&other, "c").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(changes(&mut watched).await);
        // Gone, and back.
        fs::remove_file(&path).unwrap();
        assert!(changes(&mut watched).await);
        assert!(!is_changed(&mut watched).await);
        fs::write(&path, "c").unwrap();
        assert!(changes(&mut watched).await);
        // What was seen by other means isn't told.
        fs::write(&path, "d").unwrap();
        watched.see().await;
        assert!(!is_changed(&mut watched).await);
        // A link that is turned, as a ConfigMap's is.
        fs::write(&other, "e").unwrap();
        symlink(&path, &link).unwrap();
        let mut watched = Watched::new([link.clone()]);
        symlink(&other, folder.join("new")).unwrap();
        fs::rename(folder.join("new"), &link).unwrap();
        assert!(changes(&mut watched).await);
        // A folder, with a file more.
        let mut watched = Watched::new([folder.clone()]);
        assert!(!is_changed(&mut watched).await);
        fs::write(folder.join("c.csv"), "text,intent").unwrap();
        assert!(changes(&mut watched).await);
        // Of several, those that changed are named.
        let mut watched = Watched::new([link.clone(), path.clone(), other.clone()]);
        fs::write(&path, "f").unwrap();
        assert_eq!(watched.changed(EVERY).await, [path]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
