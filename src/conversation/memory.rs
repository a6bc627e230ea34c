//! The store in a worker's own memory: for one worker, and gone with it.
//!
//! Conversations are kept compressed, as most of one is text that repeats; but for the [`HOT`] that changed last, of which
//! most change again soon: compressing at each turn took nearly a third of the time spent in this program's own code. Once
//! a conversation has been left alone for as long as outcomes are kept, these are taken out of it. Of one that has expired
//! stays that it was there, for as long again.
//!
//! **Invariant:** bounded by number, bytes and age, with what has expired; the one whose last turn is the longest ago goes
//! first, and is counted.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use metrics::{Gauge, counter, gauge};
use tokio::time::Instant;

use super::{
    Cursor, Page, Put, Store, StoreError, Stored,
    packing::Packing,
    record::{KEPT_FOR, begun_anew, expired, is_blank, without_outcomes},
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

/// What a conversation takes beside its bytes: its places in the table and in the order, and what allocating them costs.
const FIXED: usize = 2 * (size_of::<(Key, Entry)>() + size_of::<(u64, Key)>());
/// How many one operation tidies: more than one operation makes.
const TIDIED: usize = 2;
/// So many changes after its own a conversation is compressed.
const HOT: u64 = 1024;
/// The share of the bytes that those which aren't compressed may have.
const HOT_SHARE: usize = 8;
/// How many one operation compresses: more than one operation makes.
const COOLED: usize = 2;
/// How many one operation drops for their age.
const EXPIRED: usize = 64;

pub struct MemoryStore {
    bounds: Bounds,
    packing: Packing,
    kept: Mutex<Kept>,
    entries: Gauge,
    bytes: Gauge,
}

#[derive(Default)]
struct Kept {
    conversations: HashMap<Key, Entry>,
    /// How many of them haven't expired.
    living: usize,
    /// By when each changed last.
    order: BTreeMap<u64, Key>,
    /// The next place in the order.
    next: u64,
    /// All before this place have expired.
    ended: u64,
    /// All before this place are compressed.
    cooled: u64,
    /// The bytes of those that aren't.
    hot_bytes: usize,
    /// All before this place are without outcomes, or have expired.
    tidied: u64,
    /// All before this place begin anew.
    anew: u64,
    bytes: usize,
}

/// What is found under a key.
enum Found {
    Kept {
        life: u64,
        packed: Packed,
        /// Whether it begins anew.
        anew: bool,
    },
    /// It has expired.
    Ended { life: u64 },
}

struct Entry {
    life: u64,
    place: u64,
    /// When it changed last.
    at: Instant,
    /// Nothing once it has expired.
    packed: Option<Packed>,
}

#[derive(Clone)]
struct Packed {
    version: u64,
    bytes: Text,
    /// Whether nothing is known in it: then it expires without a trace.
    is_blank: bool,
}

#[derive(Clone)]
enum Text {
    Plain(Bytes),
    Compressed {
        /// Before it was, in bytes.
        length: usize,
        bytes: Arc<[u8]>,
    },
}

impl Text {
    fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Compressed { bytes, .. } => bytes.len(),
        }
    }

    fn hot_bytes(&self) -> usize {
        if let Self::Plain(bytes) = self { bytes.len() } else { 0 }
    }
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

impl Kept {
    fn find(&self, key: &Key, expires: Duration) -> Option<Found> {
        let Entry { life, place, at, packed } = self.conversations.get(key)?;
        let age = at.elapsed();
        match packed {
            Some(packed) if age < expires => {
                Some(Found::Kept { life: *life, packed: packed.clone(), anew: *place < self.anew })
            }
            Some(packed) if packed.is_blank => None,
            _ => (age < expires.saturating_mul(2)).then_some(Found::Ended { life: *life }),
        }
    }

    fn insert(&mut self, key: Key, life: u64, packed: Packed) {
        self.remove(&key);
        let place = self.next;
        self.next += 1;
        self.living += 1;
        self.bytes += packed.bytes.len() + FIXED;
        self.hot_bytes += packed.bytes.hot_bytes();
        self.order.insert(place, key);
        self.conversations.insert(key, Entry { life, place, at: Instant::now(), packed: Some(packed) });
    }

