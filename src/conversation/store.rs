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
    /// How many turns were kept: 1 after the first, and 0 of one that has expired, which begins a new life.
    pub version: u64,
    /// The conversation, encoded ([`super::Record`]).
    pub bytes: Bytes,
}

/// What is there where a conversation is to be put.
#[derive(Debug, Clone, Copy)]
pub(crate) enum There {
    Nothing,
    Kept {
        life: u64,
        version: u64,
    },
    /// One that has expired.
    Ended {
        life: u64,
    },
}

impl Stored {
    /// Whether it may be put there.
    pub(crate) fn follows(&self, there: There) -> bool {
        match there {
            There::Nothing => self.version == 1,
            There::Kept { life, version } => life == self.life && version.checked_add(1) == Some(self.version),
            // A writer of the life that has ended comes too late, also with its first turn.
            There::Ended { life } => self.version == 1 && life != self.life,
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
    /// Of one that has expired is known for as long again, if there is room, that it was there, and nothing else: it is found as of
    /// version 0 and of a new life, and its state is empty and [says so](super::State::expired). One that was forgotten, or
    /// dropped for want of room, is nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError>;

    /// Keeps `stored` where what is there is the version before it of the same life. For version 1 that is nothing, or one
    /// of another life that has expired.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError>;

    /// Forgets a conversation, also that it has expired. Whether there was one that hadn't. It compares nothing: a turn that is in work meanwhile finds a
    /// conflict.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete(&self, key: &Key) -> Result<bool, StoreError>;

    /// Some of what is kept and hasn't expired, in no order; about `most` conversations, and where they are large, fewer. What changes while
    /// it is listed may be missing or be there twice.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn page(&self, from: Option<Cursor>, most: usize) -> Result<Page, StoreError>;
}
