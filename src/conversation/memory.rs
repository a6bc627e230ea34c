//! The store in a worker's own memory: for one worker, and gone with it.
//!
//! Conversations are kept compressed, as most of one is text that repeats; but for the [`kept::HOT`] that changed last,
//! of which most change again soon: compressing at each turn took nearly a third of the time spent in this program's own
//! code. Once a conversation has been left alone for as long as outcomes are kept, these are taken out of it. Of one that
//! has expired stays that it was there, for as long again.
//!
//! **Invariant:** bounded by number, bytes and age, with what has expired; the one whose last turn is the longest ago goes
//! first, and is counted.

mod kept;
#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use metrics::{Gauge, gauge};

use self::kept::{FIXED, Found, Kept, Packed, Text};
use super::{
    Cursor, Page, Put, Store, StoreError, Stored,
    packing::Packing,
    record::{begun_anew, expired, is_blank, without_outcomes},
    store::There,
};
use crate::domain::Key;

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most conversations, with those that have expired.
    pub most: usize,
    /// The most bytes of all together.
    pub bytes: usize,
    /// How long after its last turn a conversation is kept. That it has expired is known for as long again.
    pub expires: Duration,
}

/// The share of the bytes that those which aren't compressed may have.
const HOT_SHARE: usize = 8;

pub struct MemoryStore {
    bounds: Bounds,
    packing: Packing,
    kept: Mutex<Kept>,
    entries: Gauge,
    bytes: Gauge,
}

impl MemoryStore {
    /// An empty one, for conversations in which these words are said often, as they stand in JSON.
    pub fn new(bounds: Bounds, words: &str) -> Self {
        Self {
            bounds,
            packing: Packing::new(words),
            kept: Mutex::default(),
            entries: gauge!("chatbot_conversation_entries"),
            bytes: gauge!("chatbot_conversation_bytes"),
        }
    }

    fn stored(&self, found: Found) -> Result<Stored, StoreError> {
        let Found::Kept { life, packed, anew } = found else { return Ok(expired()) };
        let bytes = self.plain(&packed.bytes).map_err(no_memory)?;
        Ok(Stored { life, version: packed.version, bytes: if anew { begun_anew(&bytes) } else { bytes } })
    }

    fn plain(&self, text: &Text) -> io::Result<Bytes> {
        match text {
            Text::Plain(bytes) => Ok(bytes.clone()),
            Text::Compressed { length, bytes } => self.packing.unpack(bytes, *length),
        }
    }

    fn compressed(&self, bytes: &Bytes) -> io::Result<Text> {
        Ok(Text::Compressed { length: bytes.len(), bytes: self.packing.pack(bytes)? })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measure(&self, kept: &Kept) {
        self.entries.set(kept.living as f64);
        self.bytes.set(kept.bytes as f64);
    }

    /// Compresses some that haven't changed for long, and takes the outcomes out of some that have been left alone for so long
    /// that they are no longer kept. That takes its time, so nobody waits for it.
    fn tidy(&self) {
        let (cool, due) = {
            let mut kept = self.kept();
            (kept.cool(), kept.due())
        };
        for (key, place, bytes) in cool {
            if let Ok(text) = self.compressed(&bytes) {
                self.kept().replace(&key, place, text);
            }
        }
        for (key, place, packed) in due {
            let smaller = self.plain(&packed.bytes).and_then(|bytes| self.compressed(&without_outcomes(&bytes)));
            if let Ok(text) = smaller {
                self.kept().replace(&key, place, text);
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn begin_anew(&self) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.anew = kept.next;
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = {
            let mut kept = self.kept();
            kept.expire(self.bounds.expires);
            kept.find(key, self.bounds.expires)
        };
        found.map(|found| self.stored(found)).transpose()
    }

    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError> {
        let hot = self.kept().hot_bytes + stored.bytes.len();
        let bytes = if hot <= self.bounds.bytes / HOT_SHARE {
            Text::Plain(stored.bytes.clone())
        } else {
            self.compressed(&stored.bytes).map_err(no_memory)?
        };
        let size = bytes.len() + FIXED;
        if size > self.bounds.bytes {
            return Err(StoreError::TooLarge { bytes: size, most: self.bounds.bytes });
        }
        let is_blank = is_blank(&stored.bytes);
        let packed = Packed { version: stored.version, bytes, is_blank };
        {
            let mut kept = self.kept();
            kept.expire(self.bounds.expires);
            let there = kept.find(key, self.bounds.expires).map_or(There::Nothing, |found| match found {
                Found::Kept { life, packed, .. } => There::Kept { life, version: packed.version },
                Found::Ended { life } => There::Ended { life },
            });
            if !stored.follows(there) {
                return Ok(Put::Conflict);
            }
            kept.insert(*key, stored.life, packed);
            while kept.conversations.len() > self.bounds.most || kept.bytes > self.bounds.bytes {
                kept.drop_oldest();
            }
            self.measure(&kept);
        }
        self.tidy();
        Ok(Put::Done)
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        kept.expire(self.bounds.expires);
        let there = matches!(kept.find(key, self.bounds.expires), Some(Found::Kept { .. }));
        kept.remove(key);
        self.measure(&kept);
        Ok(there)
    }

    async fn page(&self, from: Option<Cursor>, most: usize) -> Result<Page, StoreError> {
        let from = match from {
            Some(Cursor::At(place)) => place,
            _ => 0,
        };
        let mut kept = self.kept();
        kept.expire(self.bounds.expires);
        let mut found = Vec::new();
        let mut places = kept.order.range(from.max(kept.ended)..);
        for (_, key) in places.by_ref().take(most) {
            if let Some(there @ Found::Kept { .. }) = kept.find(key, self.bounds.expires) {
                found.push((*key, self.stored(there)?));
            }
        }
        Ok(Page { found, next: places.next().map(|(place, _)| Cursor::At(*place)) })
    }
}

/// The only reason for which this machine's own bytes can't be compressed, or be read again.
fn no_memory(error: io::Error) -> StoreError {
    StoreError::Away(format!("a conversation can't be compressed or decompressed for want of memory: {error}"))
}
