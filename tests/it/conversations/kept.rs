//! A store of conversations that tests look into.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use chatbot_worker::{
    conversation::{Cursor, Page, Put, Record, Store, StoreError, Stored},
    domain::{Key, Role},
};

/// A store in memory that can be away, or lose its answers.
#[derive(Default)]
pub struct Kept {
    there: Mutex<HashMap<Key, Stored>>,
    /// So many of the next calls fail: writes are made, and their answers lost.
    failing: AtomicUsize,
}

impl Kept {
    fn fails(&self) -> bool {
        self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    /// The conversation that is kept, where there is one.
    pub fn record(&self) -> Option<Record> {
        let there = self.there.lock().unwrap();
        there.iter().next().map(|(key, stored)| Record::read(key, stored).unwrap())
    }

    /// Makes what is kept older by so many milliseconds.
    pub fn age(&self, by: u64) {
        for stored in self.there.lock().unwrap().values_mut() {
            let mut record = Record::read(&Record::key(None, None, ""), stored).unwrap();
            record.changed -= by;
            *stored = record.stored().unwrap();
        }
    }

    /// Loses the answers of so many of the next calls.
    pub fn lose(&self, calls: usize) {
        self.failing.store(calls, Ordering::SeqCst);
    }

    /// Everything that is kept of what users and the bot said.
    pub fn texts(&self) -> Vec<String> {
        let there = self.there.lock().unwrap();
        let histories = there.iter().map(|(key, stored)| Record::read(key, stored).unwrap().state.history);
        histories.flatten().map(|turn| turn.text).collect()
    }

    /// What the user said in each conversation, as it is kept.
    pub fn said(&self) -> BTreeMap<String, Vec<String>> {
        let there = self.there.lock().unwrap();
        let said = |(key, stored): (&Key, &Stored)| {
            let record = Record::read(key, stored).unwrap();
            let history = record.state.history.iter().filter(|turn| turn.role == Role::User);
            (record.who().conversation.clone(), history.map(|turn| turn.text.clone()).collect())
        };
        there.iter().map(said).collect()
    }
}

#[async_trait]
impl Store for Kept {
    fn name(&self) -> &'static str {
        "test"
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if self.fails() {
            return Err(StoreError::Away("on purpose".to_owned()));
        }
        Ok(self.there.lock().unwrap().get(key).cloned())
    }

    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError> {
        let put = {
            let mut there = self.there.lock().unwrap();
            let follows = match there.get(key) {
                None => stored.version == 1,
                Some(before) => before.life == stored.life && before.version + 1 == stored.version,
            };
            if follows {
                there.insert(*key, stored);
            }
            if follows { Put::Done } else { Put::Conflict }
        };
        if self.fails() { Err(StoreError::Away("on purpose".to_owned())) } else { Ok(put) }
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.there.lock().unwrap().remove(key).is_some())
    }

    async fn page(&self, _: Option<Cursor>, _: usize) -> Result<Page, StoreError> {
        Ok(Page { found: Vec::new(), next: None })
    }
}
