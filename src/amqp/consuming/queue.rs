//! The consumers of one queue, one after the other, and a task for each delivery.
//!
//! Another consumer takes over when the [`Prefetch`] changes, on another of the [`Channels`].
//!
//! **Invariant:** a queue has one consumer at a time, and another starts only when everything that came to the one before
//! is being worked on, within the memory budget.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture};
use lapin::{Consumer, types::ShortString};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    channels::{Channel, Channels},
    delivery::{Came, DeliveryWorker, Shared},
    prefetch::Prefetch,
};
use crate::{
    amqp::{
        WorkQueue,
        message::{properties::envelope, time::now_ms},
        objects::problem::{TopologyError, problem},
        publishing::settle::Delivery,
        start_error::{StartError, too_slow},
        values::weight,
    },
    domain::codec,
    pipeline::Dispatch,
};

/// Deliveries of [`crate::amqp::Names::died`] held at a time.
const DIED_PREFETCH: u16 = 32;
/// The least that a delivery counts for in the memory budget, in bytes: its properties and its task take some, too.
const LEAST_ROOM: usize = 1024;

/// A queue to consume.
pub(crate) struct Queue {
    /// None where the broker puts messages.
    pub(crate) work: Option<WorkQueue>,
    pub(crate) name: String,
    prefetch: Prefetch,
    /// The lowest number that its next consumer's channel may have.
    channel: u64,
    /// Whether its next consumer has a channel of its own, as its handler was slow. It stays so for the session: moving
    /// costs more than the channel.
    apart: bool,
}

/// A consumer, and its channel.
pub(crate) struct Started {
    pub(super) channel: Arc<Channel>,
    pub(super) consumer: Consumer,
}

/// Who consumes a queue now: told to whoever ends that.
#[derive(Clone)]
pub(crate) struct Current(Arc<Mutex<(lapin::Channel, ShortString)>>);

/// What happens to a session meanwhile.
pub(crate) struct During {
    pub(crate) shutdown: CancellationToken,
    /// Told before the current consumers are cancelled.
    pub(crate) draining: CancellationToken,
    pub(crate) current: Current,
    /// The deliveries that are the session's.
    pub(crate) tasks: TaskTracker,
    /// Owns the tasks that ack.
    pub(crate) acking: TaskTracker,
}

impl During {
    /// Whether a consumer that ends now ends because the session does.
    pub(crate) fn is_over(&self) -> bool {
        self.draining.is_cancelled() || self.shutdown.is_cancelled()
    }
}

/// The queues to consume. What the broker may hand out of them at a time, in bytes, is the memory budget: half of it is
/// the requests', and the others share the rest.
pub(crate) fn queues(shared: &Shared) -> Vec<Queue> {
    let settings = &shared.settings;
    let (inline, queued) = (settings.prefetch.get(), settings.prefetch_queued.get());
    let mut work = vec![(WorkQueue::Requests, inline), (WorkQueue::Suspects, 1)];
    for (intent, route) in shared.pipeline.routes() {
        if !route.external {
            let prefetch = if route.dispatch == Dispatch::Inline { inline } else { queued };
            work.push((WorkQueue::Intent(intent.clone()), prefetch));
        }
    }
    work.retain(|(queue, _)| settings.consume.work(queue));
    let mut queues: Vec<_> =
        work.into_iter().map(|(queue, prefetch)| (settings.names.queue(&queue), Some(queue), prefetch)).collect();
    if settings.consume.died() {
        queues.push((settings.names.died(), None, DIED_PREFETCH));
    }
    let half = settings.memory_budget / 2;
    let others = queues.iter().filter(|(_, queue, _)| *queue != Some(WorkQueue::Requests)).count().max(1);
    let queue = |(name, work, most)| {
        let bytes = if work == Some(WorkQueue::Requests) { half } else { half / others };
        let mut queue =
            Queue { prefetch: Prefetch::new(most, bytes, settings.max_body), work, name, channel: 0, apart: false };
        queue.comes_apart(shared);
        queue
    };
    queues.into_iter().map(queue).collect()
}

impl Queue {
    /// Starts its next consumer.
    ///
    /// # Errors
    /// [`StartError`], also where it takes longer than `limit`.
    pub(crate) async fn open(&mut self, channels: &Channels, limit: Duration) -> Result<Started, StartError> {
        let number = self.channel;
        let consumer = async {
            let channel = if self.apart { channels.apart(number).await? } else { channels.from(number).await? };
            self.channel = channel.next();
            let consumer = channel.consume(&self.name, self.prefetch.get()).await?;
            Ok(Started { channel, consumer })
        };
        Started::within(limit, consumer).await
    }

