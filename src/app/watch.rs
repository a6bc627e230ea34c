//! Whether a file, or a folder's files, have changed: told by what they hold.
//!
//! Reading it again every few seconds misses nothing, whatever stands behind the path: a link that is turned to another
//! folder (a Kubernetes ConfigMap), a mount, an editor that writes a new file and renames it. Times and inodes tell that
//! less surely, and not at all on some network file systems.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};

use super::corpus::{MAX_SIZE, files_of};

/// A changed file is taken for written to its end once it stays the same for so long.
const SETTLED: Duration = Duration::from_millis(500);

/// A file, and what it held when it was last looked at.
pub(super) struct Watched {
    path: PathBuf,
    seen: Option<u64>,
}

impl Watched {
    /// The file as it is now. Blocks.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: fingerprint(path) }
    }

    /// Looks at the file every so often, until it holds something else and is written to its end.
    pub(super) async fn changed(&mut self, every: Duration) {
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
                self.seen = found;
                return;
            }
        }
    }

    /// Takes what it holds now for seen.
    pub(super) async fn see(&mut self) {
        self.seen = self.look().await;
    }

    async fn look(&self) -> Option<u64> {
        let path = self.path.clone();
        spawn_blocking(move || fingerprint(&path)).await.ok().flatten()
    }
}

/// A hash of what a file holds, or all files of a folder; none where one can't be read.
fn fingerprint(path: &Path) -> Option<u64> {
    let limit = u64::try_from(MAX_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    let mut hasher = DefaultHasher::new();
    for file in files_of(path).ok()? {
        let mut bytes = Vec::new();
        File::open(&file).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
        (file, bytes).hash(&mut hasher);
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

    async fn is_changed(watched: &mut Watched) -> bool {
        timeout(Duration::from_millis(100), watched.changed(EVERY)).await.is_ok()
    }

    #[tokio::test]
    async fn a_change_is_seen_however_it_is_made_and_only_once() {
        let folder = std::env::temp_dir().join(format!("watched-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        let [path, other, link] = ["a.toml", "b.toml", "link"].map(|name| folder.join(name));
        fs::write(&path, "a").unwrap();
        let mut watched = Watched::new(&path);
        assert!(!is_changed(&mut watched).await);
        // Written again with the same text, or set to another time: nothing to do.
        fs::write(&path, "a").unwrap();
        assert!(!is_changed(&mut watched).await);
        fs::write(&path, "b").unwrap();
        assert!(is_changed(&mut watched).await);
        assert!(!is_changed(&mut watched).await);
        // An editor's rename.
        fs::write(&other, "c").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(is_changed(&mut watched).await);
        // Gone, and back.
        fs::remove_file(&path).unwrap();
        assert!(is_changed(&mut watched).await);
        assert!(!is_changed(&mut watched).await);
        fs::write(&path, "c").unwrap();
        assert!(is_changed(&mut watched).await);
        // What was seen by other means isn't told.
        fs::write(&path, "d").unwrap();
        watched.see().await;
        assert!(!is_changed(&mut watched).await);
        // A link that is turned, as a ConfigMap's is.
        fs::write(&other, "e").unwrap();
        symlink(&path, &link).unwrap();
        let mut watched = Watched::new(&link);
        symlink(&other, folder.join("new")).unwrap();
        fs::rename(folder.join("new"), &link).unwrap();
        assert!(is_changed(&mut watched).await);
        // A folder, with a file more.
        let mut watched = Watched::new(&folder);
        assert!(!is_changed(&mut watched).await);
        fs::write(folder.join("c.csv"), "text,intent").unwrap();
        assert!(is_changed(&mut watched).await);
        fs::remove_dir_all(&folder).unwrap();
    }
}
