//! A session: three connections, and the consumers of all queues.
//!
//! **Invariant:** it is built as a whole and torn down as a whole; whatever is lost (a connection, a channel, a consumer)
//! ends it. Every task that it spawns has ended before it returns.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    sync::{Mutex, mpsc},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    WorkQueue,
    connection::link::{Link, Use},
    consuming::{
        bindings,
        channels::Channels,
        delivery::{DeliveryWorker, Shared},
        depths::Depths,
        ending::Ending,
        events,
        lanes::{self, LaneQueue, Places},
        overload::{self, Excess},
        queue::{self as consuming, Current, During, Queue, Started},
        unfinished::Unfinished,
    },
    presence::{Here, Presence},
    publishing::{connections::Connections, publisher::Publisher, replies::Replies, settle::Settler},
    start_error::{StartError, too_slow},
};

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
    /// Of conversations; not started where they may not be taken yet.
    lanes: Vec<(LaneQueue, Option<Started>)>,
    unfinished: Arc<Unfinished>,
    presence: Arc<Presence>,
    depths: Arc<Depths>,
    /// Its deliveries that are still its own: tokens, as [`Unfinished`] owns their tasks.
    tasks: TaskTracker,
    ending: Arc<Ending>,
}

impl Session {
    /// Connects, declares or verifies the topology, and starts the consumers.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) async fn start(
        shared: Arc<Shared>,
        unfinished: Arc<Unfinished>,
        presence: Arc<Presence>,
        depths: Arc<Depths>,
    ) -> Result<Self, StartError> {
        let settings = &shared.settings;
        let broker = &settings.broker;
        let name = |what: &str| format!("chatbot-worker {} {what}", settings.worker);
        let (consume, forward, reply) = (name("consume"), name("forward"), name("reply"));
        // Side by side, as each takes some round trips; the first in this order that fails tells why.
        let forwards = async {
            let link = Link::open(broker, &forward, Use::Forward).await?;
            shared.topology.apply(&link, settings.topology).await?;
            timeout(broker.connect_timeout, Publisher::open(link, broker.confirm_timeout))
                .await
                .map_err(|_| too_slow("open a channel", broker.connect_timeout))?
                .map_err(|error| StartError::Lost(error.to_string()))
        };
        let consuming_link = Link::open(broker, &consume, Use::Consume);
        let (consuming_link, forwards, replies) = tokio::join!(consuming_link, forwards, Replies::open(broker, &reply));
        let (consuming_link, forwards, replies) = (consuming_link?, forwards?, replies.map_err(StartError::Lost)?);
        let consuming_link = Arc::new(consuming_link);
        let channels = Channels::new(consuming_link.clone());
        let started = consuming::queues(&shared).into_iter().map(async |mut queue| {
            let started = queue.open(&channels, broker.connect_timeout).await?;
            Ok((queue, started))
        });
        let lanes = lanes::queues(&shared).into_iter().map(async |queue| {
            let waits = !presence.begins_with_lanes(&shared);
            let started = queue.begin(&channels, broker.connect_timeout, waits).await?;
            Ok((queue, started))
        });
        let (consuming, lanes) = tokio::join!(join_all(started), join_all(lanes));
        let (consuming, lanes) = (all_or_why(consuming)?, all_or_why(lanes)?);
        let settler = Settler {
            broker: Connections {
                forwards,
                replies,
                topology: shared.topology.clone(),
                mode: settings.topology,
                names: settings.names.clone(),
                declared: Mutex::default(),
                made: Mutex::default(),
            },
            names: settings.names.clone(),
            retry: shared.pipeline.retry().clone(),
            worker: settings.worker.clone(),
        };
        Ok(Self {
            unfinished,
            presence,
            depths,
            shared,
            consuming_link,
            channels: Arc::new(channels),
            settler: Arc::new(settler),
            consuming,
            lanes,
            tasks: TaskTracker::new(),
            ending: Arc::default(),
        })
    }

    /// How many queues it consumes.
    pub fn queues(&self) -> usize {
        self.consuming.len() + self.lanes.len()
    }

    /// Works until something is lost, or `shutdown` or `retired` is told; then finishes what is in flight. At `shutdown`
    /// it hands back what hasn't started. A session that is `retired`, as another works in its place, works it off
    /// instead: RabbitMQ before 4.3 counts what is handed back like what ended a worker.
    ///
    /// The time of grace counts from `stopping`, which comes with or before `shutdown`. `deaf` is told once nothing is
    /// delivered to it any more.
    pub async fn run(
        self,
        shutdown: &CancellationToken,
        stopping: &CancellationToken,
        retired: &CancellationToken,
        deaf: CancellationToken,
        on_end: impl FnOnce(),
    ) -> Ended {
        let deaf = deaf.drop_guard();
        let Self {
            shared,
            consuming_link,
            channels,
            settler,
            consuming,
            lanes,
            unfinished,
            presence,
            depths,
            tasks,
            ending,
        } = self;
        let draining = CancellationToken::new();
        let mut cancels = Vec::new();
        let (loops, acking, mut watched) = (TaskTracker::new(), TaskTracker::new(), Vec::new());
        // Word of one binding that is gone is enough: all are made again.
        let (unbound, missed) = mpsc::channel(1);
        let own = consuming.iter().map(|(queue, _)| &queue.name).chain(lanes.iter().map(|(queue, _)| &queue.name));
        let own: HashSet<String> = own.cloned().collect();
        let worker_of = |queue: Option<WorkQueue>, share, excess| DeliveryWorker {
            shared: shared.clone(),
            settler: settler.clone(),
            mended: consuming_link.mended().clone(),
            deliveries: events::Deliveries::of(&queue.as_ref().map_or_else(|| "died".to_owned(), ToString::to_string)),
            share,
            excess,
            queue,
            ending: ending.clone(),
            unfinished: unfinished.clone(),
            unbound: unbound.clone(),
        };
        for (queue, started) in consuming {
            let current = Current::new(&started);
            cancels.push(current.clone());
            let excess = Arc::<Excess>::default();
            // A suspect isn't started twice by chance, and what died is only told of.
            if matches!(queue.work, Some(WorkQueue::Requests | WorkQueue::Intent(_))) {
                watched.push((queue.name.clone(), excess.clone()));
            }
            // What requests hold is bounded by the pipeline, intent by intent.
            let share = if queue.work == Some(WorkQueue::Requests) {
                unfinished.budget.unbounded_share()
            } else {
                unfinished.budget.share()
            };
            let worker = worker_of(queue.work.clone(), share, excess);
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
                let consume = consuming::consume(queue, started, &channels, worker, &during);
                match ending.unless_it_panics(&format!("the consumer of '{name}'"), consume).await {
                    None => {}
                    Some(Ok(())) if during.is_over() || ending.token.is_cancelled() => {}
                    Some(Ok(())) => {
                        ending.tell(format!("the broker cancelled the consumer of '{name}'; was the queue deleted?"));
                    }
                    Some(Err(reason)) => ending.tell(reason),
                }
            });
        }
        let (places, has_lanes) = (Arc::new(Places::new(presence.gate(&shared))), !lanes.is_empty());
        let present = presence.attend(Here {
            shared: shared.clone(),
            hears: consuming_link.clone(),
            settler: settler.clone(),
            places: places.clone(),
            tasks: tasks.clone(),
            draining: draining.clone(),
            retired: retired.clone(),
            ending: ending.clone(),
        });
        let share = unfinished.budget.share();
        for (queue, started) in lanes {
            let worker = worker_of(Some(WorkQueue::Conversation(queue.lane)), share.clone(), Arc::default());
            let (channels, places, draining) = (channels.clone(), places.clone(), draining.clone());
            loops.spawn(async move {
                let (name, ending) = (queue.name.clone(), worker.ending.clone());
                let consume = lanes::consume(queue, started, &channels, worker, &draining, &places);
                if let Some(Err(reason)) = ending.unless_it_panics(&format!("the consumer of '{name}'"), consume).await
                {
                    ending.tell(reason);
                }
            });
        }
        loops.close();
        acking.close();
        let requests = shared.settings.names.queue(&WorkQueue::Requests);
        let fair = async {
            match shared.pipeline.conversations().filter(|all| has_lanes && all.store().is_shared()) {
                Some(_) => lanes::watch(&consuming_link, &requests, &places, presence.takers()).await,
                None => std::future::pending().await,
            }
        };
        let max_depth = shared.settings.overload.max_depth;

        tokio::select! {
            () = shutdown.cancelled() => {}
            () = retired.cancelled() => {}
            () = overload::watch(&consuming_link, &watched, max_depth) => {}
            () = depths.keep(&consuming_link, &shared.topology) => {}
            () = fair => {}
            why = bindings::keep(&consuming_link, &shared, &own, missed) => ending.tell(why),
            () = ending.token.cancelled() => {}
            why = consuming_link.ended() => ending.tell(format!("the consuming connection was lost: {why}")),
            why = settler.broker.forwards.link().ended() => ending.tell(format!("the forwarding connection was lost: {why}")),
        }
        on_end();

        let ended = if ending.token.is_cancelled() {
            Ended::Lost(ending.reason())
        } else {
            draining.cancel();
            let grace = shared.settings.shutdown_grace;
            let longest = shared.pipeline.longest() + shared.settings.broker.confirm_timeout;
            tasks.close();
            let drained = async {
                // All at once: a queue that still has a consumer goes on handing out what is handed back.
                join_all(cancels.iter().map(Current::cancel)).await;
                drop(deaf);
                loops.wait().await;
                tasks.wait().await;
                acking.wait().await;
            };
            tokio::select! {
                biased;
                () = ending.token.cancelled() => Ended::Lost(ending.reason()),
                // The last ack may be what was lost.
                () = drained => if ending.token.is_cancelled() { Ended::Lost(ending.reason()) } else { Ended::Drained },
                () = grace_over(stopping, grace, longest) => Ended::GraceExceeded(tasks.len()),
            }
        };
        // Whatever still runs stops here, or goes on without a session; the broker delivers it again.
        ending.token.cancel();
        draining.cancel();
        tasks.close();
        present.end().await;
        let close = Duration::from_secs(2);
        let Connections { forwards, replies, .. } = &settler.broker;
        tokio::join!(consuming_link.close(close), replies.close(close), forwards.link().close(close));
        loops.wait().await;
        tasks.wait().await;
        acking.wait().await;
        ended
    }
}

