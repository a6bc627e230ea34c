//! Acks, as many to a frame as can be.
//!
//! A quorum queue writes each ack that it gets to its log, so that acks cost the broker about as much as messages do, and
//! lapin hands each from thread to thread. So whoever has settled a delivery only says so here; one task a channel acks
//! all that was settled while it wrote the frame before. Nothing waits for company: one that comes alone is acked at once.
//!
//! **Invariant:** a frame acks nothing but what was settled: an ack of several ('multiple') ends at a delivery before
//! which none is open. Tags count from 1 on each channel, so whatever hasn't been told of here is open. What is kept of
//! acks grows with what is open, and not with what was acked since.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicNackOptions},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{after_others, events};
use crate::amqp::values::short;

/// The most deliveries acked at a time.
const MAX_BATCH: usize = 256;

/// The right to ack one delivery, once. Dropped unused, it leaves the delivery to be delivered again.
pub struct Ack {
    tag: u64,
    settled: mpsc::UnboundedSender<Settled>,
}

/// Gives one delivery back to its queue, where its [`Ack`] was dropped unused.
pub struct HandBack(Ack);

struct Settled {
    tag: u64,
    /// None where it is handed back.
    outcome: Option<&'static str>,
    started: Instant,
}

impl Ack {
    /// The delivery that came at `started` has ended as `outcome`: let it be acked.
    pub fn settled(self, outcome: &'static str, started: Instant) {
        // Where nobody acks any more, the session is lost and the broker delivers again.
        if self.settled.send(Settled { tag: self.tag, outcome: Some(outcome), started }).is_err() {
            events::lost_acks(1);
        }
    }

    /// What hands the delivery back, should whoever has this ack drop it.
    pub(crate) fn hand_back(&self) -> HandBack {
        HandBack(Self { tag: self.tag, settled: self.settled.clone() })
    }
}

impl HandBack {
    /// Gives it back. Only where its ack is dropped: a broker that hears of a delivery twice closes the channel.
    pub(crate) fn now(self) {
        let Ack { tag, settled } = self.0;
        // Where nobody is there to write it, the session is lost, and the delivery comes again anyway.
        let _ = settled.send(Settled { tag, outcome: None, started: Instant::now() });
    }
}

/// Makes the acks of one channel.
pub(crate) struct Acks(mpsc::UnboundedSender<Settled>);

impl Acks {
    /// Acks for a channel; they are written by the [`AckWriter`].
    pub(crate) fn new() -> (Self, AckWriter) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), AckWriter(receiver))
    }

    /// The ack of a delivery.
    pub(crate) fn of(&self, tag: u64) -> Ack {
        Ack { tag, settled: self.0.clone() }
    }
}

/// Writes the acks of one channel.
pub(crate) struct AckWriter(mpsc::UnboundedReceiver<Settled>);

/// What acks are written to: a channel.
pub(crate) trait Written {
    /// Acks a delivery, or all up to it.
    fn ack(&self, tag: u64, multiple: bool) -> impl Future<Output = bool> + Send;
    /// Gives one back to its queue.
    fn hand_back(&self, tag: u64) -> impl Future<Output = bool> + Send;
    /// Closes it in order: the broker has taken all that was written before.
    fn close(&self) -> impl Future<Output = bool> + Send;
}

impl Written for Channel {
    async fn ack(&self, tag: u64, multiple: bool) -> bool {
        self.basic_ack(tag, BasicAckOptions { multiple }).await.is_ok()
    }

    async fn hand_back(&self, tag: u64) -> bool {
        self.basic_nack(tag, BasicNackOptions { requeue: true, multiple: false }).await.is_ok()
    }

    async fn close(&self) -> bool {
        Channel::close(self, 200, short("done")).await.is_ok()
    }
}

impl AckWriter {
    /// Writes until every [`Ack`] is used or dropped and no more can be made, and closes the channel; or until the session
    /// is `lost`. Acks that can't be written, or may not have arrived, are told.
    pub(crate) async fn run(
        self,
        channel: impl Written + Send + Sync,
        lost: CancellationToken,
        tell: impl Fn(&'static str) + Send,
    ) {
        lost.run_until_cancelled_owned(self.write(channel, tell)).await;
    }

    async fn write(mut self, channel: impl Written + Send + Sync, tell: impl Fn(&'static str) + Send) {
        let mut window = Window::default();
        let mut batch = Vec::new();
        while let Some(first) = self.0.recv().await {
            after_others().await;
            batch.push(first);
            while batch.len() < MAX_BATCH
                && let Ok(settled) = self.0.try_recv()
            {
                batch.push(settled);
            }
            let mut written = true;
            // Before an ack of several could take one of them along.
            for settled in batch.extract_if(.., |settled| settled.outcome.is_none()) {
                window.note(settled.tag);
                written &= channel.hand_back(settled.tag).await;
            }
            // All are on their way before the first is awaited.
            let frames = window.settle(batch.iter().map(|settled| settled.tag));
            let acks = frames.into_iter().map(|Frame { tag, multiple }| channel.ack(tag, multiple));
            written &= join_all(acks).await.into_iter().all(|written| written);
            if written {
                for Settled { outcome, started, .. } in batch.drain(..) {
                    events::settled(outcome.unwrap_or_default(), started.elapsed());
                }
            } else {
                events::lost_acks(batch.drain(..).count());
                tell("acks couldn't be written: the channel that consumes is gone");
            }
        }
        // Nothing came on it that isn't acked; where its session goes on, another consumer has taken over.
        if !channel.close().await {
            tell("the channel that consumed was lost before it was closed in order: acks on it may be lost");
        }
    }
}

/// One `basic.ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    tag: u64,
    multiple: bool,
}

/// Which deliveries of a channel are acked, from the first one on that isn't.
#[derive(Debug)]
struct Window {
    /// The tag of the first.
    first: u64,
    /// Those that are, behind it: the first and the last tag of each run. Between two runs one is open, so that there are
    /// no more runs than the broker may hand out.
    acked: BTreeMap<u64, u64>,
}

impl Default for Window {
    fn default() -> Self {
        Self { first: 1, acked: BTreeMap::new() }
    }
}

impl Window {
    /// The frames that ack these deliveries, each of which comes once and was not acked before.
    fn settle(&mut self, tags: impl Iterator<Item = u64>) -> Vec<Frame> {
        let mut alone: Vec<u64> = tags.collect();
        alone.sort_unstable();
        let mut frames = Vec::new();
        // Those that begin the window go together. The frame has to name one that the broker hasn't been told of yet:
        // it answers any other with an error that closes the channel.
        let mut together = 0;
        while let Some(&tag) = alone.get(together) {
            self.forget_acked();
            if tag != self.first {
                break;
            }
            self.first += 1;
            together += 1;
        }
        if let Some(&tag) = alone[..together].last() {
            frames.push(Frame { tag, multiple: together > 1 });
        }
        for &tag in &alone[together..] {
            self.note(tag);
            frames.push(Frame { tag, multiple: false });
        }
        frames
    }

    /// The broker hears of this one by itself.
    fn note(&mut self, tag: u64) {
        let (mut first, mut last) = (tag, tag);
        if let Some((&start, &end)) = self.acked.range(..tag).next_back()
            && end + 1 == tag
        {
            first = start;
        }
        if let Some(end) = self.acked.remove(&(tag + 1)) {
            last = end;
        }
        self.acked.insert(first, last);
    }

    fn forget_acked(&mut self) {
        if let Some(end) = self.acked.remove(&self.first) {
            self.first = end + 1;
        }
    }
}

#[cfg(test)]
mod tests {
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
}
