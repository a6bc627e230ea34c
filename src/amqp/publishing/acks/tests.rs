//! Tests of acks in frames.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{collections::BTreeSet, sync::Mutex};

use proptest::prelude::*;

use super::*;

fn frames(window: &mut Window, tags: &[u64]) -> Vec<(u64, bool)> {
    window.settle(tags.iter().copied()).into_iter().map(|frame| (frame.tag, frame.multiple)).collect()
}

#[test]
fn what_begins_the_window_goes_together_and_the_rest_alone() {
    let mut window = Window::default();
    assert_eq!(frames(&mut window, &[1]), [(1, false)]);
    assert_eq!(frames(&mut window, &[3, 2]), [(3, true)]);
    assert_eq!(frames(&mut window, &[6, 8, 5]), [(5, false), (6, false), (8, false)]);
    // 5 and 6 are acked already, so the frame ends at 7, which acks 4 and 7; 8 is passed over.
    assert_eq!(frames(&mut window, &[7, 4]), [(7, true)]);
    assert_eq!(frames(&mut window, &[9]), [(9, false)]);
}

#[test]
fn one_that_is_stuck_costs_the_same_however_many_are_acked_behind_it() {
    let mut window = Window::default();
    for tag in 2..100_000 {
        assert_eq!(frames(&mut window, &[tag]), [(tag, false)]);
        assert_eq!(window.acked.len(), 1);
    }
    // Of those that are open at the same time, each costs one run.
    for tag in (100_001..100_201_u64).filter(|tag| tag % 2 == 1) {
        frames(&mut window, &[tag]);
    }
    assert_eq!(window.acked.len(), 101);
    assert_eq!(frames(&mut window, &[1]), [(1, false)]);
    assert_eq!(frames(&mut window, &[100_000]), [(100_000, false)]);
    assert_eq!(frames(&mut window, &[100_002, 100_004]), [(100_004, true)]);
}

/// A channel that notes what is written, and fails where it is told to.
#[derive(Default)]
struct Noted {
    frames: Mutex<Vec<String>>,
    acks_fail: bool,
    close_fails: bool,
}

impl Written for &Noted {
    async fn ack(&self, tag: u64, multiple: bool) -> bool {
        self.frames.lock().unwrap().push(format!("ack {tag}{}", if multiple { " and before" } else { "" }));
        !self.acks_fail
    }

    async fn hand_back(&self, tag: u64) -> bool {
        self.frames.lock().unwrap().push(format!("back {tag}"));
        !self.acks_fail
    }

    async fn arrived(&self) -> bool {
        self.frames.lock().unwrap().push("arrived?".to_owned());
        true
    }

    async fn close(&self) -> bool {
        !self.close_fails
    }
}

/// What is told of a channel on which three were settled and the second handed back.
async fn told(channel: &Noted) -> Vec<&'static str> {
    let (acks, writer) = Acks::new();
    for tag in [1, 2, 3] {
        let ack = acks.of(tag);
        let hand_back = ack.hand_back();
        if tag == 2 { hand_back.now() } else { ack.settled("reply", Instant::now()) }
    }
    drop(acks);
    let told = Mutex::new(Vec::new());
    writer.run(channel, CancellationToken::new(), |why| told.lock().unwrap().push(why)).await;
    told.into_inner().unwrap()
}

#[tokio::test]
async fn what_is_handed_back_is_told_before_an_ack_could_take_it_along() {
    let channel = Noted::default();
    assert_eq!(told(&channel).await, Vec::<&str>::new());
    assert_eq!(*channel.frames.lock().unwrap(), ["back 2", "ack 3 and before"]);
}

#[tokio::test]
async fn whoever_waits_for_acks_is_told_behind_them_and_that_they_are_lost() {
    for (acks_fail, expected) in
        [(false, &["ack 2 and before", "arrived?", "ack 3"][..]), (true, &["ack 2 and before", "ack 3"])]
    {
        let channel = Noted { acks_fail, ..Noted::default() };
        let (acks, writer) = Acks::new();
        acks.of(1).settled("reply", Instant::now());
        acks.of(2).settled("reply", Instant::now());
        let waits = async {
            let arrived = acks.arrived().await;
            acks.of(3).settled("reply", Instant::now());
            drop(acks);
            arrived
        };
        let (arrived, ()) = tokio::join!(waits, writer.run(&channel, CancellationToken::new(), |_| {}));
        assert_eq!(arrived, !acks_fail);
        assert_eq!(*channel.frames.lock().unwrap(), expected);
    }
    let (acks, writer) = Acks::new();
    drop(writer);
    assert!(!acks.arrived().await, "nobody writes them");
}

/// A session that drains must not say that all is settled, then.
#[tokio::test]
async fn acks_that_are_lost_are_told() {
    let told_of = told(&Noted { acks_fail: true, ..Noted::default() }).await;
    assert_eq!(told_of, ["acks couldn't be written: the channel that consumes is gone"]);
    let told_of = told(&Noted { close_fails: true, ..Noted::default() }).await;
    assert!(told_of[0].contains("acks on it may be lost") && told_of.len() == 1, "{told_of:?}");
}

/// RabbitMQ's side: acks what a frame names, and takes offence at a tag that it doesn't wait for.
fn broker_acks(waiting: &mut BTreeSet<u64>, frame: Frame) -> Vec<u64> {
    assert!(waiting.contains(&frame.tag), "unknown delivery tag: {frame:?}");
    let acked: Vec<u64> =
        waiting.iter().copied().filter(|&tag| tag == frame.tag || frame.multiple && tag < frame.tag).collect();
    acked.iter().for_each(|tag| assert!(waiting.remove(tag)));
    acked
}

proptest! {
    #[test]
    fn the_broker_acks_what_was_settled_and_nothing_else(
        (order, sizes) in (1..60_u64).prop_flat_map(|count| {
            let tags: Vec<u64> = (1..=count).collect();
            // Near their order, as deliveries are, or in any.
            (Just(tags).prop_shuffle(), prop::collection::vec(1..12_usize, 60))
        }),
        sorted in 0..60_usize,
    ) {
        let mut order = order;
        let sorted = sorted.min(order.len());
        order[..sorted].sort_unstable();
        let mut waiting: BTreeSet<u64> = order.iter().copied().collect();
        let mut window = Window::default();
        let mut sizes = sizes.into_iter();
        while !order.is_empty() {
            let batch: Vec<u64> = order.drain(..sizes.next().unwrap_or(1).min(order.len())).collect();
            let mut acked: Vec<u64> = Vec::new();
            for frame in window.settle(batch.iter().copied()) {
                acked.extend(broker_acks(&mut waiting, frame));
            }
            acked.sort_unstable();
            let mut batch = batch;
            batch.sort_unstable();
            prop_assert_eq!(acked, batch);
        }
        prop_assert!(waiting.is_empty());
    }
}
