//! Tests of the memory. That it compares and sets, as every store, is `tests/it/conversation_stores.rs`.
#![expect(clippy::unwrap_used, reason = "a test may")]

use tokio::time::advance;

use super::{
    kept::{Entry, HOT},
    *,
};
use crate::conversation::{Lookup, Record, State, Who, record::KEPT_FOR};

const HOUR: Duration = Duration::from_secs(3_600);

fn key(number: usize) -> Key {
    Key::of([Some(number.to_string().as_bytes())])
}

fn first(text: &str) -> Stored {
    Stored { life: 1, version: 1, bytes: text.to_owned().into() }
}

/// Those that are told to have expired.
async fn ended(store: &MemoryStore, numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut ended = Vec::new();
    for number in numbers {
        if let Some(found) = store.get(&key(number)).await.unwrap().filter(|found| found.version == 0) {
            assert!(Record::read(&key(number), &found).unwrap().state.expired);
            ended.push(number);
        }
    }
    ended
}

/// What is kept adds up.
fn adds_up(store: &MemoryStore) {
    let kept = store.kept();
    let packed = |entry: &Entry| entry.packed.as_ref().map_or(0, |packed| packed.bytes.len()) + FIXED;
    assert_eq!(kept.bytes, kept.conversations.values().map(packed).sum::<usize>());
    assert_eq!(kept.living, kept.conversations.values().filter(|entry| entry.packed.is_some()).count());
    assert_eq!(kept.order.len(), kept.conversations.len());
}

