//! The queues of conversations, each consumed on a channel of its own: one conversation's messages one after the other,
//! different conversations side by side.
//!
//! What keeps the order is the broker's single active consumer, and that a lane is left as a whole. **Invariants:** a
//! lane's consumer is never cancelled by us, and nothing of a lane is handed back or put elsewhere: it is left by closing its channel,
//! after which the broker gives what wasn't acked to the next, in its order. Its prefetch is [`PREFETCH`] in every worker
//! and at every time: with two different ones the order is lost (tried on RabbitMQ 3.10 to 4.3).

mod fair;
mod held;
mod incoming;
#[cfg(test)]
mod model;
mod share;
mod survived;
mod take;

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::FusedFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use self::share::{Places, watch};
pub(crate) use self::survived::Survived;
use self::{
    held::{Arrival, Held, Next, Suspicion},
    survived::Mark,
};
use super::{
    channels::Channels,
    delivery::{Came, DeliveryWorker, Shared},
    queue::{Started, room_for},
};
use crate::{
    amqp::{
        Settings, WorkQueue,
        message::{
            admit::{self, Admission},
            time::now_ms,
        },
        publishing::settle::Delivery,
        start_error::StartError,
    },
    domain::{DeadLetter, DeadReason, ErrorCode, Lane, MessageError, Outcome},
    pipeline::{Incoming, Job},
    sharing::Room,
};

/// How many deliveries of a lane the broker hands out.
const PREFETCH: u16 = 32;
/// How long a lane that is left lets finish what is being worked on.
const LEAVING: Duration = Duration::from_secs(1);
/// How long a lane that was left isn't taken again.
const AWAY: Duration = Duration::from_secs(1);
/// How long after the first delivery of a channel the others that come again with it are there.
const TOGETHER: Duration = Duration::from_secs(1);
/// How long a delivery is held at most; then its lane is left. Well before the broker's own limit of 30 minutes.
const HELD_AT_MOST: Duration = Duration::from_secs(10 * 60);

/// A lane to consume.
pub(crate) struct LaneQueue {
    pub(crate) lane: Lane,
    pub(crate) name: String,
}

/// What became of a turn.
enum Worked {
    Settled,
    /// The lane has to be left. Why, in words.
    Leave(String),
}

/// One message, read, in its place.
struct Turn {
    delivery: Delivery,
    job: Box<Job>,
    incoming: Incoming,
    room: Room,
    came: Instant,
    /// Whether it may be what ended workers.
    is_alone: bool,
}

/// How a lane's channel ended.
enum Left {
    /// With its session.
    Over,
    /// For another worker, or as something went wrong with it; it is taken again.
    Again,
}

/// The lanes to consume: all, or none.
pub(crate) fn queues(shared: &Shared) -> Vec<LaneQueue> {
    let Settings { names, consume, .. } = &shared.settings;
    let queue = |lane| (lane, WorkQueue::Conversation(lane));
    let queues = Lane::ALL.into_iter().map(queue).filter(|(_, queue)| consume.work(queue));
    let queues = queues.map(|(lane, queue)| LaneQueue { lane, name: names.queue(&queue) });
    if shared.pipeline.conversations().is_some() { queues.collect() } else { Vec::new() }
}

impl LaneQueue {
    /// Starts its first consumer, unless it has to wait for that.
    ///
    /// # Errors
    /// [`StartError`], also where it takes longer than `limit`.
    pub(crate) async fn begin(
        &self,
        channels: &Channels,
        limit: Duration,
        waits: bool,
    ) -> Result<Option<Started>, StartError> {
        if waits { Ok(None) } else { self.open(channels, limit).await.map(Some) }
    }

    /// Starts its next consumer.
    ///
    /// # Errors
    /// [`StartError`], also where it takes longer than `limit`.
    async fn open(&self, channels: &Channels, limit: Duration) -> Result<Started, StartError> {
        Started::apart(channels, &self.name, PREFETCH, limit).await
    }
}

