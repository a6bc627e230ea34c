//! Tests of the memory. That it compares and sets, as every store, is `tests/it/conversation_stores.rs`.
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
