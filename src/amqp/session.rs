//! A session: three connections, a channel and a consumer for each queue, and a task for each delivery.
//!
//! **Invariant:** it is built as a whole and torn down as a whole; whatever is lost (a connection, a channel, a consumer)
//! ends it. Every task that it spawns has ended before it returns.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{join_all, try_join_all},
};
use lapin::{
    Channel, Consumer,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{
    WorkQueue,
    acks::Acks,
    admit::{self, Admission, Limits},
    clock::now_ms,
    connection::{ConnectError, Link, Use},
    connections::Connections,
    events,
    overload::{self, Excess},
    properties::{Received, short},
    publisher::Publisher,
    replies::Replies,
    reply_to,
    settings::Settings,
    settle::{Delivery, SessionLost, Settler},
    topology::{Topology, TopologyError, problem},
    unfinished::Unfinished,
};
use crate::{
    domain::Outcome,
    pipeline::{Dispatch, Pipeline},
    sharing::{Room, Share},
};

/// Deliveries of [`super::Names::died`] held at a time.
const DIED_PREFETCH: u16 = 32;
/// The least that a delivery counts for in the memory budget, in bytes: its properties and its task take some, too.
const LEAST_ROOM: usize = 1024;

/// What all deliveries of a worker share, from session to session.
#[derive(Clone)]
pub struct Shared {
    /// The settings.
    pub settings: Settings,
    /// Where requests are answered.
    pub pipeline: Arc<Pipeline>,
    /// What the broker must have.
    pub topology: Arc<Topology>,
}

/// Why a session didn't start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// The broker can't be reached, or refuses.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The topology isn't there.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Anything that may pass.
    #[error("{0}")]
    Lost(String),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop, and everything in flight is settled.
    Drained,
    /// It was told to stop, and this many deliveries weren't settled in time; the broker delivers them again.
    GraceExceeded(usize),
    /// Something was lost.
    Lost(String),
}

/// A queue being consumed.
struct Consuming {
    queue: Option<WorkQueue>,
    name: String,
    channel: Channel,
    consumer: Consumer,
}

/// A session that consumes.
pub struct Session {
    shared: Arc<Shared>,
    consuming_link: Link,
    settler: Arc<Settler<Connections>>,
    consuming: Vec<Consuming>,
    unfinished: Arc<Unfinished>,
    /// Its deliveries that are still its own: tokens, as [`Unfinished`] owns their tasks.
    tasks: TaskTracker,
    ending: Arc<Ending>,
}

/// The end of a session, told by whoever first finds that it can't go on.
#[derive(Default)]
struct Ending {
    token: CancellationToken,
    reason: OnceLock<String>,
}

impl Ending {
    fn tell(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    fn reason(&self) -> String {
        self.reason.get().cloned().unwrap_or_else(|| "unknown".to_owned())
    }
}

impl Session {
    /// Connects, declares or verifies the topology, and starts the consumers.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) async fn start(shared: Arc<Shared>, unfinished: Arc<Unfinished>) -> Result<Self, StartError> {
        let settings = &shared.settings;
        let broker = &settings.broker;
        let name = |what: &str| format!("chatbot-worker {} {what}", settings.worker);
        let (consume, forward, reply) = (name("consume"), name("forward"), name("reply"));
        let (consuming_link, forwarding_link) =
            tokio::try_join!(Link::open(broker, &consume, Use::Consume), Link::open(broker, &forward, Use::Forward))?;
        shared.topology.apply(&forwarding_link, settings.topology).await?;
        let replies = Replies::open(broker, &reply).await.map_err(StartError::Lost)?;
        let forwards = timeout(broker.connect_timeout, Publisher::open(forwarding_link, broker.confirm_timeout))
            .await
            .map_err(|_| too_slow("open a channel", broker.connect_timeout))?
            .map_err(|error| StartError::Lost(error.to_string()))?;
        let consuming = try_join_all(queues(&shared).into_iter().map(|(queue, name, prefetch)| {
            let consuming = consume_queue(&consuming_link, queue, name, prefetch);
            async {
                let started = timeout(broker.connect_timeout, consuming).await;
                started.map_err(|_| too_slow("start a consumer", broker.connect_timeout))?
            }
        }))
        .await?;
        let settler = Settler {
            broker: Connections {
                forwards,
                replies,
                topology: shared.topology.clone(),
                mode: settings.topology,
                declared: Mutex::default(),
            },
            names: settings.names.clone(),
            retry: shared.pipeline.retry().clone(),
            worker: settings.worker.clone(),
        };
        Ok(Self {
            unfinished,
            shared,
            consuming_link,
            settler: Arc::new(settler),
            consuming,
            tasks: TaskTracker::new(),
            ending: Arc::default(),
        })
    }

