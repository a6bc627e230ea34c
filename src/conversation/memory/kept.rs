//! What the memory holds, in the order of changes: what is dropped for room or age, and what is to be compressed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use metrics::counter;
use tokio::time::Instant;

use crate::{conversation::record::KEPT_FOR, domain::Key};

/// What a conversation takes beside its bytes: its places in the table and in the order, and what allocating them costs.
pub(super) const FIXED: usize = 2 * (size_of::<(Key, Entry)>() + size_of::<(u64, Key)>());
/// How many one operation tidies: more than one operation makes.
const TIDIED: usize = 2;
/// So many changes after its own a conversation is compressed.
pub(super) const HOT: u64 = 1024;
/// How many one operation compresses: more than one operation makes.
const COOLED: usize = 2;
/// How many one operation drops for their age.
const EXPIRED: usize = 64;

#[derive(Default)]
pub(super) struct Kept {
    pub(super) conversations: HashMap<Key, Entry>,
    /// How many of them haven't expired.
    pub(super) living: usize,
    /// By when each changed last.
    pub(super) order: BTreeMap<u64, Key>,
    /// The next place in the order.
    pub(super) next: u64,
    /// All before this place have expired.
    pub(super) ended: u64,
    /// All before this place are compressed.
    cooled: u64,
    /// The bytes of those that aren't.
    pub(super) hot_bytes: usize,
    /// All before this place are without outcomes, or have expired.
    tidied: u64,
    /// All before this place begin anew.
    pub(super) anew: u64,
    pub(super) bytes: usize,
}

/// What is found under a key.
pub(super) enum Found {
    Kept {
        life: u64,
        packed: Packed,
        /// Whether it begins anew.
        anew: bool,
    },
    /// It has expired.
    Ended { life: u64 },
}

pub(super) struct Entry {
    life: u64,
    place: u64,
    /// When it changed last.
    at: Instant,
    /// Nothing once it has expired.
    pub(super) packed: Option<Packed>,
}

#[derive(Clone)]
pub(super) struct Packed {
    pub(super) version: u64,
    pub(super) bytes: Text,
    /// Whether nothing is known in it: then it expires without a trace.
    pub(super) is_blank: bool,
}

#[derive(Clone)]
pub(super) enum Text {
    Plain(Bytes),
    Compressed {
        /// Before it was, in bytes.
        length: usize,
        bytes: Arc<[u8]>,
    },
}

impl Text {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Compressed { bytes, .. } => bytes.len(),
        }
    }

    pub(super) fn hot_bytes(&self) -> usize {
        if let Self::Plain(bytes) = self { bytes.len() } else { 0 }
    }
}

impl Kept {
    pub(super) fn find(&self, key: &Key, expires: Duration) -> Option<Found> {
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

    pub(super) fn insert(&mut self, key: Key, life: u64, packed: Packed) {
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
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some(entry) = self.conversations.remove(key) else { return false };
        self.order.remove(&entry.place);
        self.bytes -= entry.packed.as_ref().map_or(0, |packed| packed.bytes.len()) + FIXED;
        self.hot_bytes -= entry.packed.as_ref().map_or(0, |packed| packed.bytes.hot_bytes());
        self.living -= usize::from(entry.packed.is_some());
        entry.packed.is_some()
    }

    /// Makes room. What has expired is older than all else, so it goes before a conversation does.
    pub(super) fn drop_oldest(&mut self) {
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

    pub(super) fn expire(&mut self, expires: Duration) {
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
    pub(super) fn cool(&mut self) -> Vec<(Key, u64, Bytes)> {
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
    pub(super) fn due(&mut self) -> Vec<(Key, u64, Packed)> {
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
    pub(super) fn replace(&mut self, key: &Key, place: u64, text: Text) {
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
