//! The exchanges, queues and bindings, as data.
//!
//! **Invariant:** arguments are constants of this file, so that no setting can make a redeclare fail. Names come from
//! [`Names`] alone.

use std::{fmt, time::Duration};

use lapin::{
    ExchangeKind,
    types::{AMQPValue, FieldTable},
};

use super::names::{self, Names, WorkQueue};
use crate::{
    amqp::values::{short, text},
    domain::{IntentName, Lane},
};

/// After so many deliveries the broker moves a message to [`Names::died`]: a backstop, never reached where the worker
/// does its part. <https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling>
const DELIVERY_LIMIT: i64 = 20;
/// A dead-letter queue keeps its messages whatever is done with them: RabbitMQ 4 would drop them after 20 returns
/// where no limit is set, and 3.10 knows no 'unlimited', so this stands for it.
const NO_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// An exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ExchangeKind,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether a worker works on without it, where it may not use it or it isn't there.
    pub is_optional: bool,
}

/// A queue; each is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: FieldTable,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether it is made only when its first message comes. One that isn't there holds nothing.
    pub on_demand: bool,
    /// Whether a worker consumes it, and so may at least look at it; into the others it only publishes.
    pub is_read: bool,
}

/// A binding.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// From this exchange …
    pub exchange: String,
    /// … to this queue …
    pub queue: String,
    /// … of messages with this routing key …
    pub routing_key: String,
    /// … or these headers.
    pub arguments: FieldTable,
}

impl Exchange {
    /// Its type's name, such as `topic`.
    pub fn kind_name(&self) -> &str {
        match &self.kind {
            ExchangeKind::Topic => "topic",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Headers => "headers",
            ExchangeKind::Direct => "direct",
            ExchangeKind::Custom(name) => name,
        }
    }
}

/// Where from and by what, such as `chatbot: request.#`.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delay = self.arguments.inner().get(names::RETRY_DELAY).and_then(AMQPValue::as_long_long_int);
        match (self.routing_key.as_str(), delay) {
            ("", Some(millis)) => write!(f, "{}: {}={millis}", self.exchange, names::RETRY_DELAY),
            ("", None) => write!(f, "{}: everything", self.exchange),
            (key, _) => write!(f, "{}: {key}", self.exchange),
        }
    }
}

impl Queue {
    /// A queue that holds what is moved out of this one while that is replaced. It is of the same kind, but it keeps
    /// what it holds, however long and whatever is done with it.
    pub(crate) fn holding(&self, names: &Names) -> Self {
        let mut arguments = FieldTable::default();
        for (name, value) in self.arguments.inner().iter().filter(|(name, _)| name.as_str() != "x-message-ttl") {
            arguments.insert(name.clone(), value.clone());
        }
        arguments.insert(short("x-delivery-limit"), AMQPValue::LongLongInt(NO_DELIVERY_LIMIT));
        let purpose = "holds messages while a queue is replaced";
        Self { name: names.holding_of(&self.name), arguments, purpose, on_demand: false, is_read: false }
    }

    /// The queue of the dead letters of the queue named so. Those of [`Names::died`] come from the broker itself, and those
    /// of the requests are where a letter goes that finds no queue of its own: both have to be there from the start. The
    /// others are made by their first letter, so that a bot has about half the queues.
    pub fn dead(names: &Names, of: &str) -> Self {
        let died = of == names.died();
        let purpose = match died {
            true => "messages that even the worker's dead-lettering gave up",
            false => "what could not be answered",
        };
        let on_demand = !died && of != names.queue(&WorkQueue::Requests);
        Self { name: Names::dead(of), arguments: dead_arguments(), purpose, on_demand, is_read: false }
    }
}

/// Everything that a worker needs on the broker, or will need once there are dead letters.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// The queues.
    pub queues: Vec<Queue>,
    /// The bindings.
    pub bindings: Vec<Binding>,
}