    /// How many queues it consumes.
    pub fn queues(&self) -> usize {
        self.consuming.len()
    }

    /// Works until something is lost, or `shutdown` or `retired` is told; then finishes what is in flight. At `shutdown`
    /// it hands back what hasn't started. A session that is `retired`, as another works in its place, works it off
    /// instead: RabbitMQ before 4.3 counts what is handed back like what ended a worker.
    pub async fn run(self, shutdown: &CancellationToken, retired: &CancellationToken, on_end: impl FnOnce()) -> Ended {
        let Self { shared, consuming_link, settler, consuming, unfinished, tasks, ending } = self;
        let draining = CancellationToken::new();
        let mut cancels = Vec::new();
        let (loops, acking, mut watched) = (TaskTracker::new(), TaskTracker::new(), Vec::new());
        for Consuming { queue, name, channel, consumer } in consuming {
            cancels.push((channel.clone(), consumer.tag()));
            let (acks, writer) = Acks::new();
            acking.spawn(writer.run(channel.clone(), ending.token.clone()));
            let excess = Arc::<Excess>::default();
            // A suspect isn't started twice by chance, and what died is only told of.
            if matches!(queue, Some(WorkQueue::Requests | WorkQueue::Intent(_))) {
                watched.push((name.clone(), excess.clone()));
            }
            let worker = DeliveryWorker {
                shared: shared.clone(),
                settler: settler.clone(),
                mended: consuming_link.mended().clone(),
                channel: channel.id(),
                deliveries: events::Deliveries::of(
                    &queue.as_ref().map_or_else(|| "died".to_owned(), ToString::to_string),
                ),
                // What requests hold is bounded by the pipeline, intent by intent.
                share: if queue == Some(WorkQueue::Requests) {
                    unfinished.budget.unbounded_share()
                } else {
                    unfinished.budget.share()
                },
                excess: excess.clone(),
                queue,
                acks,
                ending: ending.clone(),
                unfinished: unfinished.clone(),
            };
            let (draining, tasks, ending) = (draining.clone(), tasks.clone(), ending.clone());
            let shutdown = shutdown.clone();
            loops.spawn(async move {
                let max_body = worker.shared.settings.max_body;
                match consume(consumer, Arc::new(worker), &name, max_body, &tasks, &shutdown).await {
                    Ok(()) if draining.is_cancelled() || ending.token.is_cancelled() => {}
                    Ok(()) => {
                        ending.tell(format!("the broker cancelled the consumer of '{name}'; was the queue deleted?"));
                    }
                    Err(reason) => ending.tell(reason),
                }
            });
        }
        loops.close();
        acking.close();
        let max_depth = shared.settings.overload.max_depth;

        tokio::select! {
            () = shutdown.cancelled() => {}
            () = retired.cancelled() => {}
            () = overload::watch(&consuming_link, &watched, max_depth) => {}
            () = ending.token.cancelled() => {}
            why = consuming_link.ended() => ending.tell(format!("the consuming connection was lost: {why}")),
            why = settler.broker.forwards.link().ended() => ending.tell(format!("the forwarding connection was lost: {why}")),
        }
        on_end();

        let ended = if ending.token.is_cancelled() {
            Ended::Lost(ending.reason())
        } else {
            draining.cancel();
            let grace = Instant::now() + shared.settings.shutdown_grace;
            tasks.close();
            let drained = async {
                // All at once: a queue that still has a consumer goes on handing out what is handed back.
                join_all(cancels.iter().map(|(channel, tag)| channel.basic_cancel(tag.clone(), Default::default())))
                    .await;
                loops.wait().await;
                tasks.wait().await;
                acking.wait().await;
            };
            tokio::select! {
                () = drained => Ended::Drained,
                () = tokio::time::sleep_until(grace) => Ended::GraceExceeded(tasks.len()),
                () = ending.token.cancelled() => Ended::Lost(ending.reason()),
            }
        };
        // Whatever still runs stops here, or goes on without a session; the broker delivers it again.
        ending.token.cancel();
        draining.cancel();
        tasks.close();
        let close = Duration::from_secs(2);
        let Connections { forwards, replies, .. } = &settler.broker;
        tokio::join!(consuming_link.close(close), replies.close(close), forwards.link().close(close));
        loops.wait().await;
        tasks.wait().await;
        acking.wait().await;
        ended
    }
}

