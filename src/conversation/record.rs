//! What is stored of a conversation: whose it is, its state, and what its last turns were answered.
//!
//! That is JSON, and behind it the outcomes of the last turns, one after the other, as long as the JSON tells. They are the
//! most of it, and hardly ever read: so a turn copies them, and doesn't look at them.
//!
//! **Invariants:** one that can't be read, as it is damaged or of a newer program, is an error and never an empty one. It
//! is bounded beside its state: [`IDENTITIES`] turns, of which each has at most [`MAX_OUTCOME`] bytes of outcome for
//! [`KEPT_FOR`] — 512 KiB of outcomes at the most, and some 3 KiB once they are no longer kept.

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{State, Stored};
use crate::domain::Key;

/// How many turns are known again.
pub const IDENTITIES: usize = 32;
/// How long a turn's outcome is kept, for a message that comes again.
pub const KEPT_FOR: Duration = Duration::from_secs(600);
/// The largest outcome that is kept, in bytes. A turn with a larger one is known, and can't be answered again.
pub const MAX_OUTCOME: usize = 16 << 10;

/// The form in which records are written. A field that a program before this may pass over needs no new number. In form 1
/// each outcome stood with its turn.
const SCHEMA: u32 = 2;
/// How a record begins of which the state is empty.
const BLANK: &[u8] = br#"{"schema":2,"state":{},"#;

/// Whose conversation it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Who {
    /// The user as the broker knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The user as the client calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The conversation's id, as the client chose it.
    pub conversation: String,
}

/// Whose a conversation is that has expired: that isn't kept.
static NOBODY: Who = Who { user_id: None, sender: None, conversation: String::new() };

/// A conversation between two of its turns, with what its last turns were answered.
#[derive(Debug, Clone)]
pub struct Record {
    /// Nobody's where it has expired, until a turn says whose it is.
    who: Option<Who>,
    pub state: State,
    /// When it changed last, in Unix milliseconds; 0 before its first turn.
    pub changed: u64,
    life: u64,
    version: u64,
    turns: Vec<Known>,
}

/// What is known of a turn.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// It hasn't happened, or long ago.
    Unknown,
    /// It has happened, and came to this outcome.
    Kept(&'a [u8]),
    /// It has happened. What it came to is no longer kept, or was too large.
    NoLonger,
}

/// Why what is stored can't be used. It is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A program newer than this one has written it.
    #[error(
        "the conversation was stored in form {found} by a newer program, and this one knows no newer than {known}: update \
         this one, or forget the conversation by `chatbot-worker conversation delete {key}`"
    )]
    Newer { key: Key, found: u32, known: u32 },
    /// It isn't what this program writes. The reason holds nothing of what it says.
    #[error("the conversation can't be read ({reason}): forget it by `chatbot-worker conversation delete {key}`")]
    Damaged { key: Key, reason: String },
}

/// The form in JSON. What the state is stands first, so that an empty one is seen at a glance.
#[derive(Serialize, Deserialize)]
struct Form<S, W, T> {
    schema: u32,
    state: S,
    who: W,
    changed: u64,
    turns: T,
}

/// What a form of any number has.
#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

/// A turn that has happened.
#[derive(Debug, Clone)]
struct Known {
    identity: String,
    /// When, in Unix milliseconds.
    at: u64,
    /// In JSON; empty where it is no longer kept.
    outcome: Bytes,
}

/// The same in the form.
#[derive(Serialize, Deserialize)]
struct KnownForm<I> {
    identity: I,
    at: u64,
    /// How long its outcome is, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    length: usize,
    /// As it was in form 1.
    #[serde(default, skip_serializing)]
    outcome: Option<Box<RawValue>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(length: &usize) -> bool {
    *length == 0
}

/// What is in a record's bytes.
struct Parts {
    schema: u32,
    state: State,
    who: Who,
    changed: u64,
    turns: Vec<Known>,
}

/// The JSON at the beginning, and what stands behind it.
fn head<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<(T, usize)> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter();
    let head = values.next().unwrap_or_else(|| Err(serde_json::Error::custom("nothing is there")))?;
    Ok((head, values.byte_offset()))
}

