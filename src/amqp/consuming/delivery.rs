//! A delivery's work: read, admit, run the pipeline, settle.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    ending::{Ending, caught},
    events,
    lanes::Survived,
    overload::Excess,
    unfinished::Unfinished,
};
use crate::{
    amqp::{
        WorkQueue,
        connection::wire::Mended,
        message::{
            admit::{self, Address, Admission, Limits},
            cancel::Cancels,
            properties::{Received, envelope},
            reply_to,
            time::now_ms,
        },
        objects::{
            names,
            topology::{Binding, Topology},
        },
        publishing::{
            acks::Ack,
            connections::Connections,
            settle::{Delivery, SessionLost, Settler},
        },
        settings::Settings,
    },
    answered::Sharing,
    domain::{ErrorCode, MessageError, Outcome, codec},
    listener::Readers,
    pipeline::Pipeline,
    sharing::{Room, Share},
};

/// How long a delivery is held at most, where its outcome can't be settled.
const HELD_AT_MOST: Duration = Duration::from_secs(25 * 60);
/// How long settling may take in any case.
const SETTLE_AT_LEAST: Duration = Duration::from_secs(30);

/// What all deliveries of a worker share, from session to session.
#[derive(Clone)]
pub(crate) struct Shared {
    /// The settings.
    pub(crate) settings: Settings,
    /// Where requests are answered.
    pub(crate) pipeline: Arc<Pipeline>,
    /// What the broker must have.
    pub(crate) topology: Arc<Topology>,
    /// What clients have cancelled.
    pub(crate) cancels: Arc<Cancels>,
    /// Who reads along.
    pub(crate) readers: Readers,
    /// What was held of lanes at losses that the worker outlived.
    pub(crate) survived: Arc<Survived>,
    /// A hash of all that the bot is made of.
    pub(crate) hash: Arc<str>,
}

/// A delivery as it came.
pub(crate) struct Came {
    pub(crate) delivery: lapin::message::Delivery,
    pub(crate) ack: Ack,
    /// The channel on which it came.
    pub(crate) channel: u16,
    /// When, in Unix milliseconds.
    pub(crate) arrived: u64,
}

/// Does the work of one queue's deliveries.
pub(crate) struct DeliveryWorker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) settler: Arc<Settler<Connections>>,
    pub(crate) mended: Arc<Mended>,
    pub(crate) queue: Option<WorkQueue>,
    pub(crate) deliveries: events::Deliveries,
    pub(crate) ending: Arc<Ending>,
    pub(crate) unfinished: Arc<Unfinished>,
    /// Of the memory budget.
    pub(crate) share: Arc<Share>,
    /// How many are too many in the queue.
    pub(crate) excess: Arc<Excess>,
    /// Takes word of a binding that is gone.
    pub(crate) unbound: mpsc::Sender<Binding>,
}

impl DeliveryWorker {
    /// A panic in here ends the session: nobody would settle the delivery, nor be told.
    pub(crate) async fn work(&self, came: Box<Came>, _room: Room, token: TaskTrackerToken) {
        self.ending.unless_it_panics("the task of a delivery", self.worked(came, token)).await;
    }

    async fn worked(&self, came: Box<Came>, token: TaskTrackerToken) {
        let _in_flight = self.deliveries.delivered();
        let Some((delivery, outcome, _token)) = self.decide(came, token).await else { return };
        let held = Duration::from_millis(now_ms().saturating_sub(delivery.received.arrived));
        let (hand_back, limit) = (delivery.ack.hand_back(), settle_limit(held));
        tokio::select! {
            biased;
            result = timeout(limit, self.settler.settle(delivery, outcome)) => match result {
                Ok(Ok(())) => {}
                Ok(Err(SessionLost(reason))) => self.ending.tell(reason),
                // Dropped, and its ack with it.
                Err(_) => {
                    events::handed_back(limit);
                    hand_back.now();
                }
            },
            () = self.ending.token.cancelled() => {}
        }
    }

    /// Whether a delivery may go on to the queue of its conversation, as far as a glance tells. A name that is written in
    /// escapes is missed, and its message goes on a moment later.
    pub(super) fn may_name_conversation(&self, delivery: &lapin::message::Delivery) -> bool {
        const FIELD: &[u8] = b"\"conversation\"";
        let headers = delivery.properties.headers().as_ref();
        let has_pass = headers.is_some_and(|headers| headers.contains_key(names::CONVERSATION));
        let holds = |body: &[u8]| body.windows(FIELD.len()).any(|window| window == FIELD);
        self.shared.pipeline.conversations().is_some()
            && self.queue.is_some()
            && (codec::is_compressed(&envelope(&delivery.properties)) || has_pass || holds(&delivery.data))
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
        let now = now_ms();
        let (mut delivery, address) = self.read(*came);
        let received = &delivery.received;
        let decided = caught(self.decided(received, &address, now, &mut delivery.request_id, reusable)).await;
        let (outcome, sharing) = decided.unwrap_or_else(|| (self.panicked(received, now), Sharing::default()));
        delivery.sharing = sharing;
        (delivery, outcome)
    }