/// Waits until what is in flight has had its time: `grace` from when the worker is told to stop; before that, as its bot was
/// replaced, as long as the longest work may take, since nobody waits for its end.
async fn grace_over(stopping: &CancellationToken, grace: Duration, longest: Duration) {
    let stopped = async {
        stopping.cancelled().await;
        sleep(grace).await;
    };
    tokio::select! {
        () = stopped => {}
        () = sleep(longest.max(grace)) => {}
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

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bot_that_is_replaced_has_as_long_as_its_longest_work_and_one_that_stops_its_grace() {
        async fn check(stops_after: Option<u64>, grace: u64, expected: u64) {
            let (shutdown, began) = (CancellationToken::new(), Instant::now());
            let stop = async {
                match stops_after {
                    Some(seconds) => sleep(Duration::from_secs(seconds)).await,
                    None => std::future::pending().await,
                }
                shutdown.cancel();
                std::future::pending().await
            };
            let seconds = Duration::from_secs;
            tokio::select! {
                () = grace_over(&shutdown, seconds(grace), seconds(65)) => {}
                () = stop => {}
            }
            assert_eq!(began.elapsed().as_secs(), expected, "{stops_after:?} {grace}");
        }
        check(Some(0), 20, 20).await;
        check(None, 20, 65).await;
        check(None, 90, 90).await;
        check(Some(10), 20, 30).await;
        check(Some(60), 20, 65).await;
    }
}
