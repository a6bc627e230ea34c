//! The thread that writes. After an error of the disk it closes the file and opens it again, as redb does nothing more with a
//! file on which a call failed once; turns wait meanwhile.
//!
//! Whoever takes the file between is waited for, as at the start. Nothing is remembered of what was in it.

use std::{
    fmt::Display,
    mem::replace,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, mpsc},
    time::{Duration, Instant},
};

use metrics::{Gauge, gauge};
use redb::Database;
use tokio::sync::oneshot;

use super::{
    OpenError,
    table::{Change, Table, Total, now},
};
use crate::conversation::{Bounds, Put, StoreError};

/// The most writes of one commit.
const BATCH: usize = 256;
/// How often what has expired is removed where nothing is written. A file that didn't fail for so long is a good one.
const IDLE: Duration = Duration::from_secs(30);
/// How long a file that failed is left alone at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The file, shared with those who read it; nothing while it is closed after an error.
pub(super) type Shared = Arc<RwLock<Option<Database>>>;
/// Opens the file, and counts what is in it.
pub(super) type Opener = Box<dyn Fn() -> Result<(Database, Total), OpenError> + Send>;
/// What became of a write.
pub(super) type Written = Result<Put, StoreError>;

pub(super) enum Job {
    /// A write, and where its result goes.
    Write(Change, oneshot::Sender<Written>),
    /// The file failed while it was read, and how.
    Failed(String),
}

pub(super) struct Writer {
    file: Shared,
    path: PathBuf,
    bounds: Bounds,
    total: Total,
    open: Opener,
    /// When a closed file is opened again, and what those who come until then are told.
    closed: Option<(Instant, StoreError)>,
    /// When the file failed last, and how long it was left alone then.
    failed: Option<(Instant, Duration)>,
    /// Whether it was told that it fails, and not yet that it works again.
    told: bool,
    entries: Gauge,
    bytes: Gauge,
    failing: Gauge,
}

impl Writer {
    pub(super) fn new(file: Shared, path: &Path, bounds: Bounds, total: Total, open: Opener) -> Self {
        let failing = gauge!("chatbot_conversation_file_failing");
        failing.set(0.0);
        Self {
            file,
            path: path.to_owned(),
            bounds,
            total,
            open,
            closed: None,
            failed: None,
            told: false,
            entries: gauge!("chatbot_conversation_entries"),
            bytes: gauge!("chatbot_conversation_bytes"),
            failing,
        }
    }

    pub(super) fn run(&mut self, jobs: &mpsc::Receiver<Job>) {
        self.measure();
        loop {
            let wait = self.closed.as_ref().map_or(IDLE, |(until, _)| until.saturating_duration_since(Instant::now()));
            let first = match jobs.recv_timeout(wait) {
                Ok(job) => Some(job),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let (mut changes, mut waiting, mut failed) = (Vec::new(), Vec::new(), None);
            for job in first.into_iter().chain(jobs.try_iter().take(BATCH - 1)) {
                match job {
                    Job::Write(change, done) => {
                        changes.push(change);
                        waiting.push(done);
                    }
                    Job::Failed(why) => failed = Some(why),
                }
            }
            match self.write(changes, failed) {
                Ok(results) => {
                    for (done, result) in waiting.into_iter().zip(results) {
                        // Whoever gave up waiting needs no answer.
                        let _ = done.send(result);
                    }
                }
                Err(error) => {
                    if waiting.is_empty() && matches!(error, StoreError::Unusable(_)) {
                        tracing::warn!("{error}");
                    }
                    for done in waiting {
                        let _ = done.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// `failed` is how the file failed for others: it then fails here, and no longer says why.
    fn write(&mut self, changes: Vec<Change>, failed: Option<String>) -> Result<Vec<Written>, StoreError> {
        self.reopen()?;
        let written = {
            let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
            let (total, bounds) = (self.total, self.bounds);
            // `reopen` has left it open.
            file.as_ref().map(|database| {
                catch_unwind(AssertUnwindSafe(|| Table::write(database, changes, total, bounds, now())))
            })
        };
        match written {
            Some(Ok(Ok((results, total)))) => {
                self.total = total;
                self.measure();
                let was_long_ago = self.failed.is_none_or(|(at, _)| at.elapsed() >= IDLE);
                if was_long_ago || results.contains(&Ok(Put::Done)) {
                    self.works();
                }
                Ok(results)
            }
            Some(Ok(Err(error))) if breaks(&error) => {
                let why = failed.unwrap_or_else(|| error.to_string());
                *self.file.write().unwrap_or_else(PoisonError::into_inner) = None;
                Err(self.fails(why))
            }
            Some(Ok(Err(error))) => Err(unusable(&self.path, error)),
            Some(Err(_)) => Err(unusable(&self.path, "it holds what can't be")),
            None => Err(self.fails("it is closed")),
        }
    }

    /// Opens a file that was closed, where it was left alone long enough.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let Some((until, error)) = &self.closed else { return Ok(()) };
        if Instant::now() < *until {
            return Err(error.clone());
        }
        let open = &self.open;
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok((database, total))) => {
                *self.file.write().unwrap_or_else(PoisonError::into_inner) = Some(database);
                (self.total, self.closed) = (total, None);
                Ok(())
            }
            Ok(Err(error)) => Err(self.fails(error)),
            Err(_) => Err(self.fails("it holds what can't be")),
        }
    }

    /// Leaves a closed file alone for a while, and says so where it worked before.
    fn fails(&mut self, why: impl Display) -> StoreError {
        let (error, now) = (away(&self.path, why), Instant::now());
        let pause = match self.failed {
            Some((at, pause)) if now.duration_since(at) < IDLE => (pause * 2).min(MAX_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.failed = Some((now, pause));
        self.closed = Some((now + pause, error.clone()));
        if !replace(&mut self.told, true) {
            self.failing.set(1.0);
            tracing::warn!("{error}");
        }
        error
    }

    fn works(&mut self) {
        if replace(&mut self.told, false) {
            self.failing.set(0.0);
            tracing::info!("{} can be used again; conversations go on", self.path.display());
        }
    }

    fn measure(&self) {
        self.entries.set(self.total.conversations as f64);
        self.bytes.set(self.total.bytes as f64);
    }
}

/// Whether redb does nothing more with a file until it is opened again.
pub(super) fn breaks(error: &redb::Error) -> bool {
    matches!(
        error,
        redb::Error::Io(_)
            | redb::Error::PreviousIo
            | redb::Error::Backend(_)
            | redb::Error::DatabaseClosed
            | redb::Error::LockPoisoned(_)
    )
}

/// What passes once the disk is well.
pub(super) fn away(path: &Path, error: impl Display) -> StoreError {
    StoreError::Away(format!(
        "conversations can't be kept in {} now: {error}; they wait until it can be opened again: see to the disk, and to \
         its free space",
        path.display()
    ))
}

pub(super) fn unusable(path: &Path, error: impl Display) -> StoreError {
    StoreError::Unusable(format!(
        "conversations can't be kept in {}: {error}; see to the disk, and start the worker again",
        path.display()
    ))
}