async fn there(store: &MemoryStore, numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut there = Vec::new();
    for number in numbers {
        if store.get(&key(number)).await.unwrap().is_some_and(|found| found.version > 0) {
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
    assert_eq!(ended(&store, 0..100).await, [0; 0], "there is no room for it");
    adds_up(&store);
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
    assert_eq!(store.kept().living, 1);
    adds_up(&store);
    let next = Stored { version: 2, ..first("b") };
    assert_eq!(store.put(&key(1), next).await, Ok(Put::Conflict), "it is gone");
    assert_eq!(store.put(&key(1), first("c")).await, Ok(Put::Conflict), "also for a writer of its first turn");
    let another = Stored { life: 2, ..first("c") };
    assert_eq!(store.put(&key(1), another.clone()).await, Ok(Put::Done), "and begins anew");
    assert_eq!(store.get(&key(1)).await, Ok(Some(another)));
}

#[tokio::test(start_paused = true)]
async fn that_it_has_expired_is_told_for_as_long_again_and_holds_nothing() {
    let store = MemoryStore::new(Bounds { most: 1_000, bytes: 1 << 20, expires: HOUR }, "");
    for number in 0..100 {
        store.put(&key(number), first("a")).await.unwrap();
    }
    advance(HOUR - Duration::from_millis(1)).await;
    assert_eq!(ended(&store, 0..100).await, [0; 0]);
    advance(Duration::from_millis(1)).await;
    assert_eq!(ended(&store, 0..100).await.len(), 100);
    adds_up(&store);
    assert_eq!(store.kept().bytes, 100 * FIXED, "that it was there is all that stays");
    assert_eq!(store.page(None, 1_000).await, Ok(Page { found: Vec::new(), next: None }));
    assert_eq!(store.delete(&key(5)).await, Ok(false), "there is no conversation to be forgotten");
    assert_eq!(ended(&store, 4..7).await, [4, 6], "and it isn't told any more");
    advance(HOUR).await;
    assert_eq!(ended(&store, 0..100).await, [0; 0]);
    assert!(store.kept().conversations.is_empty());
    adds_up(&store);
    assert_eq!(store.put(&key(1), first("a")).await, Ok(Put::Done));
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_makes_room_before_a_conversation_does() {
    let bounds = Bounds { most: 10, bytes: 1 << 20, expires: HOUR };
    for bounds in [bounds, Bounds { most: 1_000, bytes: 10 * (FIXED + 30), ..bounds }] {
        let store = MemoryStore::new(bounds, "");
        for number in 0..6 {
            store.put(&key(number), first("a")).await.unwrap();
        }
        advance(HOUR).await;
        for number in 6..14 {
            store.put(&key(number), first("a")).await.unwrap();
            assert_eq!(there(&store, 6..14).await.len(), number - 5, "{bounds:?}");
        }
        let told = ended(&store, 0..14).await;
        assert!(told.len() < 6 && told.iter().all(|number| (2..6).contains(number)), "{told:?}");
        // One that was dropped as there were too many says nothing.
        for number in 14..40 {
            store.put(&key(number), first("a")).await.unwrap();
        }
        assert_eq!(ended(&store, 0..40).await, [0; 0]);
        adds_up(&store);
    }
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_taken_out_of_none_that_has_expired_and_of_all_others() {
    let store = MemoryStore::new(Bounds { most: 1_000, bytes: 1 << 20, expires: KEPT_FOR + KEPT_FOR / 2 }, "");
    let outcome = Bytes::from(format!("\"{}\"", "0123456789".repeat(100)));
    let who = Who { user_id: None, sender: None, conversation: "c".into() };
    let turn = |number| Record::begin(who.clone()).after(key(number), State::expired(), outcome.clone(), 1);
    for number in 0..60 {
        store.put(&key(number), turn(number).stored().unwrap()).await.unwrap();
    }
    advance(KEPT_FOR).await;
    for number in 60..80 {
        store.put(&key(number), turn(number).stored().unwrap()).await.unwrap();
    }
    // The first sixty expire, a third of them with their outcomes, and the next twenty are due.
    advance(KEPT_FOR).await;
    for number in 80..100 {
        store.put(&key(number), turn(number).stored().unwrap()).await.unwrap();
    }
    assert_eq!(ended(&store, 0..100).await, (0..60).collect::<Vec<_>>());
    for number in 60..100 {
        let read = Record::read(&key(number), &store.get(&key(number)).await.unwrap().unwrap()).unwrap();
        let found = read.look_up(&key(number), 1);
        assert_eq!(matches!(found, Lookup::NoLonger), number < 80, "{number}: {found:?}");
    }
    adds_up(&store);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_left_alone_for_ten_minutes_loses_its_outcomes() {
    let store = MemoryStore::new(Bounds { most: 1_000, bytes: 1 << 20, expires: HOUR }, "");
    let who = |conversation: usize| Who { user_id: None, sender: None, conversation: conversation.to_string() };
    let outcome = Bytes::from(format!("\"{}\"", "0123456789".repeat(100)));
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

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_expires_without_a_trace() {
    let store = MemoryStore::new(Bounds { most: 1_000, bytes: 1 << 20, expires: HOUR }, "");
    store.put(&key(1), crate::conversation::record::tests::blank(1)).await.unwrap();
    advance(HOUR).await;
    assert_eq!(store.get(&key(1)).await, Ok(None));
    assert!(store.kept().conversations.is_empty());
    adds_up(&store);
}

#[tokio::test(start_paused = true)]
async fn those_that_changed_lately_are_kept_as_they_are_and_the_others_compressed() {
    let plain = |store: &MemoryStore| {
        let kept = store.kept();
        let texts =
            || kept.conversations.values().filter_map(|entry| entry.packed.as_ref()).map(|packed| &packed.bytes);
        assert_eq!(kept.hot_bytes, texts().map(Text::hot_bytes).sum::<usize>());
        assert_eq!(kept.bytes, texts().map(|text| text.len() + FIXED).sum::<usize>());
        texts().filter(|text| matches!(text, Text::Plain(_))).count()
    };
    let text = "What was said in a conversation is said again and again in it. ".repeat(10);
    let store = MemoryStore::new(Bounds { most: 10_000, bytes: 64 << 20, expires: HOUR }, "");
    let hot = usize::try_from(HOT).unwrap();
    for number in 0..2 * hot {
        store.put(&key(number), first(&text)).await.unwrap();
    }
    assert_eq!(plain(&store), hot);
    for number in [0, hot, 2 * hot - 1] {
        assert_eq!(store.get(&key(number)).await.unwrap().unwrap().bytes, text.as_bytes());
    }
    let second = Stored { version: 2, ..first(&text) };
    assert_eq!(store.put(&key(0), second).await, Ok(Put::Done));
    assert_eq!(plain(&store), hot, "it changed last, and another cools");
    // They have their share of the bytes, and no more.
    let store = MemoryStore::new(Bounds { most: 10_000, bytes: 80 * text.len(), expires: HOUR }, "");
    for number in 0..100 {
        store.put(&key(number), first(&text)).await.unwrap();
    }
    assert_eq!(plain(&store), 80 / HOT_SHARE);
}
