//! What is stored of a conversation, in JSON: whose it is, its state, and what its last turns were answered.
//!
//! **Invariants:** one that can't be read, as it is damaged or of a newer program, is an error and never an empty one. It
//! is bounded beside its state: [`IDENTITIES`] turns, of which each has at most [`MAX_OUTCOME`] bytes of outcome for
//! [`KEPT_FOR`] — 512 KiB of outcomes at the most, and some 3 KiB once they are no longer kept.

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

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

    use super::*;
    use crate::conversation::{Put, Store};

    fn kept(conversation: &str) -> Key {
        Record::key(None, None, conversation)
    }

    async fn there(store: &dyn Store, conversation: &str) -> Record {
        let stored = store.get(&kept(conversation)).await.unwrap().unwrap();
        Record::read(&kept(conversation), &stored).unwrap()
    }

    async fn say(store: &dyn Store, record: Record, text: &str) {
        let key = kept(&record.who().conversation);
        let mut state = record.state.clone();
        state.expired = false;
        state.say(crate::domain::Role::User, text);
        let next = record.after(identity(text.len()), state, outcome(text), 1);
        assert_eq!(store.put(&key, next.stored().unwrap()).await, Ok(Put::Done));
    }

    /// Of two conversations, whether they began anew, and what was said in them.
    pub(in super::super) async fn said(store: &dyn Store) -> [(bool, Vec<String>); 2] {
        let [a, b] = [there(store, "a").await, there(store, "b").await];
        [a, b].map(|record| {
            let texts = record.state.history.iter().map(|turn| turn.text.clone()).collect();
            (record.state.expired, texts)
        })
    }

    /// What every store that can begin anew does.
    pub(in super::super) async fn begins_anew(store: &dyn Store) {
        for conversation in ["a", "b"] {
            let who = Who { user_id: None, sender: None, conversation: conversation.to_owned() };
            say(store, Record::begin(who), "1").await;
        }
        let before = there(store, "a").await;
        store.begin_anew().await.unwrap();
        assert_eq!(said(store).await, [(true, vec![]), (true, vec![])]);
        let after = there(store, "a").await;
        assert!(after.is_of(&before) && after.version() == before.version());
        assert!(matches!(after.look_up(&identity(1), 1), Lookup::Kept(_)), "its turns are known as before");
        say(store, after, "22").await;
        assert_eq!(said(store).await, [(false, vec!["22".to_owned()]), (true, vec![])]);
        let page = store.page(None, 10).await.unwrap();
        assert_eq!(page.found.len(), 2);
    }

    const MINUTE: u64 = 60_000;

    fn who() -> Who {
        Who { user_id: Some("shop".into()), sender: None, conversation: "c-1".into() }
    }

    fn identity(number: usize) -> Key {
        Key::of([Some(number.to_string().as_bytes())])
    }

    fn outcome(text: &str) -> Box<RawValue> {
        RawValue::from_string(serde_json::to_string(text).unwrap()).unwrap()
    }

    fn state(text: &str) -> State {
        serde_json::from_value(serde_json::json!({ "history": [{ "role": "user", "text": text }] })).unwrap()
    }

    fn key() -> Key {
        Record::key(Some("shop"), None, "c-1")
    }

    /// What is known, as one word or the outcome.
    fn known(record: &Record, identity: &Key, now: u64) -> String {
        match record.look_up(identity, now) {
            Lookup::Unknown => "unknown".into(),
            Lookup::Kept(outcome) => outcome.get().into(),
            Lookup::NoLonger => "no longer".into(),
        }
    }

    #[test]
    fn a_conversation_is_another_ones_by_each_part_of_its_key() {
        let keys = [
            Record::key(None, None, "c"),
            Record::key(Some("u"), None, "c"),
            Record::key(None, Some("u"), "c"),
            Record::key(Some("u"), Some("u"), "c"),
            Record::key(None, None, "d"),
            Record::key(Some(""), None, "c"),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{index}");
        }
    }

    #[test]
    fn what_was_stored_is_read_again_whole() {
        let record = Record::begin(who());
        assert_eq!((record.version(), record.changed), (0, 0));
        let record = record.after(identity(1), state("退货"), outcome("好的"), 5);
        let stored = record.stored().unwrap();
        assert_eq!(stored.version, 1);
        let read = Record::read(&key(), &stored).unwrap();
        assert_eq!((read.who(), &read.state, read.changed, read.version()), (&who(), &state("退货"), 5, 1));
        assert_eq!(known(&read, &identity(1), 5), "\"好的\"");
        assert_eq!(read.stored().unwrap(), stored);
        let next = read.after(identity(2), state("a"), outcome("b"), 6).stored().unwrap();
        assert_eq!((next.life, next.version), (stored.life, 2));
        assert_ne!(Record::begin(who()).stored().unwrap().life, stored.life);
    }

    #[test]
    fn an_outcome_is_kept_for_ten_minutes_and_its_turn_known_for_thirty_two_more() {
        let mut record = Record::begin(who()).after(identity(0), state(""), outcome("first"), MINUTE);
        assert_eq!(known(&record, &identity(0), 11 * MINUTE - 1), "\"first\"");
        assert_eq!(known(&record, &identity(0), 11 * MINUTE), "no longer");
        assert_eq!(known(&record, &identity(0), 0), "\"first\"", "a clock that is behind");
        assert_eq!(known(&record, &identity(1), MINUTE), "unknown");
        for number in 1..IDENTITIES {
            record = record.after(identity(number), state(""), outcome("x"), 12 * MINUTE);
        }
        assert_eq!(known(&record, &identity(0), MINUTE), "no longer", "it isn't only hidden");
        let record = record.after(identity(IDENTITIES), state(""), outcome("last"), 12 * MINUTE);
        assert_eq!(known(&record, &identity(0), 12 * MINUTE), "unknown");
        assert_eq!(known(&record, &identity(1), 12 * MINUTE), "\"x\"");
        assert_eq!(known(&record, &identity(IDENTITIES), 12 * MINUTE), "\"last\"");
    }

    #[test]
    fn the_later_of_two_turns_with_one_identity_counts() {
        let record = Record::begin(who()).after(identity(1), state(""), outcome("a"), 1);
        let record = record.after(identity(1), state(""), outcome("b"), 2);
        assert_eq!(known(&record, &identity(1), 2), "\"b\"");
    }

    #[test]
    fn a_record_is_bounded_beside_its_state() {
        let mut record = Record::begin(who());
        let largest = outcome(&"x".repeat(MAX_OUTCOME - 2));
        for number in 0..2 * IDENTITIES {
            record = record.after(identity(number), State::default(), largest.clone(), MINUTE);
        }
        let stored = record.stored().unwrap();
        assert!(stored.bytes.len() < IDENTITIES * (MAX_OUTCOME + 128) + 512, "{}", stored.bytes.len());
        let settled = without_outcomes(&stored.bytes);
        assert!(settled.len() < 5 << 10, "{}", settled.len());

        let larger = record.after(identity(99), State::default(), outcome(&"x".repeat(MAX_OUTCOME - 1)), MINUTE);
        assert_eq!(known(&larger, &identity(99), MINUTE), "no longer");
    }

    #[test]
    fn outcomes_are_taken_away_and_nothing_else() {
        let record = Record::begin(who()).after(identity(1), state("a"), outcome("old"), 0);
        let stored = record.after(identity(2), state("b"), outcome("new"), 8 * MINUTE).stored().unwrap();
        let bytes = without_outcomes(&stored.bytes);
        assert!(!bytes.windows(3).any(|part| part == b"old" || part == b"new"));
        let read = Record::read(&key(), &Stored { bytes, ..stored }).unwrap();
        assert_eq!((&read.state, read.changed, read.version()), (&state("b"), 8 * MINUTE, 2));
        assert_eq!(known(&read, &identity(1), 8 * MINUTE), "no longer");
        assert_eq!(known(&read, &identity(2), 8 * MINUTE), "no longer");
        let other = Bytes::from_static(b"{\"schema\":2}");
        assert_eq!(without_outcomes(&other), other);
    }

    #[test]
    fn one_that_has_expired_is_empty_says_so_and_is_anybodys_until_a_turn_says_whose() {
        let stored = expired();
        assert_ne!(stored.life, expired().life);
        let read = Record::read(&key(), &stored).unwrap();
        assert_eq!((&read.state, read.version(), read.changed, read.who()), (&State::expired(), 0, 0, &NOBODY));
        assert_eq!(read.stored().unwrap(), stored, "as it would be written");
        read.is_whose(&who());
        let next = read.after(identity(1), state("a"), outcome("b"), 1).stored().unwrap();
        assert_eq!((next.life, next.version), (stored.life, 1));
        let next = Record::read(&key(), &next).unwrap();
        assert_eq!(next.who(), &who());
        next.is_whose(&NOBODY);
        assert_eq!(next.who(), &who(), "what is known stays");
    }

    #[test]
    fn what_is_forgotten_is_blank_and_nothing_else_is() {
        let blank = |record: &Record| is_blank(&record.stored().unwrap().bytes);
        let record = Record::begin(who()).after(identity(1), state("a"), outcome("{}"), 1);
        assert!(!blank(&record));
        assert!(!blank(&record.clone().after(identity(2), State::expired(), outcome("{}"), 2)));
        assert!(blank(&record.forgotten().after(identity(2), State::default(), outcome("done"), 2)));
        for other in [&b""[..], b"{}", b"x", br#"{"schema":2,"who":0,"changed":0,"state":{},"turns":[]}"#] {
            assert!(!is_blank(other));
        }
    }

    #[test]
    fn what_is_forgotten_holds_nothing_that_was_said() {
        let record = Record::begin(who()).after(identity(1), state("s3cret"), outcome("s3cret"), 1);
        let stored = record.forgotten().after(identity(2), State::default(), outcome("done"), 2).stored().unwrap();
        assert!(!String::from_utf8_lossy(&stored.bytes).contains("s3cret"));
        let read = Record::read(&key(), &stored).unwrap();
        assert_eq!((read.version(), &read.state), (2, &State::default()));
        assert_eq!(known(&read, &identity(1), 2), "no longer");
        assert_eq!(known(&read, &identity(2), 2), "\"done\"");
    }

    #[test]
    fn what_is_newer_or_damaged_is_told_apart_and_not_quoted() {
        let stored = Record::begin(who()).after(identity(1), state("s3cret"), outcome("x"), 1).stored().unwrap();
        let text = String::from_utf8(stored.bytes.to_vec()).unwrap();
        let read = |text: &str| {
            let stored = Stored { bytes: text.to_owned().into(), ..stored.clone() };
            Record::read(&key(), &stored).map(|record| record.version())
        };
        assert_eq!(read(&text), Ok(1));
        let newer = RecordError::Newer { key: key(), found: 2, known: 1 };
        assert_eq!(read(&text.replace("\"schema\":1", "\"schema\":2")), Err(newer.clone()));
        assert_eq!(read(r#"{"schema":2,"whatever":[]}"#), Err(newer));
        for wrong in [&text[1..], "", "{}", "\0", &text.replace("\"changed\":1", "\"changed\":\"s3cret\"")] {
            match read(wrong) {
                Err(error @ RecordError::Damaged { .. }) => {
                    assert!(!error.to_string().contains("s3cret"), "{error}");
                    assert!(error.to_string().contains(&key().to_string()), "{error}");
                }
                other => panic!("{wrong}: {other:?}"),
            }
        }
    }
}