impl Parts {
    fn read(bytes: &Bytes) -> serde_json::Result<Self> {
        let (form, end) = head::<Form<State, Who, Vec<KnownForm<String>>>>(bytes)?;
        let (Form { schema, state, who, changed, turns }, mut rest) = (form, bytes.slice(end..));
        let mut known = Vec::with_capacity(turns.len() + 1);
        for KnownForm { identity, at, length, outcome } in turns {
            if length > rest.len() {
                return Err(serde_json::Error::custom("an outcome is cut off"));
            }
            let behind = rest.split_to(length);
            let outcome = outcome.map_or(behind, bytes_of);
            known.push(Known { identity, at, outcome });
        }
        if !rest.is_empty() {
            return Err(serde_json::Error::custom("more stands behind the outcomes"));
        }
        Ok(Self { schema, state, who, changed, turns: known })
    }
}

fn write(state: &State, who: &Who, changed: u64, turns: &[Known]) -> serde_json::Result<Bytes> {
    let outcomes = turns.iter().map(|turn| turn.outcome.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(outcomes + (2 << 10));
    let forms: Vec<KnownForm<&str>> = turns
        .iter()
        .map(|turn| KnownForm { identity: &*turn.identity, at: turn.at, length: turn.outcome.len(), outcome: None })
        .collect();
    serde_json::to_writer(&mut bytes, &Form { schema: SCHEMA, state, who, changed, turns: forms })?;
    turns.iter().for_each(|turn| bytes.extend_from_slice(&turn.outcome));
    Ok(bytes.into())
}

fn bytes_of(json: Box<RawValue>) -> Bytes {
    Bytes::from(Box::<str>::from(json).into_boxed_bytes())
}

/// Half of an identity: enough to tell 32 turns of one user apart, and half as much to keep.
fn shortened(identity: &Key) -> String {
    let mut identity = identity.to_string();
    identity.truncate(32);
    identity
}

impl Known {
    fn is_kept(&self, now: u64) -> bool {
        u128::from(now.saturating_sub(self.at)) < KEPT_FOR.as_millis()
    }

    fn settle(&mut self, now: u64) {
        if !self.is_kept(now) {
            self.outcome = Bytes::new();
        }
    }
}

impl Record {
    /// What a conversation is stored under. It is another one for each user and sender, so that nobody speaks in
    /// another's by its id alone.
    pub fn key(user_id: Option<&str>, sender: Option<&str>, conversation: &str) -> Key {
        Key::of([user_id, sender, Some(conversation)].map(|part| part.map(str::as_bytes)))
    }

    /// A conversation that begins, before its first turn.
    pub fn begin(who: Who) -> Self {
        let life = new_life();
        Self { who: Some(who), state: State::default(), changed: 0, life, version: 0, turns: Vec::new() }
    }

    /// What is stored under `key`, read.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn read(key: &Key, stored: &Stored) -> Result<Self, RecordError> {
        let read = Parts::read(&stored.bytes);
        let found = match &read {
            Ok(parts) => parts.schema,
            Err(_) => head::<Schema>(&stored.bytes).map_or(SCHEMA, |(head, _)| head.schema),
        };
        if found > SCHEMA {
            return Err(RecordError::Newer { key: *key, found, known: SCHEMA });
        }
        let Parts { schema: _, state, who, changed, turns } = read.map_err(|error| RecordError::Damaged {
            key: *key,
            // Its own message may quote what a user wrote.
            reason: format!("line {}, column {}", error.line(), error.column()),
        })?;
        let who = (stored.version > 0).then_some(who);
        Ok(Self { who, state, changed, life: stored.life, version: stored.version, turns })
    }

    /// Whose it is; nobody's where it has expired, and no turn has said it.
    pub fn who(&self) -> &Who {
        self.who.as_ref().unwrap_or(&NOBODY)
    }

    /// Says whose it is, where that isn't known as it has expired.
    pub fn is_whose(&mut self, who: &Who) {
        self.who.get_or_insert_with(|| who.clone());
    }

    /// How many turns there were.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What is known of a turn at `now`, in Unix milliseconds. Of two with one identity the later one counts.
    pub fn look_up(&self, identity: &Key, now: u64) -> Lookup<'_> {
        let identity = shortened(identity);
        match self.turns.iter().rev().find(|turn| turn.identity == identity) {
            None => Lookup::Unknown,
            Some(turn) if turn.is_kept(now) && !turn.outcome.is_empty() => Lookup::Kept(&turn.outcome),
            Some(_) => Lookup::NoLonger,
        }
    }

    /// Whether it is the same conversation, and not one that began anew.
    pub fn is_of(&self, other: &Self) -> bool {
        self.life == other.life
    }

    /// Whether its last turn was this one.
    pub fn ended_with(&self, identity: &Key) -> bool {
        self.turns.last().is_some_and(|turn| turn.identity == shortened(identity))
    }

    /// The conversation after one more turn, which led to `state` and came to `outcome` at `now`, in Unix milliseconds.
    #[must_use]
    pub fn after(mut self, identity: Key, state: State, outcome: Box<RawValue>, now: u64) -> Self {
        self.turns.drain(..self.turns.len().saturating_sub(IDENTITIES - 1));
        self.turns.iter_mut().for_each(|turn| turn.settle(now));
        let outcome = if outcome.get().len() <= MAX_OUTCOME { bytes_of(outcome) } else { Bytes::new() };
        self.turns.push(Known { identity: shortened(&identity), at: now, outcome });
        Self { state, changed: now, version: self.version + 1, ..self }
    }

    /// The conversation forgotten: its next turns begin anew. That there were turns stays known, and what they were answered
    /// doesn't.
    #[must_use]
    pub fn forgotten(mut self) -> Self {
        self.turns.iter_mut().for_each(|turn| turn.outcome = Bytes::new());
        Self { state: State::default(), ..self }
    }

    /// As it is stored.
    ///
    /// # Errors
    /// The state's, where it has no form in JSON.
    pub fn stored(&self) -> Result<Stored, serde_json::Error> {
        let Self { who: _, state, changed, life, version, turns } = self;
        Ok(Stored { life: *life, version: *version, bytes: write(state, self.who(), *changed, turns)? })
    }
}

