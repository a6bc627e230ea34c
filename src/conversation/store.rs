//! Where conversations are kept.
//!
//! **Invariant:** a store compares and sets as one step. It never resets what it can't read.

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::Key;

/// What is kept of a conversation, as a store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// A number drawn when the conversation began. Versions begin anew where one was forgotten; a writer that still has
    /// the one before in work finds another number here.
    pub life: u64,
    /// How many turns were kept: 1 after the first.
    pub version: u64,
    /// The conversation, encoded ([`super::Record`]).
    pub bytes: Bytes,
}

impl Stored {
    /// Whether it may be put where this life and version are.
    pub(super) fn follows(&self, there: Option<(u64, u64)>) -> bool {
        match there {
            None => self.version == 1,
            Some((life, version)) => life == self.life && version.checked_add(1) == Some(self.version),
        }
    }
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Done,
    /// Another version is there than the one that was expected, or none.
    Conflict,
}

/// Why a store can't do what it was asked. It isn't known whether a write that ends so was made, but for
/// [`Self::TooLarge`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It doesn't answer now, which may pass.
    #[error("{0}")]
    Away(String),
    /// It can't be used until somebody does what the message says.
    #[error("{0}")]
    Unusable(String),
    /// This conversation alone is larger than the store may be. Nothing was written.
    #[error(
        "the conversation takes {bytes} bytes, and the store may take {most} in all (CHATBOT_CONVERSATION_MAX_BYTES)"
    )]
    TooLarge { bytes: usize, most: usize },
}

/// Where a listing goes on; of use to the store alone that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// After this key.
    After(Key),
    /// At a place of the store's own numbering.
    At(u64),
}

/// A part of all that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub found: Vec<(Key, Stored)>,
    /// Where the next part begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// A place where conversations are kept.
#[async_trait]
pub trait Store: Send + Sync {
    /// The name that settings, logs and metrics call it by.
    fn name(&self) -> &'static str;

    /// Whether several workers can keep the same conversations in it.
    fn is_shared(&self) -> bool {
        false
    }

    /// All conversations that are kept begin anew: another worker may have gone on with any of them in a store of its own. What
    /// comes to one next finds its state empty, and that it [has expired](super::State::expired); its turns are known as
    /// before. One that several workers can share needs it never.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_anew(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What is kept of a conversation; `None` where nothing is, or no more.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError>;

    /// Keeps `stored` where what is there is the version before it of the same life: nothing for version 1.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError>;

    /// Forgets a conversation. Whether there was one. It compares nothing: a turn that is in work meanwhile finds a
    /// conflict.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete(&self, key: &Key) -> Result<bool, StoreError>;

    /// Some of what is kept, in no order; about `most` conversations, and where they are large, fewer. What changes while
    /// it is listed may be missing or be there twice.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn page(&self, from: Option<Cursor>, most: usize) -> Result<Page, StoreError>;
}
