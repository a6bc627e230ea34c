//! The tables of the file, and what is read from and written to them.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use metrics::counter;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table as RedbTable, TableDefinition};

use crate::{
    conversation::{
        Bounds, Cursor, Page, Put, StoreError, Stored,
        record::{begun_anew, expired, is_blank},
        store::There,
    },
    domain::Key,
};

/// Life, version, when it changed last in Unix microseconds, and the record, by key. What has expired is of version 0, and has
/// no record: programs that know nothing of that take it for a conversation that has expired.
type Value = (u64, u64, u64, &'static [u8]);
const CONVERSATIONS: TableDefinition<&[u8; 32], Value> = TableDefinition::new("conversations");
/// The size of each, in bytes, by when it changed last. No two have changed at once.
const CHANGES: TableDefinition<(u64, &[u8; 32]), u64> = TableDefinition::new("changes");
/// In which form all this is, under [`FORM`]; and under [`ANEW`] since when, in Unix microseconds: what changed last then, or
/// before, begins anew.
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");
const FORM: &str = "form";
const ANEW: &str = "anew";
const KNOWN_FORM: u64 = 1;

/// What a conversation takes beside its record, in bytes: its places in both tables.
const FIXED: u64 = 128;
/// The size of what has expired, in bytes: no conversation's.
const ENDED: u64 = FIXED - 1;
/// The most conversations that one commit drops for their age, and the most that it knows no longer to have expired.
const EXPIRED: usize = 256;
/// How far the newest may be ahead of the clock for many to have changed within a microsecond, in microseconds.
const SLIP: u64 = 1_000_000;
/// The most bytes of records in a page of a listing, but for its first.
const PAGE: usize = 4 << 20;

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) conversations: u64,
    /// What has expired and is known to.
    pub(super) ended: u64,
    pub(super) bytes: u64,
    /// What changed last before that has expired: it needn't be looked at again until it is known no longer. In Unix
    /// microseconds.
    pub(super) swept: u64,
}

/// A write.
pub(super) enum Change {
    Put(Key, Stored),
    /// Its result is a conflict where there is nothing.
    Delete(Key),
    /// All that is there begins anew.
    Anew,
}

/// The tables, as a transaction has them.
pub(super) struct Table<'t> {
    conversations: RedbTable<'t, &'static [u8; 32], Value>,
    changes: RedbTable<'t, (u64, &'static [u8; 32]), u64>,
    about: RedbTable<'t, &'static str, u64>,
    total: Total,
    bounds: Bounds,
    now: u64,
    /// Whether anything was removed.
    removed: bool,
    /// When the next one changes: now, or just after the one before.
    next: u64,
}

