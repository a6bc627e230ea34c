//! The store in a file (redb): for one worker, whose conversations outlast it.
//!
//! One thread writes. What came in while it wrote goes to the disk together, by one commit.
//!
//! Of a conversation that has expired stays that it was there, for as long again.
//!
//! **Invariants:** a write is on the disk before it is confirmed. A file that is damaged, of a newer program, or another
//! one's is an error and stays as it is. Bounded by number, bytes and age, with what has expired; what was last changed the
//! longest ago goes first, and a conversation is counted.

mod table;

#[cfg(test)]
mod tests;

use std::{
    fs::{OpenOptions, Permissions},
    io::ErrorKind,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use async_trait::async_trait;
use metrics::{Gauge, gauge};
use redb::{Builder, Database, DatabaseError, backends::FileBackend};
use tokio::{
    sync::oneshot,
    task::spawn_blocking,
    time::{Instant, sleep},
};

use self::table::{Change, Table, Total, now};
use super::{Bounds, Cursor, Page, Put, Store, StoreError, Stored};
use crate::domain::Key;

/// How long a file that another process has is waited for: what a worker that is told to end may take for it.
pub const LOCK_LIMIT: Duration = Duration::from_secs(30);
/// How often it is tried meanwhile.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// The memory for pages of the file.
const CACHE: usize = 16 << 20;
/// The most writes of one commit.
const BATCH: usize = 256;
/// How often what has expired is removed where nothing is written.
const IDLE: Duration = Duration::from_secs(30);

/// Why a file can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{0} is in use by another process, and was for {1:?}: a file is for one worker; stop the other one, or give this one \
         another CHATBOT_CONVERSATION_PATH, or let them share a Redis (CHATBOT_CONVERSATION_STORE=redis)"
    )]
    Locked(PathBuf, Duration),
    /// It isn't there, and wasn't to be made.
    #[error("{0} isn't there: no worker has kept a conversation in it yet (CHATBOT_CONVERSATION_PATH)")]
    Missing(PathBuf),
    /// It can't be read or written.
    #[error(
        "{0} can't be opened: {1}; CHATBOT_CONVERSATION_PATH has to be a file that this user may write, in a folder that is there"
    )]
    Io(PathBuf, std::io::Error),
    /// What is in it is no store of conversations, or no longer.
    #[error(
        "{0} is damaged, or no file of conversations ({1}): put back a copy, or move it away to begin without any conversation"
    )]
    Damaged(PathBuf, String),
    /// A newer program has written it.
    #[error("{0} was written by a newer program: update this one, or give it another CHATBOT_CONVERSATION_PATH")]
    Newer(PathBuf),
}

pub struct FileStore {
    path: PathBuf,
    expires: Duration,
    database: Arc<Database>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// A write, and where its result goes.
struct Job {
    change: Change,
    done: oneshot::Sender<Result<Put, StoreError>>,
}

impl FileStore {
    /// Opens the file, and makes it where it isn't there and `make` says so: for this user alone. Waits for one that
    /// another process has for `limit`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(path: &Path, bounds: Bounds, make: bool, limit: Duration) -> Result<Self, OpenError> {
        let until = Instant::now() + limit;
        loop {
            let to_open = path.to_owned();
            let opening = spawn_blocking(move || open(&to_open, make));
            let opened = match opening.await {
                Ok(opened) => opened,
                // redb found what it takes to be impossible.
                Err(error) => Err(OpenError::Damaged(path.to_owned(), error.to_string())),
            };
            match opened {
                Ok((database, total)) => return Self::start(path, bounds, database, total),
                Err(OpenError::Locked(..)) if Instant::now() < until => sleep(LOCK_PAUSE).await,
                Err(OpenError::Locked(path, _)) => return Err(OpenError::Locked(path, limit)),
                Err(error) => return Err(error),
            }
        }
    }

    fn start(path: &Path, bounds: Bounds, database: Database, total: Total) -> Result<Self, OpenError> {
        let (database, path) = (Arc::new(database), path.to_owned());
        let (jobs, receiver) = mpsc::channel();
        let mut writer = Writer {
            database: database.clone(),
            path: path.clone(),
            bounds,
            total,
            entries: gauge!("chatbot_conversation_entries"),
            bytes: gauge!("chatbot_conversation_bytes"),
        };
        let named = thread::Builder::new().name("conversations".to_owned());
        let writer = named.spawn(move || writer.run(&receiver)).map_err(|error| OpenError::Io(path.clone(), error))?;
        Ok(Self { path, expires: bounds.expires, database, jobs: Some(jobs), writer: Some(writer) })
    }