impl Topology {
    /// The topology of a set of intents and retry delays, without conversations.
    pub fn new<'a>(names: &Names, intents: impl IntoIterator<Item = &'a IntentName>, delays: &[Duration]) -> Self {
        let mut this = Self { exchanges: Vec::new(), queues: Vec::new(), bindings: Vec::new() };
        let (exchange, died, retry) = (names.exchange().to_owned(), names.died(), names.retry_exchange());
        this.exchange(&exchange, ExchangeKind::Topic, "where clients publish");
        this.exchange(&died, ExchangeKind::Fanout, "where the broker puts messages");
        this.exchange(&retry, ExchangeKind::Headers, "tries again later");
        this.exchange(&names.control_exchange(), ExchangeKind::Fanout, "by which workers know of each other");
        this.exchanges.iter_mut().for_each(|exchange| exchange.is_optional = exchange.name == names.control_exchange());

        this.queues.push(Queue::dead(names, &died));
        this.read(died.clone(), died_arguments(&died), "expired, rejected, given up by the broker, or unroutable");
        this.bind(&died, &died, "", FieldTable::default());

        let mut work = vec![(WorkQueue::Suspects, None, "messages that were there when a worker died")];
        work.push((WorkQueue::Requests, Some(names::REQUESTS_BINDING.to_owned()), "texts to classify"));
        for intent in intents {
            work.push((WorkQueue::Intent(intent.clone()), Some(Names::intent_key(intent)), "already classified"));
        }
        for (queue, key, purpose) in work {
            let name = names.queue(&queue);
            this.queues.push(Queue::dead(names, &name));
            this.read(name.clone(), work_arguments(&died), purpose);
            if let Some(key) = key {
                this.bind(&exchange, &name, &key, FieldTable::default());
            }
        }
        for delay in delays {
            let (name, millis) = (names.retry_queue(*delay), millis(*delay));
            let (arguments, purpose) = (retry_arguments(millis), "waits to be tried again");
            this.queues.push(Queue { name: name.clone(), arguments, purpose, on_demand: false, is_read: false });
            this.bind(&retry, &name, "", retry_binding(millis));
        }
        this
    }

    /// The same with the queues of conversations.
    #[must_use]
    pub fn with_conversations(mut self, names: &Names) -> Self {
        let (exchange, relay, died) = (names.exchange().to_owned(), names.relay_exchange(), names.died());
        let this = &mut self;
        this.exchange(&relay, ExchangeKind::Direct, "by which workers hand conversations to their queues");
        for lane in Lane::ALL {
            let name = names.queue(&WorkQueue::Conversation(lane));
            if lane == Lane::ALL[0] {
                this.queues.push(Queue::dead(names, &name));
            }
            this.read(name.clone(), lane_arguments(&died), "conversations, each in its order");
            for from in [&exchange, &relay] {
                this.bind(from, &name, &Names::conversation_key(lane), FieldTable::default());
            }
        }
        self
    }

    /// The same with the queue of people.
    #[must_use]
    pub fn with_person(mut self, names: &Names) -> Self {
        let (exchange, died, name) = (names.exchange().to_owned(), names.died(), names.queue(&WorkQueue::Person));
        self.queues.push(Queue::dead(names, &name));
        self.read(name.clone(), work_arguments(&died), "conversations that people have");
        self.bind(&exchange, &name, names::PERSON_KEY, FieldTable::default());
        self
    }

    /// The bindings of a queue.
    pub fn bindings_of(&self, queue: &str) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |binding| binding.queue == queue)
    }

    /// The binding by which an exchange leads messages with this routing key to a queue; none where it has none.
    pub fn bound(&self, exchange: &str, routing_key: &str) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.exchange == exchange && takes(&binding.routing_key, routing_key))
    }

    /// What of this isn't also in another.
    pub fn without(mut self, other: &Self) -> Self {
        self.exchanges.retain(|exchange| !other.exchanges.iter().any(|kept| kept.name == exchange.name));
        self.queues.retain(|queue| !other.queues.iter().any(|kept| kept.name == queue.name));
        self.bindings.retain(|binding| !other.bindings.contains(binding));
        self
    }

    fn exchange(&mut self, name: &str, kind: ExchangeKind, purpose: &'static str) {
        self.exchanges.push(Exchange { name: name.to_owned(), kind, purpose, is_optional: false });
    }

    fn read(&mut self, name: String, arguments: FieldTable, purpose: &'static str) {
        self.queues.push(Queue { name, arguments, purpose, on_demand: false, is_read: true });
    }

    fn bind(&mut self, exchange: &str, queue: &str, routing_key: &str, arguments: FieldTable) {
        let (exchange, queue, routing_key) = (exchange.to_owned(), queue.to_owned(), routing_key.to_owned());
        self.bindings.push(Binding { exchange, queue, routing_key, arguments });
    }
}

/// Whether a binding's routing key takes that of a message. Of patterns there are those that end with `.#`.
fn takes(pattern: &str, routing_key: &str) -> bool {
    match pattern.strip_suffix(".#") {
        Some(first) => routing_key.strip_prefix(first).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        None => pattern == routing_key,
    }
}

fn work_arguments(died: &str) -> FieldTable {
    let mut arguments = quorum(DELIVERY_LIMIT);
    arguments.insert(short("x-dead-letter-exchange"), text(died));
    at_least_once(arguments)
}

/// One consumer at a time keeps the order. RabbitMQ 4.3 waits a minute for a consumer whose node is gone, where it isn't told
/// to wait less: <https://www.rabbitmq.com/docs/quorum-queues#consumer-disconnected-timeout>; 3.10 and 4.0 pass over that.
fn lane_arguments(died: &str) -> FieldTable {
    let mut arguments = work_arguments(died);
    arguments.insert(short("x-single-active-consumer"), AMQPValue::Boolean(true));
    arguments.insert(short("x-consumer-disconnected-timeout"), AMQPValue::LongLongInt(5_000));
    arguments
}