    /// Whether its handler turned out slow since this was asked last.
    fn comes_apart(&mut self, shared: &Shared) -> bool {
        let Some(WorkQueue::Intent(intent)) = &self.work else { return false };
        let comes = !self.apart && shared.pipeline.is_slow(intent);
        self.apart |= comes;
        comes
    }
}

impl Started {
    /// A consumer on a channel of its own.
    ///
    /// # Errors
    /// [`StartError`], also where it takes longer than `limit`.
    pub(super) async fn apart(
        channels: &Channels,
        queue: &str,
        prefetch: u16,
        limit: Duration,
    ) -> Result<Self, StartError> {
        let consumer = async {
            let channel = channels.apart(0).await?;
            let consumer = channel.consume(queue, prefetch).await?;
            Ok(Self { channel, consumer })
        };
        Self::within(limit, consumer).await
    }

    async fn within(
        limit: Duration,
        started: impl Future<Output = Result<Self, lapin::Error>>,
    ) -> Result<Self, StartError> {
        let started = timeout(limit, started).await.map_err(|_| too_slow("start a consumer", limit))?;
        // The broker's words name the queue, which can be another's on the same channel.
        started.map_err(|error| match problem("consuming", &error) {
            Some(problem) => StartError::Topology(TopologyError::Problems(vec![problem])),
            None => StartError::Lost(error.to_string()),
        })
    }
}

impl Current {
    pub(crate) fn new(started: &Started) -> Self {
        Self(Arc::new(Mutex::new(Self::of(started))))
    }

    fn of(started: &Started) -> (lapin::Channel, ShortString) {
        (started.channel.inner().clone(), started.consumer.tag())
    }

    fn set(&self, started: &Started) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Self::of(started);
    }

    /// Ends it; what came before that is still handed out.
    pub(crate) async fn cancel(&self) {
        let (channel, tag) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // One that can't be cancelled is lost, and its session ends.
        let _ = channel.basic_cancel(tag, Default::default()).await;
    }
}

/// Why a consumer has ended.
enum End {
    /// For good.
    Over,
    /// Another takes over.
    Changed,
}

/// Starts a task for each delivery of one queue, until it is drained, or its consumer is cancelled by the broker, or the
/// session ends.
pub(crate) async fn consume(
    mut queue: Queue,
    mut started: Started,
    channels: &Channels,
    worker: DeliveryWorker,
    during: &During,
) -> Result<(), String> {
    let worker = Arc::new(worker);
    while let End::Changed = consume_by(&mut queue, started, &worker, during).await? {
        tokio::select! {
            opened = queue.open(channels, worker.shared.settings.broker.connect_timeout) => {
                started = opened.map_err(|error| format!("consuming '{}' anew failed: {error}", queue.name))?;
            }
            () = worker.ending.token.cancelled() => return Ok(()),
        }
        during.current.set(&started);
        // Whoever drains may have cancelled the one before.
        if during.draining.is_cancelled() {
            tokio::select! {
                () = during.current.cancel() => {}
                () = worker.ending.token.cancelled() => return Ok(()),
            }
        }
    }
    Ok(())
}

