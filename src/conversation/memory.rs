//! The store in a worker's own memory: for one worker, and gone with it.
//!
//! Conversations are kept compressed, as most of one is text that repeats. Once a conversation has been left alone for as
//! long as outcomes are kept, these are taken out of it.
//!
//! **Invariant:** bounded by number, bytes and age; the one whose last turn is the longest ago goes first, and is counted.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use metrics::{Gauge, counter, gauge};
use tokio::time::Instant;

use super::{
    Cursor, Page, Put, Store, StoreError, Stored,
    packing::Packing,
    record::{KEPT_FOR, begun_anew, without_outcomes},
};
use crate::domain::Key;

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most conversations.
    pub most: usize,
    /// The most bytes of all together.
    pub bytes: usize,
    /// How long after its last turn a conversation is kept.
    pub expires: Duration,
}

/// What a conversation takes beside its bytes: its places in the table and in the order, and what allocating them costs.
const FIXED: usize = 2 * (size_of::<(Key, Entry)>() + size_of::<(u64, Key)>());
/// How many one operation tidies: more than one operation makes.
const TIDIED: usize = 2;
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
    /// By when each changed last.
    order: BTreeMap<u64, Key>,
    /// The next place in the order.
    next: u64,
    /// All before this place are without outcomes.
    tidied: u64,
    /// All before this place begin anew.
    anew: u64,
    bytes: usize,
}

/// What is kept of a conversation.
struct Found {
    life: u64,
    version: u64,
    length: usize,
    packed: Arc<[u8]>,
    /// Whether it begins anew.
    anew: bool,
}

struct Entry {
    life: u64,
    version: u64,
    place: u64,
    at: Instant,
    /// Before it was compressed, in bytes.
    length: usize,
    packed: Arc<[u8]>,
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
        let Found { life, version, length, packed, anew } = found;
        let bytes = self.packing.unpack(&packed, length).map_err(no_memory)?;
        Ok(Stored { life, version, bytes: if anew { begun_anew(&bytes) } else { bytes } })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measure(&self, kept: &Kept) {
        self.entries.set(kept.conversations.len() as f64);
        self.bytes.set(kept.bytes as f64);
    }

