//! The file of keys, and what of it holds now.
//!
//! **Invariant:** what was read last without a fault holds until it can be read again; the fault is told once. A file without
//! a key is no fault: then nobody may ask.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{Entry, KeysError, reader::read_file};

/// How often it is looked whether the file has changed, at the most.
pub(in crate::door) const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// A file that was written this short a time ago may not be written to its end.
const SETTLED: Duration = Duration::from_millis(500);

/// By what a change is known: when it was written, and its size in bytes.
type Seen = (SystemTime, u64);

pub(super) struct KeysFile {
    path: PathBuf,
    now: Mutex<Now>,
}

struct Now {
    entries: Arc<[Entry]>,
    seen: Option<Seen>,
    looked: Instant,
    /// The fault that was told.
    told: Option<String>,
}

impl KeysFile {
    pub(super) fn open(path: &Path) -> Result<Self, KeysError> {
        // Seen first: what is written between the two is read again.
        let seen = seen(path);
        let entries: Arc<[Entry]> = read_file(path)?.into();
        if entries.is_empty() {
            tracing::warn!(
                "{} holds no key, so nobody may ask: `chatbot-worker key new NAME --file {0}` adds one",
                path.display()
            );
        }
        let now = Now { entries, seen, looked: Instant::now(), told: None };
        Ok(Self { path: path.to_owned(), now: Mutex::new(now) })
    }

    /// Its keys, as it is now.
    pub(super) fn entries(&self) -> Arc<[Entry]> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.looked.elapsed() >= BETWEEN_LOOKS {
            now.looked = Instant::now();
            self.look(&mut now);
        }
        now.entries.clone()
    }

    fn look(&self, now: &mut Now) {
        let seen = seen(&self.path);
        if seen.is_some() && seen == now.seen && now.told.is_none() {
            return;
        }
        // A time that is to come tells nothing: clocks differ.
        let age = seen.and_then(|(written, _)| SystemTime::now().duration_since(written).ok());
        if age.is_some_and(|age| age < SETTLED) {
            return;
        }
        match read_file(&self.path) {
            Ok(entries) => {
                (now.entries, now.seen, now.told) = (entries.into(), seen, None);
                tracing::info!(keys = now.entries.len(), "the file of keys was read again");
            }
            Err(error) => {
                let fault = error.to_string();
                if now.told.as_ref() != Some(&fault) {
                    // Each in an entry of its own, as an entry is one line.
                    fault.lines().for_each(|line| tracing::warn!("{line}"));
                    tracing::warn!("the keys from before hold on");
                    now.told = Some(fault);
                }
            }
        }
    }
}

fn seen(path: &Path) -> Option<Seen> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The mode of a file, where it lets others read it, or write it who aren't its owner.
pub fn exposed(path: &Path) -> Option<u32> {
    const EXPOSED: u32 = 0o026;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & EXPOSED != 0).then_some(mode)
}