    /// Reads a delivery; and where its answer goes, as far as that is allowed.
    pub(super) fn read(&self, came: Came) -> (Delivery, Address) {
        let Came { delivery, ack, channel, arrived } = came;
        let started = Instant::now();
        let settings = &self.shared.settings;
        let names = &settings.names;
        let blemishes = self.mended.take(channel, delivery.delivery_tag);
        let received = Received::read(delivery, self.queue.clone(), &blemishes, names, arrived, settings.default_ttl);
        let mut received = Box::new(received);
        let pipeline = &self.shared.pipeline;
        received.keep_known(names, |intent| pipeline.routes().contains_key(intent));
        if received.unreadable.is_some() {
            events::unreadable(&received);
        }
        let address = reply_to::check(received.properties.reply_to().as_ref(), names, &settings.reply_allow);
        let request_id = received.message_id().map(str::to_owned);
        // Nobody answers a reply, whatever address it carries.
        let reply_to = address.as_ref().ok().cloned().flatten();
        (Delivery { received, reply_to, request_id, started, sharing: Sharing::default(), ack }, address)
    }

    async fn decided(
        &self,
        received: &Received,
        address: &Address,
        now: u64,
        request_id: &mut Option<String>,
        reusable: &AtomicBool,
    ) -> (Outcome, Sharing) {
        let pipeline = &self.shared.pipeline;
        let names = &self.shared.settings.names;
        let Some(queue) = &self.queue else {
            self.tell_unbound(received);
            return (admit::died(received, address, names), Sharing::default());
        };
        match admit::admit(received, queue, address, &self.limits(), now) {
            Admission::Decided(outcome) => (outcome, Sharing::default()),
            Admission::Work(mut job) => {
                request_id.clone_from(&job.request.id);
                events::ignored(&job.request);
                job.identity = received.identity(&job);
                job.listener = self.listener(received, address.as_ref().ok().and_then(Option::as_ref), &job.request);
                reusable.store(pipeline.is_remembering() && job.identity.is_some(), Ordering::Relaxed);
                pipeline.run(&job).await
            }
        }
    }

    /// Tells of a message that came as unroutable although a queue is bound by its routing key: that binding is gone.
    fn tell_unbound(&self, received: &Received) {
        let Shared { topology, settings, .. } = &*self.shared;
        let bound = topology.bound(settings.names.exchange(), &received.routing_key);
        if let Some(binding) = bound.filter(|_| received.last_death("reason").is_none()) {
            // Where word is on its way already, that is enough.
            let _ = self.unbound.try_send(binding.clone());
        }
    }

    /// What becomes of a message over which the worker itself has panicked, rather than a model or a handler.
    pub(super) fn panicked(&self, received: &Received, now: u64) -> Outcome {
        let error = MessageError::new(ErrorCode::Internal, "the worker panicked; its standard error says where");
        if self.queue.is_none() {
            return Outcome::DeadLetter(error.into());
        }
        self.shared.pipeline.retry().decide(error, received.trail.attempt, received.trail.time_left(now))
    }

    pub(super) fn limits(&self) -> Limits {
        let settings = &self.shared.settings;
        Limits {
            has_conversations: self.shared.pipeline.conversations().is_some(),
            max_body: settings.max_body,
            max_age: settings.overload.max_age,
            too_many: self.excess.take_one(),
        }
    }
}

/// How long settling may take for a delivery that came so long ago. The broker closes a channel, with all the consumers on
/// it, on which one is held for 30 minutes (<https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout>); so what
/// can't be put anywhere, as a queue is full, goes back to its own before that.
fn settle_limit(held: Duration) -> Duration {
    HELD_AT_MOST.saturating_sub(held).max(SETTLE_AT_LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_settled_goes_back_before_the_broker_closes_its_channel() {
        let consumer_timeout = Duration::from_secs(30 * 60);
        for held in [0, 60, 24 * 60, 29 * 60].map(Duration::from_secs) {
            let limit = settle_limit(held);
            assert!(limit >= SETTLE_AT_LEAST && held + limit < consumer_timeout, "{held:?} {limit:?}");
        }
    }
}
