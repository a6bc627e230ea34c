//! What is stored of a conversation, in JSON: whose it is, its state, and what its last turns were answered.
//!
//! **Invariants:** one that can't be read, as it is damaged or of a newer program, is an error and never an empty one. It
//! is bounded beside its state: [`IDENTITIES`] turns, of which each has at most [`MAX_OUTCOME`] bytes of outcome for
//! [`KEPT_FOR`] — 512 KiB of outcomes at the most, and some 3 KiB once they are no longer kept.

#[cfg(test)]
pub(super) mod tests;

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::IgnoredAny};
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

/// The form in which records are written. A field that a program before this may pass over needs no new number.
const SCHEMA: u32 = 1;

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
    /// Empty where it has expired, until a turn says whose it is.
    who: OnceLock<Who>,
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
    Kept(&'a RawValue),
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

/// The form in JSON.
#[derive(Serialize, Deserialize)]
struct Form<W, S, T> {
    schema: u32,
    who: W,
    changed: u64,
    state: S,
    turns: T,
}

/// What a form of any number has.
#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

/// A turn that has happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    identity: String,
    /// When, in Unix milliseconds.
    at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Box<RawValue>>,
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
            self.outcome = None;
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
        Self { who: who.into(), state: State::default(), changed: 0, life, version: 0, turns: Vec::new() }
    }

    /// What is stored under `key`, read.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn read(key: &Key, stored: &Stored) -> Result<Self, RecordError> {
        let read = serde_json::from_slice::<Form<Who, State, Vec<Known>>>(&stored.bytes);
        let found = match &read {
            Ok(form) => form.schema,
            Err(_) => serde_json::from_slice::<Schema>(&stored.bytes).map_or(SCHEMA, |head| head.schema),
        };
        if found > SCHEMA {
            return Err(RecordError::Newer { key: *key, found, known: SCHEMA });
        }
        let Form { schema: _, who, changed, state, turns } = read.map_err(|error| RecordError::Damaged {
            key: *key,
            // Its own message may quote what a user wrote.
            reason: format!("line {}, column {}", error.line(), error.column()),
        })?;
        let who = if stored.version == 0 { OnceLock::new() } else { who.into() };
        Ok(Self { who, state, changed, life: stored.life, version: stored.version, turns })
    }

    /// Whose it is; nobody's where it has expired, and no turn has said it.
    pub fn who(&self) -> &Who {
        self.who.get().unwrap_or(&NOBODY)
    }

    /// Says whose it is, where that isn't known as it has expired.
    pub fn is_whose(&self, who: &Who) {
        self.who.get_or_init(|| who.clone());
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
            Some(turn) => turn.outcome.as_deref().filter(|_| turn.is_kept(now)).map_or(Lookup::NoLonger, Lookup::Kept),
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
        let outcome = Some(outcome).filter(|outcome| outcome.get().len() <= MAX_OUTCOME);
        self.turns.push(Known { identity: shortened(&identity), at: now, outcome });
        Self { state, changed: now, version: self.version + 1, ..self }
    }

    /// The conversation forgotten: its next turns begin anew. That there were turns stays known, and what they were answered
    /// doesn't.
    #[must_use]
    pub fn forgotten(mut self) -> Self {
        self.turns.iter_mut().for_each(|turn| turn.outcome = None);
        Self { state: State::default(), ..self }
    }

    /// As it is stored.
    ///
    /// # Errors
    /// The state's, where it has no form in JSON.
    pub fn stored(&self) -> Result<Stored, serde_json::Error> {
        let Self { who: _, state, changed, life, version, turns } = self;
        let form = Form { schema: SCHEMA, who: self.who(), changed: *changed, state, turns };
        Ok(Stored { life: *life, version: *version, bytes: serde_json::to_vec(&form)?.into() })
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
    const EMPTY: &[u8] = br#"{"schema":1,"who":{"conversation":""},"changed":0,"state":{"expired":true},"turns":[]}"#;
    Stored { life: new_life(), version: 0, bytes: Bytes::from_static(EMPTY) }
}

/// Whether nothing is known in an encoded record, as it was forgotten: who comes next has nothing to be told. Not where it
/// can't be read.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    let read = serde_json::from_slice::<Form<IgnoredAny, &RawValue, IgnoredAny>>(bytes);
    read.is_ok_and(|form| form.schema == SCHEMA && form.state.get() == "{}")
}

/// An encoded record without any outcome; as it is where it can't be read.
pub(super) fn without_outcomes(bytes: &Bytes) -> Bytes {
    let Ok(mut form) = serde_json::from_slice::<Form<Who, Box<RawValue>, Vec<Known>>>(bytes) else {
        return bytes.clone();
    };
    if form.schema != SCHEMA {
        return bytes.clone();
    }
    form.turns.iter_mut().for_each(|turn| turn.outcome = None);
    serde_json::to_vec(&form).map_or_else(|_| bytes.clone(), Bytes::from)
}

/// An encoded record whose conversation begins anew, and tells so once; its turns are known as before. As it is where it
/// can't be read.
pub(super) fn begun_anew(bytes: &Bytes) -> Bytes {
    let Ok(form) = serde_json::from_slice::<Form<Who, State, Vec<Known>>>(bytes) else { return bytes.clone() };
    if form.schema != SCHEMA {
        return bytes.clone();
    }
    let Form { schema, who, changed, state: _, turns } = form;
    let form = Form { schema, who, changed, state: State::expired(), turns };
    serde_json::to_vec(&form).map_or_else(|_| bytes.clone(), Bytes::from)
}