/// The same for one consumer. What came and isn't started at `shutdown` is handed back.
async fn consume_by(
    queue: &mut Queue,
    Started { channel, mut consumer }: Started,
    worker: &Arc<DeliveryWorker>,
    during: &During,
) -> Result<End, String> {
    let During { shutdown, draining, current, tasks, acking } = during;
    channel.write_acks(acking, &worker.ending);
    let max_body = worker.shared.settings.max_body;
    // Handed back only when the consumer is gone: the broker would hand them out to it again, and count.
    let mut unstarted = Vec::new();
    // What came while an earlier one waited for room, each with its time: deadlines count from there.
    let mut backlog = VecDeque::new();
    let (mut is_over, mut changed) = (false, false);
    let mut ended = pin!(worker.ending.token.cancelled());
    // A suspect is started even then: handed back, it would count as one that ended its worker.
    let hands_back = queue.work != Some(WorkQueue::Suspects);
    loop {
        let next = match backlog.pop_front() {
            None if is_over => break,
            None => tokio::select! {
                biased;
                delivery = consumer.next() => delivery.map(|delivery| (now_ms(), delivery)),
                () = &mut ended => return Ok(End::Over),
            },
            next => next,
        };
        let Some((arrived, delivery)) = next else { break };
        let delivery = delivery.map_err(|error| format!("consuming '{}' failed: {error}", queue.name))?;
        let mut changes = || queue.prefetch.changes(size_of(&delivery)) | queue.comes_apart(&worker.shared);
        if !changed && changes() && !draining.is_cancelled() {
            changed = true;
            tokio::select! {
                () = current.cancel() => {}
                () = &mut ended => return Ok(End::Over),
            }
        }
        if shutdown.is_cancelled() && hands_back {
            unstarted.push(delivery.delivery_tag);
            continue;
        }
        let mut room = pin!(worker.share.take(room_for(&delivery, max_body)));
        let room = loop {
            tokio::select! {
                biased;
                room = &mut room => break Some(room),
                () = shutdown.cancelled(), if hands_back => break None,
                () = &mut ended => return Ok(End::Over),
                next = consumer.next(), if !is_over => match next {
                    Some(delivery) => backlog.push_back((now_ms(), delivery)),
                    None => is_over = true,
                },
            }
        };
        let Some(room) = room else {
            unstarted.push(delivery.delivery_tag);
            continue;
        };
        // Boxed, here and where it was read, and the task itself: what a task holds is moved about with it. One of three
        // kilobytes is copied nine times on its way into the runtime and out of it.
        let ack = channel.ack_of(delivery.delivery_tag);
        let came = Box::new(Came { delivery, ack, channel: channel.inner().id(), arrived });
        let (worker, token) = (worker.clone(), tasks.token());
        let unfinished = worker.unfinished.clone();
        let names_conversation = worker.may_name_conversation(&came.delivery);
        let mut work: BoxFuture<'static, ()> = Box::pin(async move { worker.work(came, room, token).await });
        // What goes on to its conversation's queue is published before the next delivery is looked at, in order.
        if names_conversation && poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await.is_ready() {
            continue;
        }
        unfinished.tasks.spawn(work);
    }
    for tag in unstarted {
        tokio::select! {
            () = Delivery::hand_back(channel.inner(), tag) => {}
            () = &mut ended => return Ok(End::Over),
        }
    }
    // Told to stop, and not yet draining: another consumer would get what was just handed back, and hand it back again.
    Ok(if changed && !during.is_over() { End::Changed } else { End::Over })
}

/// What a delivery lies in memory with, in bytes, as it came: its body, and its properties and headers.
fn size_of(delivery: &lapin::message::Delivery) -> usize {
    delivery.data.len() + weight(&delivery.properties)
}

/// What a delivery takes of the memory budget, in bytes. Compressed, its body may unfold to the largest; what is published
/// for it carries its headers once more.
pub(super) fn room_for(delivery: &lapin::message::Delivery, max_body: usize) -> usize {
    let unfolded = if codec::is_compressed(&envelope(&delivery.properties)) { max_body } else { 0 };
    (size_of(delivery) + weight(&delivery.properties) + unfolded).max(LEAST_ROOM)
}

#[cfg(test)]
mod tests {
    use lapin::{
        BasicProperties,
        message::Delivery,
        types::{AMQPValue, FieldTable},
    };

    use super::*;
    use crate::amqp::values::{short, text};

    #[test]
    fn what_unfolds_and_what_has_headers_takes_more_room() {
        fn check(encoding: &str, header: Option<(&str, AMQPValue)>, room: std::ops::Range<usize>) {
            let mut delivery = Delivery::mock(1, short(""), short("k"), false, vec![b'x'; 2_000]);
            let mut headers = FieldTable::default();
            if let Some((name, value)) = header {
                headers.insert(short(name), value);
            }
            delivery.properties =
                BasicProperties::default().with_content_encoding(short(encoding)).with_headers(headers);
            let found = room_for(&delivery, 1_000_000);
            assert!(room.contains(&found), "{encoding:?}: {found}");
        }
        let plain = || 2_000..3_000;
        let unfolded = || 1_002_000..1_004_000;
        for encoding in ["", "utf-8", "binary", "br", "nonsense"] {
            check(encoding, None, plain());
        }
        for encoding in ["gzip", "GZIP, UTF-8", "gzip:UTF-8", "utf-8, zstd", "deflate", "x-gzip"] {
            check(encoding, None, unfolded());
        }
        let kombu = |name: &str| Some(("compression", text(name)));
        for name in ["application/x-gzip", "application/zstd", "zlib"] {
            check("utf-8", kombu(name), unfolded());
        }
        check("utf-8", kombu("application/x-bz2"), plain());
        check("utf-8", Some(("compression", AMQPValue::Boolean(true))), plain());
        // As it came, and on what is published for it.
        check("", Some(("mine", text(&"x".repeat(30_000)))), 62_000..64_000);
    }
}
