//! Whether files, or folders' files, have changed: told by what they hold.
//!
//! Reading it again every few seconds misses nothing, whatever stands behind the path: a link that is turned to another
//! folder (a Kubernetes ConfigMap), a mount, an editor that writes a new file and renames it. Times and inodes tell that
//! less surely, and not at all on some network file systems.

use std::{
    collections::HashMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};

use super::corpus::{MAX_SIZE, files_of};
use crate::knowledge;

/// A changed file is taken for written to its end once it stays the same for so long.
const SETTLED: Duration = Duration::from_millis(500);

/// What is watched: a file, a folder, or the files that a pattern names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Target {
    Path(PathBuf),
    Pattern { folder: PathBuf, pattern: String },
}

impl Target {
    /// The path as a person writes it.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Pattern { folder, pattern } => folder.join(pattern),
        }
    }

    /// The files that it is now.
    fn files(&self) -> Option<Vec<PathBuf>> {
        match self {
            Self::Path(path) => files_of(path).ok(),
            Self::Pattern { folder, pattern } => knowledge::files(folder, pattern).ok(),
        }
    }
}

/// Files, and what each held when it was last looked at.
pub(super) struct Watched {
    targets: Arc<[Target]>,
    seen: Seen,
}

/// A fingerprint for each target; none for a file that can't be read.
type Seen = Vec<Option<u64>>;

impl Watched {
    /// The files as they are now. Blocks.
    pub(super) fn new(targets: impl IntoIterator<Item = Target>) -> Self {
        let targets: Arc<[Target]> = targets.into_iter().collect();
        Self { seen: fingerprints(&targets), targets }
    }

    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Watches other files from now on; what is new among them is taken as it is now.
    pub(super) async fn turn_to(&mut self, targets: impl IntoIterator<Item = Target>) {
        let before: HashMap<Target, Option<u64>> =
            self.targets.iter().cloned().zip(self.seen.iter().copied()).collect();
        self.targets = targets.into_iter().collect();
        let now = self.look().await;
        let seen = self.targets.iter().zip(now).map(|(target, now)| before.get(target).copied().unwrap_or(now));
        self.seen = seen.collect();
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
                let seen = before.iter().zip(&self.seen).zip(&*self.targets);
                return seen.filter(|((before, now), _)| before != now).map(|(_, target)| target.path()).collect();
            }
        }
    }

    /// Takes what they hold now for seen.
    pub(super) async fn see(&mut self) {
        self.seen = self.look().await;
    }

    async fn look(&self) -> Seen {
        let targets = self.targets.clone();
        let looked = spawn_blocking(move || fingerprints(&targets)).await;
        // Only a panic ends it without.
        looked.unwrap_or_else(|_| vec![None; self.targets.len()])
    }
}

fn fingerprints(targets: &[Target]) -> Seen {
    targets.iter().map(fingerprint).collect()
}

/// A hash of what a file holds, or all files of a folder or a pattern; `None` if one can't be read. Of a saved model, which
/// may be larger than anything else that is watched, the length and the beginning: a digest of the whole stands there.
fn fingerprint(target: &Target) -> Option<u64> {
    let limit = u64::try_from(MAX_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    let mut hasher = DefaultHasher::new();
    for path in target.files()? {
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
        let mut watched = Watched::new([Target::Path(path.clone())]);
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
        let mut watched = Watched::new([Target::Path(link.clone())]);
        symlink(&other, folder.join("new")).unwrap();
        fs::rename(folder.join("new"), &link).unwrap();
        assert!(changes(&mut watched).await);
        // A folder, with a file more.
        let mut watched = Watched::new([Target::Path(folder.clone())]);
        assert!(!is_changed(&mut watched).await);
        fs::write(folder.join("c.csv"), "text,intent").unwrap();
        assert!(changes(&mut watched).await);
        // A pattern, with a file more; and what is turned to is taken as it is.
        let documents = Target::Pattern { folder: folder.clone(), pattern: "*.md".into() };
        let mut watched = Watched::new([documents.clone()]);
        assert!(!is_changed(&mut watched).await);
        fs::write(folder.join("d.md"), "# D").unwrap();
        assert_eq!(watched.changed(EVERY).await, [folder.join("*.md")]);
        watched.turn_to([documents, Target::Path(path.clone())]).await;
        assert!(!is_changed(&mut watched).await);
        // Of several, those that changed are named.
        let mut watched = Watched::new([&link, &path, &other].map(|path| Target::Path(path.clone())));
        fs::write(&path, "f").unwrap();
        assert_eq!(watched.changed(EVERY).await, [path]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