    /// Removes what is under a key. Whether that hadn't expired.
    fn remove(&mut self, key: &Key) -> bool {
        let Some(entry) = self.conversations.remove(key) else { return false };
        self.order.remove(&entry.place);
        self.bytes -= entry.packed.as_ref().map_or(0, |packed| packed.bytes.len()) + FIXED;
        self.hot_bytes -= entry.packed.as_ref().map_or(0, |packed| packed.bytes.hot_bytes());
        self.living -= usize::from(entry.packed.is_some());
        entry.packed.is_some()
    }

    /// Makes room. What has expired is older than all else, so it goes before a conversation does.
    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.order.first_key_value() {
            let key = *key;
            if self.remove(&key) {
                dropped("full");
            }
        }
    }

    /// The first one from this place on, where it changed last so long ago.
    fn first(&self, from: u64, age: Duration) -> Option<Key> {
        let (_, key) = self.order.range(from..).next()?;
        self.conversations.get(key).filter(|entry| entry.at.elapsed() >= age).map(|_| *key)
    }

    fn expire(&mut self, expires: Duration) {
        for _ in 0..EXPIRED {
            let Some(key) = self.first(self.ended, expires) else { break };
            self.end(&key);
        }
        for _ in 0..EXPIRED {
            match self.first(0, expires.saturating_mul(2)) {
                Some(key) if self.conversations.get(&key).is_some_and(|entry| entry.packed.is_none()) => {
                    self.remove(&key);
                }
                _ => return,
            }
        }
    }

    /// Drops what is kept of one for its age, and not that it was there.
    fn end(&mut self, key: &Key) {
        let Some(entry) = self.conversations.get_mut(key) else { return };
        self.ended = entry.place + 1;
        dropped("expired");
        if entry.packed.as_ref().is_some_and(|packed| packed.is_blank) {
            self.remove(key);
        } else if let Some(packed) = entry.packed.take() {
            self.bytes -= packed.bytes.len();
            self.hot_bytes -= packed.bytes.hot_bytes();
            self.living -= 1;
        }
    }

    /// Those that are next to be compressed: key, place and bytes.
    fn cool(&mut self) -> Vec<(Key, u64, Bytes)> {
        let (mut found, until) = (Vec::new(), self.next.saturating_sub(HOT));
        let mut places = self.order.range(self.cooled.max(self.ended)..until.max(self.cooled.max(self.ended)));
        while found.len() < COOLED
            && let Some((place, key)) = places.next()
        {
            self.cooled = place + 1;
            let packed = self.conversations.get(key).and_then(|entry| entry.packed.as_ref());
            if let Some(Packed { bytes: Text::Plain(bytes), .. }) = packed {
                found.push((*key, *place, bytes.clone()));
            }
        }
        found
    }

    /// Those that are next to lose their outcomes: key, place and what is kept.
    fn due(&mut self) -> Vec<(Key, u64, Packed)> {
        let next = self.order.range(self.tidied.max(self.ended)..).take(TIDIED);
        let next = next.filter_map(|(_, key)| self.conversations.get(key).map(|entry| (*key, entry)));
        let due: Vec<_> = next
            .take_while(|(_, entry)| entry.at.elapsed() >= KEPT_FOR)
            .filter_map(|(key, entry)| Some((key, entry.place, entry.packed.clone()?)))
            .collect();
        if let Some((_, place, _)) = due.last() {
            self.tidied = place + 1;
        }
        due
    }

    /// Puts other bytes in the place of those that are there, unless there was a turn since, or it has expired.
    fn replace(&mut self, key: &Key, place: u64, text: Text) {
        let entry = self.conversations.get_mut(key).filter(|entry| entry.place == place);
        if let Some(packed) = entry.and_then(|entry| entry.packed.as_mut()) {
            self.bytes = self.bytes + text.len() - packed.bytes.len();
            self.hot_bytes = self.hot_bytes + text.hot_bytes() - packed.bytes.hot_bytes();
            packed.bytes = text;
        }
    }
}

fn dropped(reason: &'static str) {
    counter!("chatbot_conversation_dropped_total", "reason" => reason).increment(1);
}

/// The only reason for which this machine's own bytes can't be compressed, or be read again.
fn no_memory(error: io::Error) -> StoreError {
    StoreError::Away(format!("a conversation can't be compressed or decompressed for want of memory: {error}"))
}
