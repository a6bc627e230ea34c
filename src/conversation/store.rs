//! Where conversations are kept.
//!
//! **Invariant:** a store compares and sets as one step. It never resets what it can't read.

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::Key;

/// What is kept of a conversation, as a store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How many turns were kept: 1 after the first.
    pub version: u64,
    /// The conversation, encoded.
    pub bytes: Bytes,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Done,
    /// Another version is there than the one that was expected.
    Conflict,
}

/// Why a store can't be asked. It isn't known whether a write that ends so was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// A place where conversations are kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// The name that settings, logs and metrics call it by.
    fn name(&self) -> &'static str;

    /// What is kept of a conversation; `None` where nothing is, or no more.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError>;

    /// Keeps `stored` where the version that is there is the one before it: none for version 1.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError>;

    /// Forgets a conversation. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete(&self, key: &Key) -> Result<bool, StoreError>;
}