fn died_arguments(died: &str) -> FieldTable {
    let mut arguments = quorum(DELIVERY_LIMIT);
    arguments.insert(short("x-dead-letter-exchange"), text(""));
    arguments.insert(short("x-dead-letter-routing-key"), text(&Names::dead(died)));
    at_least_once(arguments)
}

/// Expiry hands the message to the default exchange with its routing key unchanged: the work queue that it came from.
fn retry_arguments(millis: i64) -> FieldTable {
    let mut arguments = quorum(DELIVERY_LIMIT);
    arguments.insert(short("x-message-ttl"), AMQPValue::LongLongInt(millis));
    arguments.insert(short("x-dead-letter-exchange"), text(""));
    at_least_once(arguments)
}

/// They don't say what a full queue does, which is to drop its oldest: nothing of ours limits them, and what was declared
/// without it can't be changed. Whoever limits them by a policy says `overflow` there: `chatbot-worker topology policy`.
fn dead_arguments() -> FieldTable {
    quorum(NO_DELIVERY_LIMIT)
}

fn retry_binding(millis: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-match"), text("all"));
    arguments.insert(short(names::RETRY_DELAY), AMQPValue::LongLongInt(millis));
    arguments
}

fn quorum(delivery_limit: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-queue-type"), text("quorum"));
    arguments.insert(short("x-delivery-limit"), AMQPValue::LongLongInt(delivery_limit));
    arguments
}

/// <https://www.rabbitmq.com/docs/quorum-queues#dead-lettering>: needs `reject-publish`.
fn at_least_once(mut arguments: FieldTable) -> FieldTable {
    arguments.insert(short("x-dead-letter-strategy"), text("at-least-once"));
    arguments.insert(short("x-overflow"), text("reject-publish"));
    arguments
}

/// A delay in milliseconds, as queue arguments and headers hold it.
pub(crate) fn millis(delay: Duration) -> i64 {
    i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn every_name_is_a_short_string_and_every_dead_letter_has_a_queue() {
        let names = Names::new(&"x".repeat(64)).unwrap();
        let intents = [IntentName::new(&"i".repeat(64)).unwrap(), IntentName::new("a").unwrap()];
        let delays = [Duration::from_secs(1), Duration::from_secs(86_400)];
        let topology = Topology::new(&names, &intents, &delays);
        let queues: Vec<_> = topology.queues.iter().map(|queue| queue.name.as_str()).collect();
        assert_eq!(queues.len(), 2 + 2 * 4 + 2);
        assert!(queues.iter().all(|name| name.len() <= 255));
        let from_the_start: Vec<_> = topology.queues.iter().filter(|queue| !queue.on_demand).collect();
        assert_eq!(from_the_start.len(), 2 + (2 + intents.len() + 1) + 2);
        let with = topology.clone().with_conversations(&names);
        assert_eq!(with.queues.len(), queues.len() + 17, "sixteen, and one for their dead letters");
        let with = with.with_person(&names);
        assert_eq!(with.queues.len(), queues.len() + 17 + 2);
        assert_eq!(with.bindings_of(&names.queue(&WorkQueue::Person)).count(), 1);
        for intent in &intents {
            let name = names.queue(&WorkQueue::Intent(intent.clone()));
            assert!(queues.contains(&name.as_str()));
            assert!(queues.contains(&Names::dead(&name).as_str()));
        }
        for binding in &topology.bindings {
            assert!(queues.contains(&binding.queue.as_str()));
            assert!(topology.exchanges.iter().any(|exchange| exchange.name == binding.exchange));
        }
    }

    #[test]
    fn a_routing_key_is_bound_as_the_topic_exchange_reads_it() {
        let names = Names::new("shop").unwrap();
        let topology = Topology::new(&names, &[IntentName::new("refund").unwrap()], &[]).with_conversations(&names);
        let check = |exchange: &str, key: &str, queue: Option<&str>| {
            let bound = topology.bound(exchange, key).map(|binding| binding.queue.as_str());
            assert_eq!(bound, queue, "{exchange} {key}");
        };
        check("shop", "request", Some("shop.requests"));
        check("shop", "request.web.zh", Some("shop.requests"));
        check("shop", "intent.refund", Some("shop.intent.refund"));
        check("shop", "conversation.f", Some("shop.conversation.f"));
        for other in ["", "requests", "request#", "intent.refund.x", "intent.gone", "chat.probe", "cancel"] {
            check("shop", other, None);
        }
        check("shop2", "request", None);
    }
}
