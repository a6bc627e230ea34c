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
    options::{BasicAckOptions, BasicNackOptions, ConfirmSelectOptions},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{after_others, events};
use crate::amqp::values::short;

/// The most deliveries acked at a time.
const MAX_BATCH: usize = 256;

/// The right to ack one delivery, once. Dropped unused, it leaves the delivery to be delivered again.
pub struct Ack {
    tag: u64,
    settled: mpsc::UnboundedSender<Said>,
}

/// Gives one delivery back to its queue, where its [`Ack`] was dropped unused.
pub struct HandBack(Ack);

enum Said {
    Settled(Settled),
    /// Whoever waits is to be told once the broker has all acks that were said before.
    Arrived(oneshot::Sender<bool>),
}

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
        let settled = Settled { tag: self.tag, outcome: Some(outcome), started };
        if self.settled.send(Said::Settled(settled)).is_err() {
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
        let _ = settled.send(Said::Settled(Settled { tag, outcome: None, started: Instant::now() }));
    }
}

/// Makes the acks of one channel.
pub(crate) struct Acks(mpsc::UnboundedSender<Said>);

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

    /// Waits until the broker has every ack that was said before; false where that can't be known.
    pub(crate) async fn arrived(&self) -> bool {
        let (tell, told) = oneshot::channel();
        self.0.send(Said::Arrived(tell)).is_ok() && told.await.unwrap_or(false)
    }
}

/// Writes the acks of one channel.
pub(crate) struct AckWriter(mpsc::UnboundedReceiver<Said>);

/// What acks are written to: a channel.
pub(crate) trait Written {
    /// Acks a delivery, or all up to it.
    fn ack(&self, tag: u64, multiple: bool) -> impl Future<Output = bool> + Send;
    /// Gives one back to its queue.
    fn hand_back(&self, tag: u64) -> impl Future<Output = bool> + Send;
    /// Whether the broker has taken all that was written before.
    fn arrived(&self) -> impl Future<Output = bool> + Send;
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

    /// By a question: the broker answers it behind what came before it on the channel. Of those that a channel can be asked,
    /// this one changes nothing where nothing is published.
    async fn arrived(&self) -> bool {
        self.confirm_select(ConfirmSelectOptions::default()).await.is_ok()
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
            let (mut next, mut waits) = (Some(first), None);
            while let Some(said) = next {
                match said {
                    Said::Settled(settled) => batch.push(settled),
                    Said::Arrived(tell) => waits = Some(tell),
                }
                next = if waits.is_none() && batch.len() < MAX_BATCH { self.0.try_recv().ok() } else { None };
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
            if let Some(tell) = waits {
                let arrived = written && channel.arrived().await;
                // Whoever waited may be gone.
                let _ = tell.send(arrived);
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
mod tests;