fn new_life() -> u64 {
    // The half of it that is random.
    Uuid::now_v7().as_u64_pair().1
}

/// What is found of a conversation that has expired: the beginning of a new life, whose state says so. It holds nothing of
/// what was.
pub(super) fn expired() -> Stored {
    // As a record of nobody's is written.
    const EMPTY: &[u8] = br#"{"schema":2,"state":{"expired":true},"who":{"conversation":""},"changed":0,"turns":[]}"#;
    Stored { life: new_life(), version: 0, bytes: Bytes::from_static(EMPTY) }
}

/// Whether nothing is known in an encoded record, as it was forgotten: who comes next has nothing to be told.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.starts_with(BLANK)
}

/// An encoded record without any outcome; as it is where it can't be read.
pub(super) fn without_outcomes(bytes: &Bytes) -> Bytes {
    changed(bytes, |parts| parts.turns.iter_mut().for_each(|turn| turn.outcome = Bytes::new()))
}

/// An encoded record whose conversation begins anew, and tells so once; its turns are known as before. As it is where it
/// can't be read.
pub(super) fn begun_anew(bytes: &Bytes) -> Bytes {
    changed(bytes, |parts| parts.state = State::expired())
}

fn changed(bytes: &Bytes, change: impl FnOnce(&mut Parts)) -> Bytes {
    let Ok(mut parts) = Parts::read(bytes) else { return bytes.clone() };
    if parts.schema > SCHEMA {
        return bytes.clone();
    }
    change(&mut parts);
    write(&parts.state, &parts.who, parts.changed, &parts.turns).unwrap_or_else(|_| bytes.clone())
}
