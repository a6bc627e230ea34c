//! The channels of a session's consumers, which share them.
//!
//! RabbitMQ has two processes for each channel, and lapin a lookup; what is spread over as many as there are intents costs
//! both more than what comes on one, and acks of different queues can't go together. So the consumers of all queues share
//! a channel. A queue's next consumer needs another one (RabbitMQ 3.10 answers one that starts where one was cancelled
//! with INTERNAL_ERROR): channels are numbered, and a queue's consumers only move to higher numbers, on to one that is open
//! where there is one. A queue whose handler turned out slow goes to a channel of its own: else the acks of all the others,
//! behind its open deliveries, would go one by one.
//!
//! **Invariant:** a queue never has two consumers on the same channel. A channel is closed once no consumer is on it and
//! all that came on it is acked, and not before.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use lapin::{
    Consumer,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::ending::Ending;
use crate::amqp::{
    connection::link::Link,
    publishing::acks::{Ack, AckWriter, Acks},
    values::short,
};

/// The channels of one connection.
pub(crate) struct Channels {
    link: Arc<Link>,
    /// By number. What has no consumer any more is as good as closed.
    open: tokio::sync::Mutex<BTreeMap<u64, Weak<Channel>>>,
}

/// A channel for consumers.
pub(crate) struct Channel {
    number: u64,
    channel: lapin::Channel,
    acks: Acks,
    /// Until it runs.
    writer: Mutex<Option<AckWriter>>,
    /// Held while a consumer is asked for: the prefetch is a frame of its own, and counts for the consumers that follow.
    order: Mutex<()>,
}

impl Channels {
    /// Of a connection.
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, open: tokio::sync::Mutex::default() }
    }

    /// The open channel with the lowest number from this one on, or else a new one of this number.
    ///
    /// # Errors
    /// lapin's, where the connection is gone.
    pub(crate) async fn from(&self, number: u64) -> Result<Arc<Channel>, lapin::Error> {
        let mut open = self.open.lock().await;
        if let Some(channel) = open.range(number..).find_map(|(_, channel)| channel.upgrade()) {
            return Ok(channel);
        }
        let channel = self.apart(number).await?;
        open.retain(|_, channel| channel.strong_count() > 0);
        open.insert(number, Arc::downgrade(&channel));
        Ok(channel)
    }

    /// A channel with this number for one consumer alone.
    pub(crate) async fn apart(&self, number: u64) -> Result<Arc<Channel>, lapin::Error> {
        let (acks, writer) = Acks::new();
        let (channel, writer) = (self.link.channel().await?, Mutex::new(Some(writer)));
        Ok(Arc::new(Channel { number, channel, acks, writer, order: Mutex::default() }))
    }
}

impl Channel {
    /// The lowest number for the next consumer of a queue that has one here.
    pub(crate) fn next(&self) -> u64 {
        self.number + 1
    }

    /// Starts a consumer that gets so many deliveries at a time.
    ///
    /// # Errors
    /// lapin's. Where the broker refuses, the channel is closed, with all consumers on it.
    pub(crate) async fn consume(&self, queue: &str, prefetch: u16) -> Result<Consumer, lapin::Error> {
        let (qos, options) = (BasicQosOptions::default(), BasicConsumeOptions::default());
        // lapin's buffer of deliveries is unbounded; the prefetch is what bounds it.
        let prefetch = self.channel.basic_qos(prefetch, qos);
        let consumer = self.channel.basic_consume(short(queue), short(""), options, FieldTable::default());
        // Polled in this order, and both frames are written by the first poll: nobody waits for the first answer alone.
        let mut both = pin!(futures_util::future::try_join(prefetch, consumer));
        let both = poll_fn(|context| {
            let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            both.as_mut().poll(context)
        });
        both.await.map(|((), consumer)| consumer)
    }

    /// Has its acks be written, by a task that `tasks` owns, until the session is lost; nothing where that is so already.
    pub(crate) fn write_acks(&self, tasks: &TaskTracker, ending: &Arc<Ending>) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let (ending, channel) = (ending.clone(), self.channel.clone());
            tasks.spawn(async move {
                let lost = ending.token.clone();
                let write = writer.run(channel, lost, |why| ending.tell(why.to_owned()));
                ending.unless_it_panics("the task that acks", write).await;
            });
        }
    }

    /// The same for a lane, which may lose its channel while its session goes on: `failed` is told, and nobody else. The
    /// lane's own task writes them, so that no other has to be woken for each.
    pub(super) fn written_acks(
        &self,
        lost: CancellationToken,
        failed: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let channel = self.channel.clone();
        async move {
            if let Some(writer) = writer {
                writer.run(channel, lost, |_| failed.cancel()).await;
            }
        }
    }

    /// The ack of a delivery.
    pub(crate) fn ack_of(&self, tag: u64) -> Ack {
        self.acks.of(tag)
    }

    /// Waits until the broker has the acks of all that was settled before; false where that can't be known.
    pub(super) async fn acks_arrived(&self) -> bool {
        self.acks.arrived().await
    }

    /// lapin's.
    pub(crate) fn inner(&self) -> &lapin::Channel {
        &self.channel
    }
}
