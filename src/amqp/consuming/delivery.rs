//! A delivery's work: read, admit, run the pipeline, settle.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{ending::Ending, events, overload::Excess, unfinished::Unfinished};
use crate::{
    amqp::{
        WorkQueue,
        connection::wire::Mended,
        message::{
            admit::{self, Admission, Limits},
            properties::Received,
            reply_to,
            time::now_ms,
        },
        objects::topology::Topology,
        publishing::{
            acks::Ack,
            connections::Connections,
            settle::{Delivery, SessionLost, Settler},
        },
        settings::Settings,
    },
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
}

impl DeliveryWorker {
    pub(crate) async fn work(&self, came: Box<Came>, _room: Room, token: TaskTrackerToken) {
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
            None => admit::died(&received, &address),
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
