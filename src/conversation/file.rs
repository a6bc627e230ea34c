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
mod writer;

#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions, Permissions},
    io::ErrorKind,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use async_trait::async_trait;
use redb::{Builder, Database, DatabaseError, StorageBackend, backends::FileBackend};
use tokio::{
    sync::oneshot,
    task::spawn_blocking,
    time::{Instant, sleep},
};

use self::{
    table::{Change, Table, Total, now},
    writer::{Job, Opener, Shared, Writer, away, breaks, unusable},
};
use super::{Bounds, Cursor, Page, Put, Store, StoreError, Stored};
use crate::domain::Key;

/// How long a file that another process has is waited for: what a worker that is told to end may take for it.
pub const LOCK_LIMIT: Duration = Duration::from_secs(30);
/// How often it is tried meanwhile.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// The memory for pages of the file.
const CACHE: usize = 16 << 20;

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
    file: Shared,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
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
                Ok(opened) => {
                    // One that isn't there any more isn't made anew: it may be a disk that is gone.
                    let again = path.to_owned();
                    return Self::start(path, bounds, opened, Box::new(move || self::open(&again, false)));
                }
                Err(OpenError::Locked(..)) if Instant::now() < until => sleep(LOCK_PAUSE).await,
                Err(OpenError::Locked(path, _)) => return Err(OpenError::Locked(path, limit)),
                Err(error) => return Err(error),
            }
        }
    }

    fn start(path: &Path, bounds: Bounds, opened: (Database, Total), open: Opener) -> Result<Self, OpenError> {
        let (database, total) = opened;
        let file: Shared = Arc::new(RwLock::new(Some(database)));
        let (jobs, receiver) = mpsc::channel();
        let mut writer = Writer::new(file.clone(), path, bounds, total, open);
        let named = thread::Builder::new().name("conversations".to_owned());
        let writer =
            named.spawn(move || writer.run(&receiver)).map_err(|error| OpenError::Io(path.to_owned(), error))?;
        Ok(Self { path: path.to_owned(), expires: bounds.expires, file, jobs: Some(jobs), writer: Some(writer) })
    }

    fn send(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }

    async fn write(&self, change: Change) -> Result<Put, StoreError> {
        let (done, result) = oneshot::channel();
        let result = if self.send(Job::Write(change, done)) { result.await.ok() } else { None };
        result.unwrap_or_else(|| Err(unusable(&self.path, "the thread that writes it has ended")))
    }

    async fn read<T, R>(&self, read: R) -> Result<T, StoreError>
    where
        T: Send + 'static,
        R: FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    {
        let file = self.file.clone();
        let reading = spawn_blocking(move || {
            let file = file.read().unwrap_or_else(PoisonError::into_inner);
            file.as_ref().map(read)
        });
        match reading.await {
            Ok(Some(Ok(read))) => Ok(read),
            Ok(Some(Err(error))) if breaks(&error) => {
                self.send(Job::Failed(error.to_string()));
                Err(away(&self.path, error))
            }
            Ok(Some(Err(error))) => Err(unusable(&self.path, error)),
            Ok(None) => Err(away(&self.path, "it was closed after an error")),
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
        // Those who read it have done so then.
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = None;
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

fn open(path: &Path, make: bool) -> Result<(Database, Total), OpenError> {
    let file = open_file(path, make)?;
    let backend = FileBackend::new(file).map_err(|error| OpenError::Damaged(path.to_owned(), error.to_string()))?;
    open_database(path, backend)
}

fn open_file(path: &Path, make: bool) -> Result<File, OpenError> {
    let io = |error| OpenError::Io(path.to_owned(), error);
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
    Ok(file)
}

/// Opens what is in a file, mending what a process left that ended within a write.
fn open_database(path: &Path, backend: impl StorageBackend) -> Result<(Database, Total), OpenError> {
    let io = |error| OpenError::Io(path.to_owned(), error);
    let damaged = |error: &dyn std::fmt::Display| OpenError::Damaged(path.to_owned(), error.to_string());
    let database = Builder::new().set_cache_size(CACHE).create_with_backend(backend);
    let database = database.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::Locked(path.to_owned(), Duration::ZERO)
        }
        DatabaseError::Storage(redb::StorageError::Io(error)) if error.kind() != ErrorKind::InvalidData => io(error),
        error => damaged(&error),
    })?;
    let prepared = Table::prepare(&database).map_err(|error| match error {
        // The system's, such as for a disk that is full. That there is less in it than it says is the file's.
        redb::Error::Io(error) if error.raw_os_error().is_some() => io(error),
        error => damaged(&error),
    })?;
    match prepared {
        Some(total) => Ok((database, total)),
        None => Err(OpenError::Newer(path.to_owned())),
    }
}