/// Consumes a lane until its session ends, as long as it may be taken.
pub(crate) async fn consume(
    queue: LaneQueue,
    mut started: Option<Started>,
    channels: &Channels,
    worker: DeliveryWorker,
    draining: &CancellationToken,
    places: &Places,
) -> Result<(), String> {
    let worker = Arc::new(worker);
    let limit = worker.shared.settings.broker.connect_timeout;
    loop {
        if let Some(started) = started.take() {
            let place = places.take(queue.lane);
            let left = LaneConsumer { queue: &queue, worker: &worker, draining, place: &place }.consume(started).await;
            drop(place);
            if matches!(left, Left::Over) {
                return Ok(());
            }
            tokio::select! {
                () = sleep(AWAY) => {}
                () = draining.cancelled() => return Ok(()),
                () = worker.ending.token.cancelled() => return Ok(()),
            }
        }
        tokio::select! {
            () = places.may_be_taken() => {}
            () = draining.cancelled() => return Ok(()),
            () = worker.ending.token.cancelled() => return Ok(()),
        }
        started = tokio::select! {
            opened = queue.open(channels, limit) => {
                Some(opened.map_err(|error| format!("consuming '{}' failed: {error}", queue.name))?)
            }
            () = worker.ending.token.cancelled() => return Ok(()),
        };
    }
}

struct LaneConsumer<'a> {
    queue: &'a LaneQueue,
    worker: &'a Arc<DeliveryWorker>,
    /// That its session ends.
    draining: &'a CancellationToken,
    place: &'a share::Place<'a>,
}

/// A delivery that waits for room in memory.
struct Waiting {
    came: Box<Came>,
    arrival: Arrival,
    room: Pin<Box<dyn Future<Output = Room> + Send>>,
}

/// What is there of a channel: what is held, and what waits for memory.
struct There {
    held: Held<Box<Turn>, Box<Decided>>,
    waiting: VecDeque<Waiting>,
}

impl Default for There {
    fn default() -> Self {
        Self { held: Held::new(usize::from(PREFETCH) / 2), waiting: VecDeque::new() }
    }
}

impl There {
    fn marks(&self) -> impl Iterator<Item = Mark> {
        self.held.marks().chain(self.waiting.iter().map(|waiting| waiting.arrival.mark))
    }
}

