//! The broker of the model check: where messages lie, and what becomes of them on the way there.

use std::collections::HashMap;

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable},
};

use crate::{
    amqp::{Names, WorkQueue, objects::names, publishing::publisher::Message, values::short},
    domain::IntentName,
};

/// Where a message can lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    Requests,
    Intent,
    Suspects,
    Retry,
    /// Where the broker puts messages.
    Died,
    /// Where it puts those that even that queue gives up.
    DiedDead,
    /// Any `.dead` queue of a work queue.
    Dead,
    /// The client's queue: an answer …
    Answers,
    /// … or an error reply.
    Errors,
    /// Not a queue: the reply was of no use to anybody, because the client's queue is gone.
    Dropped,
}

impl Place {
    /// Whether what lies here is done with, as far as settlement goes.
    pub(super) fn is_last(self) -> bool {
        matches!(self, Self::DiedDead | Self::Dead | Self::Answers | Self::Errors | Self::Dropped)
    }

    fn work_queue(self) -> Option<WorkQueue> {
        match self {
            Self::Requests => Some(WorkQueue::Requests),
            Self::Intent => Some(WorkQueue::Intent(intent())),
            Self::Suspects => Some(WorkQueue::Suspects),
            _ => None,
        }
    }
}

/// A message that lies somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ready {
    pub(super) place: Place,
    pub(super) message: usize,
    /// How often it came back to this queue.
    pub(super) count: u8,
}

/// A message as it was published; its number among all messages stands for it.
#[derive(Debug, Clone, Default)]
struct Stored {
    request: u8,
    routing_key: String,
    properties: BasicProperties,
}

/// All messages that were ever published.
#[derive(Default)]
pub(super) struct Messages {
    stored: Vec<Stored>,
    known: HashMap<String, usize>,
}

pub(super) fn names() -> Names {
    Names::new("shop").unwrap()
}

pub(super) fn intent() -> IntentName {
    IntentName::new("refund").unwrap()
}

impl Messages {
    /// A client's request, as it comes into a queue. With a deadline it expires once it is forwarded.
    pub(super) fn request(&mut self, request: u8, place: Place, deadline: bool) -> usize {
        let routing_key = if place == Place::Intent { "intent.refund" } else { "request.x" };
        let mut properties = BasicProperties::default().with_reply_to(short("answers"));
        if deadline {
            properties = properties.with_headers(header(names::DEADLINE, AMQPValue::LongLongInt(i64::MAX)));
        }
        self.number(Stored { request, routing_key: routing_key.to_owned(), properties })
    }

    /// An answer to a request, of which no more is to be known.
    pub(super) fn answer(&mut self, request: u8) -> usize {
        self.number(Stored { request, ..Stored::default() })
    }

    /// Where a message goes that a worker publishes, and its number.
    pub(super) fn published(&mut self, message: &Message) -> (Place, usize) {
        let (exchange, key) = (message.exchange.as_str(), message.routing_key.as_str());
        let place = match exchange {
            "shop.retry" => Place::Retry,
            _ if key == "shop.intent.refund" => Place::Intent,
            _ if key == "shop.suspects" => Place::Suspects,
            _ => Place::Dead,
        };
        assert_eq!(place == Place::Dead, key.ends_with(".dead"), "{exchange} {key}");
        let mut properties = message.properties.clone();
        // What hangs on the clock would tell apart what is the same.
        if properties.expiration().is_some() {
            properties = properties.with_expiration(short("60000"));
        }
        if place == Place::Dead {
            let headers = properties.headers().as_ref();
            let reason = headers.and_then(|headers| headers.inner().get(names::DEAD_REASON)).cloned().unwrap();
            properties = BasicProperties::default().with_headers(header(names::DEAD_REASON, reason));
        }
        let request = message.body[0] - b'0';
        (place, self.number(Stored { request, routing_key: key.to_owned(), properties }))
    }

    /// The message after the broker took it out of a queue, as it dead-letters.
    pub(super) fn died(&mut self, ready: Ready, reason: &str) -> usize {
        let mut stored = self.stored[ready.message].clone();
        let mut headers = stored.properties.headers().clone().unwrap_or_default();
        let queue = ready.place.work_queue().map(|queue| names().queue(&queue)).unwrap_or_default();
        let mut death = FieldTable::default();
        let exchange = self.exchange_of(&stored.routing_key);
        for (name, value) in [("reason", reason), ("queue", &queue), ("exchange", exchange)] {
            death.insert(short(name), AMQPValue::LongString(value.into()));
        }
        headers.insert(short("x-death"), AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()));
        // Dead-lettering takes the expiration away.
        let mut properties = BasicProperties::default().with_headers(headers);
        if let Some(reply_to) = stored.properties.reply_to() {
            properties = properties.with_reply_to(reply_to.clone());
        }
        stored.properties = properties;
        self.number(stored)
    }

    /// Where a retry goes when its delay is over: the default exchange takes the routing key for a queue's name.
    pub(super) fn after_retry(&self, message: usize) -> Place {
        match names().work_queue(&self.stored[message].routing_key) {
            Some(WorkQueue::Requests) => Place::Requests,
            Some(WorkQueue::Suspects) => Place::Suspects,
            Some(WorkQueue::Intent(_)) => Place::Intent,
            Some(WorkQueue::Conversation(_) | WorkQueue::Person) => {
                unreachable!("no message of the model names a conversation")
            }
            None => unreachable!("a retry comes back to a work queue"),
        }
    }

    pub(super) fn request_of(&self, message: usize) -> u8 {
        self.stored[message].request
    }

    pub(super) fn expires(&self, message: usize) -> bool {
        self.stored[message].properties.expiration().is_some()
    }

    /// Why a message is dead; empty where it isn't.
    pub(super) fn reason(&self, message: usize) -> String {
        let headers = self.stored[message].properties.headers().as_ref();
        match headers.and_then(|headers| headers.inner().get(names::DEAD_REASON)) {
            Some(AMQPValue::LongString(reason)) => reason.to_string(),
            _ => String::new(),
        }
    }

    /// The message as it is delivered, and the work queue that it comes from.
    pub(super) fn delivered(&self, ready: Ready) -> (Delivery, Option<WorkQueue>) {
        let Stored { request, routing_key, properties } = &self.stored[ready.message];
        let body = vec![b'0' + request];
        let exchange = if ready.place == Place::Died { "shop.died" } else { self.exchange_of(routing_key) };
        let mut delivery = Delivery::mock(1, short(exchange), short(routing_key), ready.count > 0, body);
        delivery.properties = properties.clone();
        if ready.count > 0 {
            let mut headers = properties.headers().clone().unwrap_or_default();
            headers.insert(short("x-delivery-count"), AMQPValue::LongLongInt(ready.count.into()));
            delivery.properties = delivery.properties.with_headers(headers);
        }
        (delivery, ready.place.work_queue())
    }

    /// A worker publishes by queues' names, a client to the topic exchange.
    fn exchange_of(&self, routing_key: &str) -> &'static str {
        if names().work_queue(routing_key).is_some() { "" } else { "shop" }
    }

    fn number(&mut self, stored: Stored) -> usize {
        let key = format!("{stored:?}");
        *self.known.entry(key).or_insert_with(|| {
            self.stored.push(stored);
            self.stored.len() - 1
        })
    }
}

fn header(name: &str, value: AMQPValue) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert(short(name), value);
    headers
}
