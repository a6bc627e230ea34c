//! Acks, as many to a frame as can be.
//!
//! A quorum queue writes each ack that it gets to its log, so that acks cost the broker about as much as messages do, and
//! lapin hands each from thread to thread. So whoever has settled a delivery only says so here; one task a channel acks
//! all that was settled while it wrote the frame before. Nothing waits for company: one that comes alone is acked at once.
//!
//! **Invariant:** a frame acks nothing but what was settled: an ack of several ('multiple') ends at a delivery before
//! which none is open. Tags count from 1 on each channel, so whatever hasn't been told of here is open.

use std::collections::VecDeque;

use futures_util::future::join_all;
use lapin::{Channel, options::BasicAckOptions};
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

struct Settled {
    tag: u64,
    outcome: &'static str,
    started: Instant,
}

impl Ack {
    /// The delivery that came at `started` has ended as `outcome`: let it be acked.
    pub fn settled(self, outcome: &'static str, started: Instant) {
        // Where nobody acks any more, the session is lost and the broker delivers again.
        if self.settled.send(Settled { tag: self.tag, outcome, started }).is_err() {
            events::lost_acks(1);
        }
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

impl AckWriter {
    /// Writes until every [`Ack`] is used or dropped and no more can be made, and closes the channel; or until the session
    /// is lost.
    pub(crate) async fn run(self, channel: Channel, lost: CancellationToken) {
        lost.run_until_cancelled_owned(self.write(channel)).await;
    }

    async fn write(mut self, channel: Channel) {
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
            let frames = window.settle(batch.iter().map(|settled| settled.tag));
            // Handed over together: awaited one by one, a delivery that takes long would have every ack behind it wait
            // for lapin's thread, and wake it, by itself.
            let acks =
                frames.into_iter().map(|Frame { tag, multiple }| channel.basic_ack(tag, BasicAckOptions { multiple }));
            if join_all(acks).await.iter().all(Result::is_ok) {
                for Settled { outcome, started, .. } in batch.drain(..) {
                    events::settled(outcome, started.elapsed());
                }
            } else {
                events::lost_acks(batch.drain(..).count());
            }
        }
        // Nothing came on it that isn't acked; where its session goes on, another consumer has taken over.
        let _ = channel.close(200, short("done")).await;
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
    acked: VecDeque<bool>,
}

impl Default for Window {
    fn default() -> Self {
        Self { first: 1, acked: VecDeque::new() }
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
            self.acked.pop_front();
            self.first += 1;
            together += 1;
        }
        if let Some(&tag) = alone[..together].last() {
            frames.push(Frame { tag, multiple: together > 1 });
        }
        for &tag in &alone[together..] {
            let place = usize::try_from(tag.saturating_sub(self.first)).unwrap_or(usize::MAX);
            if self.acked.len() <= place {
                self.acked.resize(place + 1, false);
            }
            self.acked[place] = true;
            frames.push(Frame { tag, multiple: false });
        }
        frames
    }

    fn forget_acked(&mut self) {
        while self.acked.front() == Some(&true) {
            self.acked.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