    async fn write(&self, change: Change) -> Result<Put, StoreError> {
        let (done, result) = oneshot::channel();
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { change, done }).is_ok());
        let result = if sent { result.await.ok() } else { None };
        result.unwrap_or_else(|| Err(unusable(&self.path, "the thread that writes it has ended")))
    }

    async fn read<T, R>(&self, read: R) -> Result<T, StoreError>
    where
        T: Send + 'static,
        R: FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    {
        let database = self.database.clone();
        match spawn_blocking(move || read(&database)).await {
            Ok(read) => read.map_err(|error| unusable(&self.path, error)),
            Err(error) => Err(unusable(&self.path, error)),
        }
    }
}

/// The file is closed, and free for others, when this returns; a commit that is under way is waited for.
impl Drop for FileStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A panic of its own was told to those who waited.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Store for FileStore {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn begin_anew(&self) -> Result<(), StoreError> {
        self.write(Change::Anew).await.map(|_| ())
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let (key, expires) = (*key, self.expires);
        self.read(move |database| Table::get(database, &key, expires, now())).await
    }

    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError> {
        self.write(Change::Put(*key, stored)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.write(Change::Delete(*key)).await? == Put::Done)
    }

    async fn page(&self, from: Option<Cursor>, most: usize) -> Result<Page, StoreError> {
        let after = match from {
            Some(Cursor::After(key)) => Some(key),
            _ => None,
        };
        let expires = self.expires;
        self.read(move |database| Table::page(database, after, most, expires, now())).await
    }
}

/// The thread that writes.
struct Writer {
    database: Arc<Database>,
    path: PathBuf,
    bounds: Bounds,
    total: Total,
    entries: Gauge,
    bytes: Gauge,
}

impl Writer {
    fn run(&mut self, jobs: &mpsc::Receiver<Job>) {
        self.measure();
        loop {
            let first = match jobs.recv_timeout(IDLE) {
                Ok(job) => Some(job),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let batch: Vec<Job> = first.into_iter().chain(jobs.try_iter().take(BATCH - 1)).collect();
            let (changes, waiting): (Vec<_>, Vec<_>) = batch.into_iter().map(|job| (job.change, job.done)).unzip();
            let written = catch_unwind(AssertUnwindSafe(|| {
                Table::write(&self.database, changes, self.total, self.bounds, now())
            }));
            match written {
                Ok(Ok((results, total))) => {
                    self.total = total;
                    self.measure();
                    for (done, result) in waiting.into_iter().zip(results) {
                        // Whoever gave up waiting needs no answer.
                        let _ = done.send(result);
                    }
                }
                Ok(Err(error)) => self.fail(waiting, &error),
                Err(_) => self.fail(waiting, &"it holds what can't be"),
            }
        }
    }

    fn fail(&self, waiting: Vec<oneshot::Sender<Result<Put, StoreError>>>, error: &dyn std::fmt::Display) {
        if waiting.is_empty() {
            tracing::warn!("{}", unusable(&self.path, error));
        }
        for done in waiting {
            let _ = done.send(Err(unusable(&self.path, error)));
        }
    }

    fn measure(&self) {
        self.entries.set(self.total.conversations as f64);
        self.bytes.set(self.total.bytes as f64);
    }
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!(
        "conversations can't be kept in {}: {error}; see to the disk, and start the worker again",
        path.display()
    ))
}

fn open(path: &Path, make: bool) -> Result<(Database, Total), OpenError> {
    let io = |error| OpenError::Io(path.to_owned(), error);
    let damaged = |error: &dyn std::fmt::Display| OpenError::Damaged(path.to_owned(), error.to_string());
    let file = OpenOptions::new().read(true).write(true).create(make).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|error| match error.kind() {
        ErrorKind::NotFound if !make => OpenError::Missing(path.to_owned()),
        _ => io(error),
    })?;
    let mode = file.metadata().map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        // It holds what users wrote.
        file.set_permissions(Permissions::from_mode(0o600)).map_err(io)?;
    }
    let failed = |error: DatabaseError| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::Locked(path.to_owned(), Duration::ZERO)
        }
        DatabaseError::Storage(redb::StorageError::Io(error)) if error.kind() != ErrorKind::InvalidData => io(error),
        error => damaged(&error),
    };
    let backend = FileBackend::new(file).map_err(failed)?;
    let database = Builder::new().set_cache_size(CACHE).create_with_backend(backend).map_err(failed)?;
    match Table::prepare(&database).map_err(|error| damaged(&error))? {
        Some(total) => Ok((database, total)),
        None => Err(OpenError::Newer(path.to_owned())),
    }
}