impl LaneConsumer<'_> {
    /// Works off what comes on one channel, until that is left; then it is closed.
    async fn consume(&self, started: Started) -> Left {
        // Dropped before its channel is closed, a consumer would be cancelled.
        let Started { channel, mut consumer } = started;
        let lost = self.worker.ending.token.child_token();
        let failed = CancellationToken::new();
        let mut written = pin!(channel.written_acks(lost.clone(), failed.clone()).fuse());
        let mut there = There::default();
        let (left, why) = tokio::select! {
            biased;
            // It ends before the turns only with its session.
            () = written.as_mut() => (Left::Again, None),
            left = self.turns(&channel, &mut consumer, &failed, &mut there) => left,
        };
        // Of those of which the ack is lost, nothing is known here: they count as the broker has it.
        self.worker.shared.survived.lost(self.queue.lane, there.marks());
        if let Some(why) = why {
            tracing::warn!(queue = self.queue.name, why, "a queue of conversations is left; its next worker goes on");
        }
        // What still runs was given up, and what waits is; whoever has the lane next finds what it kept. Each has its ack.
        drop(there);
        // The last acks are written, and the channel is closed, once nothing is left that could ack.
        drop(channel);
        if !written.is_terminated()
            && timeout(self.worker.shared.settings.broker.connect_timeout, written).await.is_err()
            && matches!(left, Left::Again)
        {
            self.worker.ending.tell(format!("the channel of '{}' couldn't be closed", self.queue.name));
        }
        lost.cancel();
        drop(consumer);
        left
    }

    /// The turns of one channel; why it has to be left, where that is worth telling.
    async fn turns(
        &self,
        channel: &Arc<super::channels::Channel>,
        consumer: &mut lapin::Consumer,
        failed: &CancellationToken,
        There { held, waiting }: &mut There,
    ) -> (Left, Option<String>) {
        let (worker, place) = (self.worker, self.place);
        // All in this task: one that is woken for each turn, and again at its end, costs more than most turns.
        let mut turns = FuturesUnordered::new();
        let mut lost = pin!(worker.ending.token.cancelled());
        let mut failed = pin!(failed.cancelled());
        let mut to_be_left = pin!(async {
            tokio::select! {
                () = self.draining.cancelled() => {}
                () = place.to_be_left() => {}
            }
        });
        let mut first: Option<Instant> = None;
        // From when on the lane is being left: nothing more is begun.
        let mut leaving: Option<Instant> = None;
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            let in_hand = held.len() + waiting.len();
            place.holds(in_hand);
            if let Some(since) = leaving
                && (turns.is_empty() || since.elapsed() >= LEAVING)
            {
                let over = self.draining.is_cancelled() || worker.ending.token.is_cancelled();
                return (if over { Left::Over } else { Left::Again }, None);
            }
            while leaving.is_none()
                && let Some((ticket, next)) = held.next()
            {
                turns.push(async move {
                    let worked = match next {
                        // Those before it would come again with it, and first.
                        Next::Turn(turn) if turn.is_alone && !channel.acks_arrived().await => {
                            Worked::Leave("its acks may not have arrived".to_owned())
                        }
                        Next::Turn(turn) => worker.take_turn(turn).await,
                        Next::Decided(decided) => worker.settle_in_lane(*decided).await,
                    };
                    (ticket, worked)
                });
            }
            tokio::select! {
                biased;
                () = &mut lost => return (Left::Over, None),
                () = &mut failed => return (Left::Again, Some("its channel was lost".to_owned())),
                Some((ticket, worked)) = turns.next(), if !turns.is_empty() => match worked {
                    Worked::Settled => held.done(ticket),
                    Worked::Leave(why) => return (Left::Again, Some(why)),
                },
                () = &mut to_be_left, if leaving.is_none() => leaving = Some(Instant::now()),
                room = async { match waiting.front_mut() {
                    Some(Waiting { room, .. }) => room.as_mut().await,
                    None => std::future::pending().await,
                } }, if leaving.is_none() && held.takes_more() => {
                    let Some(Waiting { came, arrival, .. }) = waiting.pop_front() else { continue };
                    self.take_in(held, *came, room, arrival, &mut first);
                }
                next = consumer.next() => match next {
                    Some(Ok(delivery)) => {
                        let room = room_for(&delivery, worker.shared.settings.max_body);
                        let ack = channel.ack_of(delivery.delivery_tag);
                        let mark = worker.shared.survived.mark(&delivery);
                        let came = Came { delivery, ack, channel: channel.inner().id(), arrived: now_ms() };
                        let arrival = Arrival { since: Instant::now(), mark };
                        let is_next = leaving.is_none() && waiting.is_empty() && held.takes_more();
                        match is_next.then(|| worker.share.try_take(room)).flatten() {
                            Some(room) => self.take_in(held, came, room, arrival, &mut first),
                            None => {
                                let share = worker.share.clone();
                                let room = Box::pin(async move { share.take(room).await });
                                waiting.push_back(Waiting { came: Box::new(came), arrival, room });
                            }
                        }
                    }
                    Some(Err(error)) => return (Left::Again, Some(format!("consuming failed: {error}"))),
                    None => return (Left::Again, Some("the broker cancelled its consumer".to_owned())),
                },
                _ = ticks.tick() => {
                    let is_to_come = waiting.iter().any(|waiting| waiting.came.delivery.redelivered);
                    held.give_up(is_to_come || first.is_none_or(|first| first.elapsed() < TOGETHER));
                    let oldest = held.oldest().into_iter().chain(waiting.front().map(|waiting| waiting.arrival.since)).min();
                    if let Some(oldest) = oldest.filter(|oldest| oldest.elapsed() > HELD_AT_MOST) {
                        return (Left::Again, Some(format!("something of it was held for {:?}", oldest.elapsed())));
                    }
                }
                // Last, as what has come already is worked off first.
                () = place.is_too_much(), if leaving.is_none() && in_hand == 0 => leaving = Some(Instant::now()),
            }
        }
    }

    /// Takes in a delivery for which there is room. `first` is when the first of its channel came.
    fn take_in(
        &self,
        held: &mut Held<Box<Turn>, Box<Decided>>,
        came: Came,
        room: Room,
        arrival: Arrival,
        first: &mut Option<Instant>,
    ) {
        self.place.has_delivered();
        let (turn, suspicion) = self.read(came, room, arrival, first.is_none());
        first.get_or_insert(arrival.since);
        match turn {
            Ok(turn) => {
                let key = turn.incoming.purpose.key();
                if let Err(turn) = held.put(key, Box::new(turn), arrival, suspicion) {
                    held.put_decided(Box::new(overloaded(*turn)), arrival);
                }
            }
            Err(decided) if suspicion == Suspicion::Crashed => held.put_given_up(Box::new(decided), arrival),
            Err(decided) => held.put_decided(Box::new(decided), arrival),
        }
    }

    /// A delivery as a turn, or what is decided of it; and whether it may be what ended workers.
    fn read(&self, came: Came, room: Room, arrival: Arrival, is_first: bool) -> (Result<Turn, Decided>, Suspicion) {
        let (worker, at) = (self.worker, arrival.since);
        let (mut delivery, address) = worker.read(came);
        let received = &delivery.received;
        let count = if received.redelivered { received.delivery_count } else { 0 };
        let survived = if count > 0 { worker.shared.survived.losses(self.queue.lane, arrival.mark) } else { 0 };
        let suspicion = Suspicion::of(count.saturating_sub(survived), is_first);
        let decided = if suspicion >= Suspicion::Crashed {
            Ok(Admission::Decided(crashed()))
        } else {
            let queue = worker.queue.as_ref();
            catch_unwind(AssertUnwindSafe(|| {
                queue.map(|queue| admit::admit(received, queue, &address, &worker.limits(), now_ms()))
            }))
            .map(|admission| admission.unwrap_or(Admission::Decided(Outcome::Drop)))
        };
        let turn = match decided {
            Ok(Admission::Work(job)) => {
                delivery.request_id.clone_from(&job.request.id);
                super::events::ignored(&job.request);
                let incoming = incoming::incoming(&delivery, &job.request);
                let is_alone = suspicion == Suspicion::Alone;
                Ok(Turn { delivery, job, incoming, room, came: at, is_alone })
            }
            Ok(Admission::Decided(outcome)) => Err(Decided { delivery, outcome, _room: room, came: at }),
            Err(_) => {
                let outcome = match worker.panicked(&delivery.received, now_ms()) {
                    // There is no other place for it.
                    Outcome::Retry { error, .. } => Outcome::DeadLetter(error.into()),
                    outcome => outcome,
                };
                Err(Decided { delivery, outcome, _room: room, came: at })
            }
        };
        (turn, suspicion)
    }
}

/// A delivery of which is decided what becomes of it: it has no place in the order.
struct Decided {
    delivery: Delivery,
    outcome: Outcome,
    _room: Room,
    came: Instant,
}

/// What becomes of what ended workers.
fn crashed() -> Outcome {
    let message = "workers, or their connections, were lost again and again while they had this message".to_owned();
    Outcome::DeadLetter(DeadLetter { reason: DeadReason::Error(ErrorCode::Crashed), message })
}

fn overloaded(turn: Turn) -> Decided {
    let Turn { delivery, room, came, .. } = turn;
    let why = format!("{} messages of this conversation wait already; try again later", PREFETCH / 2);
    let outcome = Outcome::DeadLetter(MessageError::new(ErrorCode::Overloaded, why).into());
    Decided { delivery, outcome, _room: room, came }
}