/// The queues to consume, each with its name and prefetch.
fn queues(shared: &Shared) -> Vec<(Option<WorkQueue>, String, u16)> {
    let settings = &shared.settings;
    let (inline, queued) = (settings.prefetch.get(), settings.prefetch_queued.get());
    let mut work = vec![(WorkQueue::Requests, inline), (WorkQueue::Suspects, 1)];
    for (intent, route) in shared.pipeline.routes() {
        // An intent without a handler is consumed by another program.
        if route.handler.is_some() {
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
    queues.into_iter().map(|(name, queue, prefetch)| (queue, name, prefetch)).collect()
}

async fn consume_queue(
    link: &Link,
    queue: Option<WorkQueue>,
    name: String,
    prefetch: u16,
) -> Result<Consuming, StartError> {
    let failed = |error: lapin::Error| match problem(&format!("consuming queue '{name}'"), &error) {
        Some(problem) => StartError::Topology(TopologyError::Problems(vec![problem])),
        None => StartError::Lost(error.to_string()),
    };
    let channel = link.channel().await.map_err(failed)?;
    // lapin's buffer of deliveries is unbounded; the prefetch is what bounds it.
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(failed)?;
    let options = BasicConsumeOptions::default();
    let consumer =
        channel.basic_consume(short(&name), short(""), options, FieldTable::default()).await.map_err(failed)?;
    Ok(Consuming { queue, name, channel, consumer })
}

fn too_slow(what: &str, limit: Duration) -> StartError {
    StartError::Lost(format!("the broker didn't {what} within {limit:?}"))
}

/// Starts a task for each delivery of one queue, until the consumer is cancelled. What came and isn't started at
/// `shutdown` is handed back.
async fn consume(
    mut consumer: Consumer,
    worker: Arc<DeliveryWorker>,
    name: &str,
    max_body: usize,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), String> {
    // Handed back only when the consumer is gone: the broker would hand them out to it again, and count.
    let mut unstarted = Vec::new();
    // What came while an earlier one waited for room, each with its time: deadlines count from there.
    let mut backlog = VecDeque::new();
    let mut is_over = false;
    let mut ended = pin!(worker.ending.token.cancelled());
    // A suspect is started even then: handed back, it would count as one that ended its worker.
    let hands_back = worker.queue != Some(WorkQueue::Suspects);
    loop {
        let next = match backlog.pop_front() {
            None if is_over => break,
            None => tokio::select! {
                biased;
                delivery = consumer.next() => delivery.map(|delivery| (now_ms(), delivery)),
                () = &mut ended => return Ok(()),
            },
            next => next,
        };
        let Some((arrived, delivery)) = next else { break };
        let delivery = delivery.map_err(|error| format!("consuming '{name}' failed: {error}"))?;
        if shutdown.is_cancelled() && hands_back {
            unstarted.push(delivery.acker);
            continue;
        }
        let mut room = pin!(worker.share.take(room_for(&delivery, max_body)));
        let room = loop {
            tokio::select! {
                biased;
                room = &mut room => break Some(room),
                () = shutdown.cancelled(), if hands_back => break None,
                () = &mut ended => return Ok(()),
                next = consumer.next(), if !is_over => match next {
                    Some(delivery) => backlog.push_back((now_ms(), delivery)),
                    None => is_over = true,
                },
            }
        };
        let Some(room) = room else {
            unstarted.push(delivery.acker);
            continue;
        };
        // Boxed, here and where it was read: what a task holds is moved about with it, and allocated as one piece.
        let (worker, delivery, token) = (worker.clone(), Box::new(delivery), tasks.token());
        let unfinished = worker.unfinished.clone();
        unfinished.tasks.spawn(async move { worker.work(delivery, arrived, room, token).await });
    }
    for acker in unstarted {
        Delivery::hand_back(acker).await;
    }
    Ok(())
}

/// What a delivery takes of the memory budget, in bytes: compressed, it may unfold to the largest body.
fn room_for(delivery: &lapin::message::Delivery, max_body: usize) -> usize {
    let encoding = delivery.properties.content_encoding().as_ref().map_or("", ShortString::as_str).to_ascii_lowercase();
    let compressed = encoding.contains("gzip") || encoding.contains("zstd");
    (delivery.data.len() + if compressed { max_body } else { 0 }).max(LEAST_ROOM)
}

/// Does the work of one queue's deliveries.
struct DeliveryWorker {
    shared: Arc<Shared>,
    settler: Arc<Settler<Connections>>,
    mended: Arc<super::wire::Mended>,
    channel: u16,
    queue: Option<WorkQueue>,
    deliveries: events::Deliveries,
    acks: Acks,
    ending: Arc<Ending>,
    unfinished: Arc<Unfinished>,
    /// Of the memory budget.
    share: Arc<Share>,
    /// How many are too many in the queue.
    excess: Arc<Excess>,
}

impl DeliveryWorker {
    async fn work(&self, delivery: Box<lapin::message::Delivery>, arrived: u64, _room: Room, token: TaskTrackerToken) {
        let _in_flight = self.deliveries.delivered();
        let Some((delivery, outcome, _token)) = self.decide(delivery, arrived, token).await else { return };
        tokio::select! {
            biased;
            result = self.settler.settle(delivery, outcome) => if let Err(SessionLost(reason)) = result {
                self.ending.tell(reason);
            },
            () = self.ending.token.cancelled() => {}
        }
    }

    /// What becomes of a delivery; none where its session ends first. Work whose outcome its redelivery can use is let
    /// finish even then, and is no longer the session's.
    async fn decide<T>(
        &self,
        delivery: Box<lapin::message::Delivery>,
        arrived: u64,
        token: T,
    ) -> Option<(Delivery, Outcome, T)> {
        let reusable = AtomicBool::new(false);
        let mut outcome = pin!(self.outcome(delivery, arrived, &reusable));
        tokio::select! {
            biased;
            (delivery, outcome) = &mut outcome => return Some((delivery, outcome, token)),
            () = self.ending.token.cancelled() => {}
        }
        let place = if reusable.load(Ordering::Relaxed) { self.unfinished.place() } else { None };
        drop(token);
        if place.is_some() {
            self.unfinished.finish(outcome).await;
        }
        None
    }

    async fn outcome(
        &self,
        delivery: Box<lapin::message::Delivery>,
        arrived: u64,
        reusable: &AtomicBool,
    ) -> (Delivery, Outcome) {
        let (started, now) = (Instant::now(), now_ms());
        let settings = &self.shared.settings;
        let names = &settings.names;
        let ack = self.acks.of(delivery.delivery_tag);
        let blemishes = self.mended.take(self.channel, delivery.delivery_tag);
        let received = Received::read(*delivery, self.queue.clone(), &blemishes, names, arrived, settings.default_ttl);
        let mut received = Box::new(received);
        let pipeline = &self.shared.pipeline;
        received.keep_known(names, |intent| pipeline.routes().contains_key(intent));
        if received.unreadable.is_some() {
            events::unreadable(&received);
        }
        let address = reply_to::check(received.properties.reply_to().as_ref(), names, &settings.reply_allow);
        let mut request_id = received.message_id().map(str::to_owned);
        let outcome = match &self.queue {
            None => admit::died(&received, &address, pipeline.retry(), now),
            Some(queue) => match admit::admit(&received, queue, &address, &self.limits(), now) {
                Admission::Decided(outcome) => outcome,
                Admission::Work(mut job) => {
                    request_id.clone_from(&job.request.id);
                    job.identity = if pipeline.is_remembering() { received.identity(&job) } else { None };
                    reusable.store(job.identity.is_some(), Ordering::Relaxed);
                    pipeline.run(&job).await
                }
            },
        };
        // Nobody answers a reply, whatever address it carries.
        let reply_to = address.ok().flatten();
        (Delivery { received, reply_to, request_id, started, ack }, outcome)
    }

    fn limits(&self) -> Limits {
        let settings = &self.shared.settings;
        Limits { max_body: settings.max_body, max_age: settings.overload.max_age, too_many: self.excess.take_one() }
    }
}
