//! Tests of records, and what every store has to do with them.
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

/// The first turn of a life, after which nothing is known.
pub(in super::super) fn blank(life: u64) -> Stored {
    let stored = Record::begin(who()).forgotten().after(identity(1), State::default(), outcome("done"), 1).stored();
    Stored { life, ..stored.unwrap() }
}

const MINUTE: u64 = 60_000;

fn who() -> Who {
    Who { user_id: Some("shop".into()), sender: None, conversation: "c-1".into() }
}

fn identity(number: usize) -> Key {
    Key::of([Some(number.to_string().as_bytes())])
}

fn outcome(text: &str) -> Bytes {
    serde_json::to_vec(text).unwrap().into()
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
        Lookup::Kept(outcome) => String::from_utf8(outcome.to_vec()).unwrap(),
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
    assert_eq!(read.clone().stored().unwrap(), stored);
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
    let stored = record.clone().stored().unwrap();
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
    let other = Bytes::from_static(b"{\"schema\":3}");
    assert_eq!(without_outcomes(&other), other);
}

#[test]
fn one_that_has_expired_is_empty_says_so_and_is_anybodys_until_a_turn_says_whose() {
    let stored = expired();
    assert_ne!(stored.life, expired().life);
    let mut read = Record::read(&key(), &stored).unwrap();
    assert_eq!((&read.state, read.version(), read.changed, read.who()), (&State::expired(), 0, 0, &NOBODY));
    assert_eq!(read.clone().stored().unwrap(), stored, "as it would be written");
    read.is_whose(&who());
    let next = read.after(identity(1), state("a"), outcome("b"), 1).stored().unwrap();
    assert_eq!((next.life, next.version), (stored.life, 1));
    let mut next = Record::read(&key(), &next).unwrap();
    assert_eq!(next.who(), &who());
    next.is_whose(&NOBODY);
    assert_eq!(next.who(), &who(), "what is known stays");
}

#[test]
fn what_is_forgotten_is_blank_and_nothing_else_is() {
    let blank = |record: &Record| is_blank(&record.clone().stored().unwrap().bytes);
    let record = Record::begin(who()).after(identity(1), state("a"), outcome("{}"), 1);
    assert!(!blank(&record));
    assert!(!blank(&record.clone().after(identity(2), State::expired(), outcome("{}"), 2)));
    let mut state = State::default();
    state.say(Role::User, "a history alone");
    assert!(!blank(&record.clone().after(identity(2), state, outcome("{}"), 2)));
    assert!(blank(&record.forgotten().after(identity(2), State::default(), outcome("done"), 2)));
    for other in [&b""[..], b"{}", b"x", br#"{"schema":3,"state":{},"who":0,"changed":0,"turns":[]}"#] {
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
fn what_an_older_program_wrote_is_read_and_written_anew() {
    let identity = &identity(1).to_string()[..32];
    let old = format!(
        r#"{{"schema":1,"who":{{"conversation":"c-1"}},"changed":5,"state":{{"history":[{{"role":"user","text":"退货"}}],"language":"zh"}},"turns":[{{"identity":"{identity}","at":5,"outcome":{{"reply":"好的"}}}}]}}"#
    );
    let read = Record::read(&key(), &Stored { life: 7, version: 1, bytes: old.into() }).unwrap();
    assert_eq!((read.state.language.as_deref(), read.changed, &*read.who().conversation), (Some("zh"), 5, "c-1"));
    assert_eq!(read.state.history, state("退货").history);
    assert_eq!(known(&read, &self::identity(1), 5), r#"{"reply":"好的"}"#);
    let again = Record::read(&key(), &read.stored().unwrap()).unwrap();
    assert_eq!(again.state.history, state("退货").history);
    assert_eq!(known(&again, &self::identity(1), 5), r#"{"reply":"好的"}"#);
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
    let newer = RecordError::Newer { key: key(), found: 3, known: 2 };
    assert_eq!(read(&text.replace("\"schema\":2", "\"schema\":3")), Err(newer.clone()));
    assert_eq!(read(r#"{"schema":3,"whatever":[]}"#), Err(newer));
    for wrong in [
        &text[1..],
        "",
        "{}",
        "\0",
        &text[..text.len() - 1],
        &format!("{text}x"),
        &text.replace("\"changed\":1", "\"changed\":\"s3cret\""),
        // Cut within a character.
        &text.replace("s3cret", "\u{20ac}").replace("[\"user\",6]", "[\"user\",2]"),
        &text.replace("[\"user\",6]", "[\"user\",99999]"),
    ] {
        match read(wrong) {
            Err(error @ RecordError::Damaged { .. }) => {
                assert!(!error.to_string().contains("s3cret"), "{error}");
                assert!(error.to_string().contains(&key().to_string()), "{error}");
            }
            other => panic!("{wrong}: {other:?}"),
        }
    }
}
