//! What is stored of a conversation: whose it is, its state, and what its last turns were answered.
//!
//! That is JSON, and behind it the texts of the history and the outcomes of the last turns, one after the other, as long
//! as the JSON tells. They are the most of it: so a turn copies them, and doesn't look at each character.
//!
//! **Invariants:** one that can't be read, as it is damaged or of a newer program, is an error and never an empty one. It
//! is bounded beside its state: [`IDENTITIES`] turns, of which each has at most [`MAX_OUTCOME`] bytes of outcome for
//! [`KEPT_FOR`] — 512 KiB of outcomes at the most, and some 3 KiB once they are no longer kept.

#[cfg(test)]
pub(super) mod tests;

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{State, Stored};
use crate::domain::{Key, Role, Turn};

/// How many turns are known again.
pub const IDENTITIES: usize = 32;
/// How long a turn's outcome is kept, for a message that comes again.
pub const KEPT_FOR: Duration = Duration::from_secs(600);
/// The largest outcome that is kept, in bytes. A turn with a larger one is known, and can't be answered again.
pub const MAX_OUTCOME: usize = 16 << 10;

/// The form in which records are written. A field that a program before this may pass over needs no new number. In form 1
/// each text stood in the state's history, and each outcome with its turn.
const SCHEMA: u32 = 2;
/// How a record begins of which the state is empty.
const BLANK: &[u8] = br#"{"schema":2,"state":{},"said":[],"#;

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
struct Form<S, W, H, T> {
    schema: u32,
    state: S,
    /// Of the state's history: who said each text, and how long it is, in bytes.
    #[serde(default)]
    said: H,
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
    identity: Half,
    /// When, in Unix milliseconds.
    at: u64,
    /// In JSON; empty where it is no longer kept.
    outcome: Bytes,
}

/// The same in the form: which it is, when it was, and how long its outcome is, in bytes.
type KnownForm = (Half, u64, usize);

/// As it was in form 1.
#[derive(Deserialize)]
struct FirstForm {
    identity: Half,
    at: u64,
    #[serde(default)]
    outcome: Option<Box<RawValue>>,
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
        Self::read_form_2(bytes).or_else(|error| match head::<Schema>(bytes) {
            Ok((Schema { schema: 1 }, _)) => Self::read_form_1(bytes),
            _ => Err(error),
        })
    }

    fn read_form_2(bytes: &Bytes) -> serde_json::Result<Self> {
        let (form, end) = head::<Form<State, Who, Vec<(Role, usize)>, Vec<KnownForm>>>(bytes)?;
        let (Form { schema, mut state, who, changed, said, turns }, mut rest) = (form, bytes.slice(end..));
        let mut next = |length: usize| match length <= rest.len() {
            true => Ok(rest.split_to(length)),
            false => Err(serde_json::Error::custom("what stands behind is cut off")),
        };
        // One more is said, and answered, by the turn that reads this.
        state.history.reserve(said.len() + 2);
        for (role, length) in said {
            let text = std::str::from_utf8(&next(length)?).map_err(serde_json::Error::custom)?.to_owned();
            state.history.push(Turn { role, text });
        }
        let mut known = Vec::with_capacity(turns.len() + 1);
        for (identity, at, length) in turns {
            known.push(Known { identity, at, outcome: next(length)? });
        }
        if !rest.is_empty() {
            return Err(serde_json::Error::custom("more stands behind the outcomes"));
        }
        Ok(Self { schema, state, who, changed, turns: known })
    }

    fn read_form_1(bytes: &Bytes) -> serde_json::Result<Self> {
        let Form { schema, state, said: (), who, changed, turns } = serde_json::from_slice(bytes)?;
        let turns = <Vec<FirstForm>>::into_iter(turns).map(|FirstForm { identity, at, outcome }| {
            let outcome = outcome.map(|json| Bytes::from(Box::<str>::from(json).into_boxed_bytes()));
            Known { identity, at, outcome: outcome.unwrap_or_default() }
        });
        Ok(Self { schema, state, who, changed, turns: turns.collect() })
    }
}

fn write(mut state: State, who: &Who, changed: u64, turns: &[Known]) -> serde_json::Result<Bytes> {
    let history = std::mem::take(&mut state.history);
    let said: Vec<_> = history.iter().map(|turn| (turn.role, turn.text.len())).collect();
    let known: Vec<_> = turns.iter().map(|turn| (turn.identity, turn.at, turn.outcome.len())).collect();
    let behind = || {
        let texts = history.iter().map(|turn| turn.text.as_bytes());
        texts.chain(turns.iter().map(|turn| &*turn.outcome))
    };
    let mut bytes = Vec::with_capacity(behind().map(<[u8]>::len).sum::<usize>() + (2 << 10));
    serde_json::to_writer(&mut bytes, &Form { schema: SCHEMA, state, who, changed, said, turns: known })?;
    behind().for_each(|piece| bytes.extend_from_slice(piece));
    Ok(bytes.into())
}

/// Half of an identity: enough to tell 32 turns of one user apart, and half as much to keep. In hexadecimal digits where it
/// is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Half(u128);

impl Half {
    fn of(identity: &Key) -> Self {
        let (half, _) = identity.as_bytes().split_first_chunk().unwrap_or((&[0; 16], &[]));
        Self(u128::from_be_bytes(*half))
    }
}

impl Serialize for Half {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Half {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = Cow::<'de, str>::deserialize(deserializer)?;
        let is_digits = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let half = u128::from_str_radix(&digits, 16).ok().filter(|_| is_digits);
        half.map(Self).ok_or_else(|| D::Error::custom("an identity is 32 hexadecimal digits"))
    }
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
        let identity = Half::of(identity);
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
        self.turns.last().is_some_and(|turn| turn.identity == Half::of(identity))
    }

    /// The conversation after one more turn, which led to `state` and came to `outcome`, in JSON, at `now`, in Unix
    /// milliseconds.
    #[must_use]
    pub fn after(mut self, identity: Key, state: State, outcome: Bytes, now: u64) -> Self {
        self.turns.drain(..self.turns.len().saturating_sub(IDENTITIES - 1));
        self.turns.iter_mut().for_each(|turn| turn.settle(now));
        let outcome = if outcome.len() <= MAX_OUTCOME { outcome } else { Bytes::new() };
        self.turns.push(Known { identity: Half::of(&identity), at: now, outcome });
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
    pub fn stored(self) -> Result<Stored, serde_json::Error> {
        let Self { who, state, changed, life, version, turns } = self;
        Ok(Stored { life, version, bytes: write(state, who.as_ref().unwrap_or(&NOBODY), changed, &turns)? })
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
    const EMPTY: &[u8] =
        br#"{"schema":2,"state":{"expired":true},"said":[],"who":{"conversation":""},"changed":0,"turns":[]}"#;
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
    write(parts.state, &parts.who, parts.changed, &parts.turns).unwrap_or_else(|_| bytes.clone())
}