impl Table<'_> {
    /// Makes the tables where they aren't there, and counts what is in them; `None` where a newer program made them.
    pub(super) fn prepare(database: &Database) -> Result<Option<Total>, redb::Error> {
        let transaction = database.begin_write()?;
        let total = {
            let mut about = transaction.open_table(ABOUT)?;
            let form = about.get(FORM)?.map(|form| form.value());
            if form.is_some_and(|form| form > KNOWN_FORM) {
                None
            } else {
                if form.is_none() {
                    about.insert(FORM, KNOWN_FORM)?;
                }
                transaction.open_table(CONVERSATIONS)?;
                let changes = transaction.open_table(CHANGES)?;
                let mut total = Total::default();
                for change in changes.iter()? {
                    let size = change?.1.value();
                    total.bytes += size;
                    total.ended += u64::from(size == ENDED);
                }
                Some(Total { conversations: changes.len()? - total.ended, ..total })
            }
        };
        if total.is_some() {
            transaction.commit()?
        } else {
            transaction.abort()?
        }
        Ok(total)
    }

    /// What is found under a key at `now`, in Unix microseconds.
    pub(super) fn get(
        database: &Database,
        key: &Key,
        expires: Duration,
        now: u64,
    ) -> Result<Option<Stored>, redb::Error> {
        let read = database.begin_read()?;
        let anew = read.open_table(ABOUT)?.get(ANEW)?.map(|anew| anew.value());
        let table = read.open_table(CONVERSATIONS)?;
        let found = table.get(key.as_bytes())?;
        Ok(found.and_then(|found| {
            let (_, version, changed, bytes) = found.value();
            let kept = stored(found.value(), expires, anew, now);
            kept.or_else(|| tells(version, changed, bytes, expires, now).then(expired))
        }))
    }

    /// Some of what is kept at `now`, in Unix microseconds, by key.
    pub(super) fn page(
        database: &Database,
        after: Option<Key>,
        most: usize,
        expires: Duration,
        now: u64,
    ) -> Result<Page, redb::Error> {
        let read = database.begin_read()?;
        let anew = read.open_table(ABOUT)?.get(ANEW)?.map(|anew| anew.value());
        let table = read.open_table(CONVERSATIONS)?;
        let (mut page, mut bytes) = (Page { found: Vec::new(), next: None }, 0);
        let from = after.map_or([0; 32], |key| *key.as_bytes());
        for entry in table.range::<&[u8; 32]>(&from..)? {
            let (key, value) = entry?;
            let key = Key::from_bytes(*key.value());
            if after == Some(key) {
                continue;
            }
            if page.found.len() >= most || bytes > PAGE {
                page.next = page.found.last().map(|(key, _)| Cursor::After(*key));
                break;
            }
            if let Some(stored) = stored(value.value(), expires, anew, now) {
                bytes += stored.bytes.len();
                page.found.push((key, stored));
            }
        }
        Ok(page)
    }

    /// Makes changes at `now`, in Unix microseconds, one after the other, and drops what is old or too much; all of it by one
    /// commit. The results, and how much there is then.
    pub(super) fn write(
        database: &Database,
        changes: Vec<Change>,
        total: Total,
        bounds: Bounds,
        now: u64,
    ) -> Result<(Vec<Result<Put, StoreError>>, Total), redb::Error> {
        let transaction = database.begin_write()?;
        let (results, after, removed, expired, full) = {
            let conversations = transaction.open_table(CONVERSATIONS)?;
            let changes_table = transaction.open_table(CHANGES)?;
            let newest = changes_table.last()?.map(|(change, _)| change.value().0);
            // One that is far ahead was told a wrong time, and isn't followed.
            let next = newest.filter(|newest| (now..now + SLIP).contains(newest)).map_or(now, |newest| newest + 1);
            let about = transaction.open_table(ABOUT)?;
            // What changes from now on doesn't begin anew, whatever the clock says.
            let next = next.max(about.get(ANEW)?.map_or(0, |anew| anew.value() + 1));
            let mut tables =
                Table { conversations, changes: changes_table, about, total, bounds, now, removed: false, next };
            let results: Result<Vec<_>, redb::Error> = changes.into_iter().map(|change| tables.make(change)).collect();
            let (results, expired) = (results?, tables.expire()?);
            tables.forget()?;
            let full = tables.make_room()?;
            (results, tables.total, tables.removed, expired, full)
        };
        let changed = removed || results.contains(&Ok(Put::Done));
        if changed {
            transaction.commit()?
        } else {
            transaction.abort()?
        }
        for (reason, dropped) in [("expired", expired), ("full", full)].into_iter().filter(|(_, dropped)| *dropped > 0)
        {
            counter!("chatbot_conversation_dropped_total", "reason" => reason).increment(dropped);
        }
        Ok((results, after))
    }

    fn make(&mut self, change: Change) -> Result<Result<Put, StoreError>, redb::Error> {
        let (key, stored) = match change {
            Change::Put(key, stored) => (key, Some(stored)),
            Change::Delete(key) => (key, None),
            Change::Anew => {
                let newest = self.changes.last()?.map_or(0, |(change, _)| change.value().0);
                let anew = newest.max(self.now);
                self.about.insert(ANEW, anew)?;
                self.next = self.next.max(anew + 1);
                return Ok(Ok(Put::Done));
            }
        };
        let (there, at) = self.there(&key)?;
        let Some(stored) = stored else {
            self.remove(&key, at)?;
            return Ok(Ok(if matches!(there, There::Kept { .. }) { Put::Done } else { Put::Conflict }));
        };
        let size = stored.bytes.len() as u64 + FIXED;
        if size > self.bounds.bytes as u64 {
            return Ok(Err(StoreError::TooLarge { bytes: stored.bytes.len(), most: self.bounds.bytes }));
        }
        if !stored.follows(there) {
            return Ok(Ok(Put::Conflict));
        }
        self.remove(&key, at)?;
        let value = (stored.life, stored.version, self.next, stored.bytes.as_ref());
        self.conversations.insert(key.as_bytes(), value)?;
        self.changes.insert((self.next, key.as_bytes()), size)?;
        // Where the clock was put back.
        self.total.swept = self.total.swept.min(self.next);
        self.next += 1;
        self.total.conversations += 1;
        self.total.bytes += size;
        Ok(Ok(Put::Done))
    }

    /// What is under a key, and when it changed last.
    fn there(&self, key: &Key) -> Result<(There, Option<u64>), redb::Error> {
        let (expires, now) = (self.bounds.expires, self.now);
        Ok(self.conversations.get(key.as_bytes())?.map_or((There::Nothing, None), |found| {
            let (life, version, changed, bytes) = found.value();
            let there = match version {
                1.. if !is_expired(changed, expires, now) => There::Kept { life, version },
                _ if tells(version, changed, bytes, expires, now) => There::Ended { life },
                _ => There::Nothing,
            };
            (there, Some(changed))
        }))
    }

    /// Removes what changed last at `changed`, if there is anything. Whether it was a conversation that is kept.
    fn remove(&mut self, key: &Key, changed: Option<u64>) -> Result<bool, redb::Error> {
        let Some(changed) = changed else { return Ok(false) };
        self.removed = true;
        self.conversations.remove(key.as_bytes())?;
        let size = self.changes.remove((changed, key.as_bytes()))?.map_or(0, |size| size.value());
        self.total.bytes = self.total.bytes.saturating_sub(size);
        let count = if size == ENDED { &mut self.total.ended } else { &mut self.total.conversations };
        *count = count.saturating_sub(1);
        Ok(size != ENDED)
    }

    /// What is the oldest from `from` on: when it changed last, its key, and its size.
    fn oldest(&self, from: u64) -> Result<Option<(u64, Key, u64)>, redb::Error> {
        let first = self.changes.range((from, &[0; 32])..)?.next().transpose()?;
        Ok(first.map(|(change, size)| {
            let (changed, key) = change.value();
            (changed, Key::from_bytes(*key), size.value())
        }))
    }

    /// Drops what is kept of those that have expired, and not that they were there. How many.
    fn expire(&mut self) -> Result<u64, redb::Error> {
        let mut dropped = 0;
        for _ in 0..EXPIRED {
            let Some((changed, key, size)) = self.oldest(self.total.swept)? else { break };
            if size != ENDED {
                if !is_expired(changed, self.bounds.expires, self.now) {
                    break;
                }
                self.end(&key, changed)?;
                dropped += 1;
            }
            self.total.swept = changed + 1;
        }
        Ok(dropped)
    }

    fn end(&mut self, key: &Key, changed: u64) -> Result<(), redb::Error> {
        let life = self.conversations.get(key.as_bytes())?.and_then(|found| {
            let (life, version, changed, bytes) = found.value();
            tells(version, changed, bytes, self.bounds.expires, self.now).then_some(life)
        });
        self.remove(key, Some(changed))?;
        if let Some(life) = life {
            self.conversations.insert(key.as_bytes(), (life, 0, changed, &[][..]))?;
            self.changes.insert((changed, key.as_bytes()), ENDED)?;
            self.total.ended += 1;
            self.total.bytes += ENDED;
        }
        Ok(())
    }

    /// Removes what has expired so long ago that it is no longer told.
    fn forget(&mut self) -> Result<(), redb::Error> {
        for _ in 0..EXPIRED {
            match self.oldest(0)? {
                Some((changed, key, ENDED)) if is_expired(changed, self.bounds.expires.saturating_mul(2), self.now) => {
                    self.remove(&key, Some(changed))?;
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// Drops what is too much: what has expired, as it is the oldest, and then conversations. How many of these.
    fn make_room(&mut self) -> Result<u64, redb::Error> {
        let mut dropped = 0;
        while self.total.conversations + self.total.ended > self.bounds.most as u64
            || self.total.bytes > self.bounds.bytes as u64
        {
            let Some((changed, key, _)) = self.oldest(0)? else { break };
            dropped += u64::from(self.remove(&key, Some(changed))?);
        }
        Ok(dropped)
    }
}

/// What is kept, unless it has expired.
fn stored(
    (life, version, changed, bytes): (u64, u64, u64, &[u8]),
    expires: Duration,
    anew: Option<u64>,
    now: u64,
) -> Option<Stored> {
    if version == 0 || is_expired(changed, expires, now) {
        return None;
    }
    let bytes = Bytes::copy_from_slice(bytes);
    let is_anew = anew.is_some_and(|anew| changed <= anew);
    Some(Stored { life, version, bytes: if is_anew { begun_anew(&bytes) } else { bytes } })
}

/// Whether it is told of one that isn't kept any more that it was there.
fn tells(version: u64, changed: u64, bytes: &[u8], expires: Duration, now: u64) -> bool {
    !is_expired(changed, expires.saturating_mul(2), now) && (version == 0 || !is_blank(bytes))
}

fn is_expired(changed: u64, expires: Duration, now: u64) -> bool {
    u128::from(now.saturating_sub(changed)) >= expires.as_micros()
}

/// Unix microseconds: the file outlasts every other clock.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Says that a newer program has written the file.
#[cfg(test)]
pub(super) fn set_form(database: &Database, form: u64) {
    let write = || {
        let transaction = database.begin_write()?;
        transaction.open_table(ABOUT)?.insert(FORM, form)?;
        transaction.commit()?;
        Ok::<(), redb::Error>(())
    };
    assert!(write().is_ok());
}
