//! A session: three connections, consumers, and the work of each delivery.
//!
//! **Invariant:** it is built as a whole and torn down as a whole; whatever is lost (a connection, a channel, a consumer)
//! ends it. Every task that it spawns has ended before it returns.

use std::{
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
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
    acks::Ack,
    admit::{self, Admission, Limits},
    channels::Channels,
    clock::now_ms,
    connect_error::ConnectError,
    connection::{Link, Use},
    connections::Connections,
    consuming::{self, Current, During, Queue, Started},
    events,
    overload::{self, Excess},
    properties::Received,
    publisher::Publisher,
    replies::Replies,
    reply_to,
    settings::Settings,
    settle::{Delivery, SessionLost, Settler},
    topology::{Topology, TopologyError},
    unfinished::Unfinished,
};
use crate::{
    domain::Outcome,
    pipeline::Pipeline,
    sharing::{Room, Share},
};

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

/// A session that consumes.
pub struct Session {
    shared: Arc<Shared>,
    consuming_link: Arc<Link>,
    channels: Arc<Channels>,
    settler: Arc<Settler<Connections>>,
    consuming: Vec<(Queue, Started)>,
    unfinished: Arc<Unfinished>,
    /// Its deliveries that are still its own: tokens, as [`Unfinished`] owns their tasks.
    tasks: TaskTracker,
    ending: Arc<Ending>,
}

/// The end of a session, told by whoever first finds that it can't go on.
#[derive(Default)]
pub(super) struct Ending {
    pub(super) token: CancellationToken,
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
        let consuming_link = Arc::new(consuming_link);
        let channels = Channels::new(consuming_link.clone());
        let started = consuming::queues(&shared).into_iter().map(async |mut queue| {
            let started = queue.open(&channels, broker.connect_timeout).await?;
            Ok((queue, started))
        });
        let consuming = all_or_why(join_all(started).await)?;
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
            channels: Arc::new(channels),
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
        let Self { shared, consuming_link, channels, settler, consuming, unfinished, tasks, ending } = self;
        let draining = CancellationToken::new();
        let mut cancels = Vec::new();
        let (loops, acking, mut watched) = (TaskTracker::new(), TaskTracker::new(), Vec::new());
        for (queue, started) in consuming {
            let current = Current::new(&started);
            cancels.push(current.clone());
            let excess = Arc::<Excess>::default();
            // A suspect isn't started twice by chance, and what died is only told of.
            if matches!(queue.work, Some(WorkQueue::Requests | WorkQueue::Intent(_))) {
                watched.push((queue.name.clone(), excess.clone()));
            }
            let worker = DeliveryWorker {
                shared: shared.clone(),
                settler: settler.clone(),
                mended: consuming_link.mended().clone(),
                deliveries: events::Deliveries::of(
                    &queue.work.as_ref().map_or_else(|| "died".to_owned(), ToString::to_string),
                ),
                // What requests hold is bounded by the pipeline, intent by intent.
                share: if queue.work == Some(WorkQueue::Requests) {
                    unfinished.budget.unbounded_share()
                } else {
                    unfinished.budget.share()
                },
                excess,
                queue: queue.work.clone(),
                ending: ending.clone(),
                unfinished: unfinished.clone(),
            };
            let during = During {
                shutdown: shutdown.clone(),
                draining: draining.clone(),
                current,
                tasks: tasks.clone(),
                acking: acking.clone(),
            };
            let channels = channels.clone();
            loops.spawn(async move {
                let (name, ending) = (queue.name.clone(), worker.ending.clone());
                match consuming::consume(queue, started, &channels, worker, &during).await {
                    Ok(()) if during.draining.is_cancelled() || ending.token.is_cancelled() => {}
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
                join_all(cancels.iter().map(Current::cancel)).await;
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

/// All, or why not. Whatever shares a channel with what the broker refuses fails as well, and doesn't know why.
fn all_or_why<T>(results: Vec<Result<T, StartError>>) -> Result<Vec<T>, StartError> {
    let (mut all, mut failed) = (Vec::with_capacity(results.len()), None);
    for result in results {
        match result {
            Ok(one) => all.push(one),
            Err(why @ StartError::Topology(_)) => return Err(why),
            Err(why) => failed = failed.or(Some(why)),
        }
    }
    failed.map_or(Ok(all), Err)
}

pub(super) fn too_slow(what: &str, limit: Duration) -> StartError {
    StartError::Lost(format!("the broker didn't {what} within {limit:?}"))
}

/// A delivery as it came.
pub(super) struct Came {
    pub(super) delivery: lapin::message::Delivery,
    pub(super) ack: Ack,
    /// The channel on which it came.
    pub(super) channel: u16,
    /// When, in Unix milliseconds.
    pub(super) arrived: u64,
}

/// Does the work of one queue's deliveries.
pub(super) struct DeliveryWorker {
    pub(super) shared: Arc<Shared>,
    settler: Arc<Settler<Connections>>,
    mended: Arc<super::wire::Mended>,
    queue: Option<WorkQueue>,
    deliveries: events::Deliveries,
    pub(super) ending: Arc<Ending>,
    pub(super) unfinished: Arc<Unfinished>,
    /// Of the memory budget.
    pub(super) share: Arc<Share>,
    /// How many are too many in the queue.
    excess: Arc<Excess>,
}

impl DeliveryWorker {
    pub(super) async fn work(&self, came: Box<Came>, _room: Room, token: TaskTrackerToken) {
        let _in_flight = self.deliveries.delivered();
        let Some((delivery, outcome, _token)) = self.decide(came, token).await else { return };
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
    async fn decide<T>(&self, came: Box<Came>, token: T) -> Option<(Delivery, Outcome, T)> {
        let reusable = AtomicBool::new(false);
        let mut outcome = pin!(self.outcome(came, &reusable));
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

    async fn outcome(&self, came: Box<Came>, reusable: &AtomicBool) -> (Delivery, Outcome) {
        let (started, now) = (Instant::now(), now_ms());
        let settings = &self.shared.settings;
        let names = &settings.names;
        let Came { delivery, ack, channel, arrived } = *came;
        let blemishes = self.mended.take(channel, delivery.delivery_tag);
        let received = Received::read(delivery, self.queue.clone(), &blemishes, names, arrived, settings.default_ttl);
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