    /// Takes the outcomes out of some that have been left alone for so long that they are no longer kept. That takes its
    /// time, so nobody waits for it.
    fn tidy(&self) {
        let due = self.kept().due();
        for (key, place, length, packed) in due {
            let smaller = self.packing.unpack(&packed, length).and_then(|bytes| {
                let bytes = without_outcomes(&bytes);
                Ok((bytes.len(), self.packing.pack(&bytes)?))
            });
            if let Ok((length, packed)) = smaller {
                self.kept().replace(&key, place, length, packed);
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
        let packed = self.packing.pack(&stored.bytes).map_err(no_memory)?;
        let size = packed.len() + FIXED;
        if size > self.bounds.bytes {
            return Err(StoreError::TooLarge { bytes: size, most: self.bounds.bytes });
        }
        {
            let mut kept = self.kept();
            kept.expire(self.bounds.expires);
            let there = kept.conversations.get(key).filter(|entry| entry.at.elapsed() < self.bounds.expires);
            if !stored.follows(there.map(|entry| (entry.life, entry.version))) {
                return Ok(Put::Conflict);
            }
            kept.insert(*key, &stored, packed);
            while kept.conversations.len() > self.bounds.most || kept.bytes > self.bounds.bytes {
                kept.drop_oldest("full");
            }
            self.measure(&kept);
        }
        self.tidy();
        Ok(Put::Done)
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        kept.expire(self.bounds.expires);
        let there = kept.remove(key).is_some_and(|entry| entry.at.elapsed() < self.bounds.expires);
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
        let mut places = kept.order.range(from..);
        for (_, key) in places.by_ref().take(most) {
            if let Some(entry) = kept.find(key, self.bounds.expires) {
                found.push((*key, self.stored(entry)?));
            }
        }
        Ok(Page { found, next: places.next().map(|(place, _)| Cursor::At(*place)) })
    }
}

impl Kept {
    fn find(&self, key: &Key, expires: Duration) -> Option<Found> {
        let entry = self.conversations.get(key).filter(|entry| entry.at.elapsed() < expires)?;
        let Entry { life, version, place, length, packed, .. } = entry;
        let anew = *place < self.anew;
        Some(Found { life: *life, version: *version, length: *length, packed: packed.clone(), anew })
    }

    fn insert(&mut self, key: Key, stored: &Stored, packed: Arc<[u8]>) {
        self.remove(&key);
        let place = self.next;
        self.next += 1;
        self.bytes += packed.len() + FIXED;
        self.order.insert(place, key);
        let (life, version, length) = (stored.life, stored.version, stored.bytes.len());
        self.conversations.insert(key, Entry { life, version, place, at: Instant::now(), length, packed });
    }

    fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.conversations.remove(key)?;
        self.order.remove(&entry.place);
        self.bytes -= entry.packed.len() + FIXED;
        Some(entry)
    }

    fn drop_oldest(&mut self, reason: &'static str) {
        if let Some((_, key)) = self.order.first_key_value() {
            let key = *key;
            self.remove(&key);
            counter!("chatbot_conversation_dropped_total", "reason" => reason).increment(1);
        }
    }

    fn expire(&mut self, expires: Duration) {
        for _ in 0..EXPIRED {
            let oldest = self.order.first_key_value().and_then(|(_, key)| self.conversations.get(key));
            if oldest.is_none_or(|entry| entry.at.elapsed() < expires) {
                return;
            }
            self.drop_oldest("expired");
        }
    }

    /// Those that are next to lose their outcomes: key, place, length and bytes.
    fn due(&mut self) -> Vec<(Key, u64, usize, Arc<[u8]>)> {
        let next = self.order.range(self.tidied..).take(TIDIED);
        let next = next.filter_map(|(_, key)| self.conversations.get(key).map(|entry| (*key, entry)));
        let due: Vec<_> = next
            .take_while(|(_, entry)| entry.at.elapsed() >= KEPT_FOR)
            .map(|(key, entry)| (key, entry.place, entry.length, entry.packed.clone()))
            .collect();
        if let Some((_, place, ..)) = due.last() {
            self.tidied = place + 1;
        }
        due
    }

    /// Puts other bytes in the place of those that are there, unless there was a turn since.
    fn replace(&mut self, key: &Key, place: u64, length: usize, packed: Arc<[u8]>) {
        if let Some(entry) = self.conversations.get_mut(key).filter(|entry| entry.place == place) {
            self.bytes = self.bytes + packed.len() - entry.packed.len();
            (entry.length, entry.packed) = (length, packed);
        }
    }
}

/// The only reason for which this machine's own bytes can't be compressed, or be read again.
fn no_memory(error: std::io::Error) -> StoreError {
    StoreError::Away(format!("a conversation can't be compressed or decompressed for want of memory: {error}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use serde_json::value::RawValue;
    use tokio::time::advance;

    use super::*;
    use crate::conversation::{Lookup, Record, State, Who};

    const HOUR: Duration = Duration::from_secs(3_600);

    fn key(number: usize) -> Key {
        Key::of([Some(number.to_string().as_bytes())])
    }

    fn first(text: &str) -> Stored {
        Stored { life: 1, version: 1, bytes: text.to_owned().into() }
    }

    async fn there(store: &MemoryStore, numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut there = Vec::new();
        for number in numbers {
            if store.get(&key(number)).await.unwrap().is_some() {
                there.push(number);
            }
        }
        there
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_whose_last_turn_is_the_longest_ago_goes_first() {
        let store = MemoryStore::new(Bounds { most: 3, bytes: 1 << 20, expires: HOUR }, "");
        for number in 0..3 {
            assert_eq!(store.put(&key(number), first("a")).await, Ok(Put::Done));
        }
        let second = Stored { version: 2, ..first("b") };
        assert_eq!(store.put(&key(0), second).await, Ok(Put::Done));
        store.put(&key(3), first("c")).await.unwrap();
        assert_eq!(there(&store, 0..4).await, [0, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_take_no_more_than_they_may() {
        let store = MemoryStore::new(Bounds { most: 1_000, bytes: 10 * (FIXED + 100), expires: HOUR }, "");
        for number in 0..100 {
            store.put(&key(number), first("short")).await.unwrap();
        }
        let kept = there(&store, 0..100).await;
        assert!((10..20).contains(&kept.len()) && kept.ends_with(&[98, 99]), "{kept:?}");
        let measured: usize = store.kept().conversations.values().map(|entry| entry.packed.len() + FIXED).sum();
        assert_eq!(store.kept().bytes, measured);
        for number in kept {
            assert_eq!(store.delete(&key(number)).await, Ok(true));
            assert_eq!(store.delete(&key(number)).await, Ok(false));
        }
        assert_eq!(store.kept().bytes, 0);
        assert_eq!(store.kept().order.len(), 0);

        let noise: Vec<u8> = (0..4_096u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let large = Stored { bytes: noise.into(), ..first("") };
        assert!(matches!(store.put(&key(1), large).await, Err(StoreError::TooLarge { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_left_alone_expires() {
        let store = MemoryStore::new(Bounds { most: 1_000, bytes: 1 << 20, expires: HOUR }, "");
        for number in 0..100 {
            store.put(&key(number), first("a")).await.unwrap();
        }
        advance(HOUR / 2).await;
        store.put(&key(7), Stored { version: 2, ..first("b") }).await.unwrap();
        advance(HOUR / 2).await;
        assert_eq!(there(&store, 0..100).await, [7]);
        assert_eq!(store.kept().conversations.len(), 1);
        let next = Stored { version: 2, ..first("b") };
        assert_eq!(store.put(&key(1), next).await, Ok(Put::Conflict), "it is gone");
        assert_eq!(store.put(&key(1), first("c")).await, Ok(Put::Done), "and begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_left_alone_for_ten_minutes_loses_its_outcomes() {
        let store = MemoryStore::new(Bounds { most: 1_000, bytes: 1 << 20, expires: HOUR }, "");
        let who = |conversation: usize| Who { user_id: None, sender: None, conversation: conversation.to_string() };
        let outcome = RawValue::from_string(format!("\"{}\"", "0123456789".repeat(100))).unwrap();
        let turn = |number: usize| {
            let record = Record::begin(who(number)).after(key(number), State::default(), outcome.clone(), 1);
            record.stored().unwrap()
        };
        for number in 0..50 {
            store.put(&key(number), turn(number)).await.unwrap();
        }
        let before = store.kept().bytes;
        advance(KEPT_FOR).await;
        for number in 50..100 {
            store.put(&key(number), turn(number)).await.unwrap();
        }
        assert!(store.kept().bytes < 2 * before, "{} and {before}", store.kept().bytes);
        for number in 0..100 {
            let read = Record::read(&key(number), &store.get(&key(number)).await.unwrap().unwrap()).unwrap();
            let found = read.look_up(&key(number), 1);
            assert_eq!(matches!(found, Lookup::NoLonger), number < 50, "{number}: {found:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_begins_anew_says_so_until_its_next_turn_and_is_one_conversation() {
        let store = MemoryStore::new(Bounds { most: 1_000, bytes: 1 << 20, expires: HOUR }, "");
        crate::conversation::record::tests::begins_anew(&store).await;
    }
}
