//! Looking at a broker: what is there, and what the user may do.
//!
//! **Invariant:** looking changes nothing on the broker, whatever it finds. A right is tried by a request that is
//! refused in any case, but for want of the right first; each on a channel of its own, since a refusal closes it.

use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{
        BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions,
        QueueDeleteOptions, QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable},
};

pub use super::ask::InspectError;
use super::{
    ask::{apart, attempt},
    declare::{bind, declare_exchange, declare_queue},
    names::PROBE_TYPE,
    topology::{Binding, Exchange, Queue, Topology},
};
use crate::amqp::{
    Names,
    connection::{
        address::Broker,
        error::ConnectError,
        link::{Link, Use},
        server::Server,
    },
    values::short,
};

/// A connection to look at a broker with.
pub struct Inspector {
    link: Link,
}

/// What a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages that are ready; those that a consumer holds don't count.
    pub messages: u32,
    /// Consumers.
    pub consumers: u32,
}

/// What of a topology exists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// Each exchange, and whether it exists.
    pub exchanges: Vec<(Exchange, bool)>,
    /// Each queue, and what it holds where it exists.
    pub queues: Vec<(Queue, Option<Depth>)>,
    /// Queues of which the broker doesn't tell this user whether they exist. RabbitMQ does so from 4.3 on.
    pub unseen: Vec<Queue>,
}

impl Survey {
    /// Adds what another found.
    pub fn extend(&mut self, other: Self) {
        self.exchanges.extend(other.exchanges);
        self.queues.extend(other.queues);
        self.unseen.extend(other.unseen);
    }

    /// What a queue holds; none where it doesn't exist or isn't of the topology.
    pub fn depth(&self, queue: &str) -> Option<Depth> {
        self.queues.iter().find(|(of, _)| of.name == queue).and_then(|(_, depth)| *depth)
    }
}

/// Something that the user may be allowed to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Right {
    /// Publish to an exchange; empty for the default exchange.
    Publish(String),
    /// Consume a queue.
    Consume(String),
    /// Declare a queue.
    DeclareQueue(String),
    /// Declare an exchange.
    DeclareExchange(String),
    /// Bind a queue to an exchange.
    Bind {
        /// The queue.
        queue: String,
        /// The exchange.
        exchange: String,
    },
}

/// What becomes of messages whose routing key nobody binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unroutable {
    /// The policy leads them to a worker (or some queue is bound to every key).
    Taken,
    /// The broker returns or drops them.
    Dropped,
}

impl Inspector {
    /// Connects.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn open(broker: &Broker) -> Result<Self, ConnectError> {
        let link = Link::open(broker, "chatbot-worker command", Use::Command).await?;
        Ok(Self { link })
    }

    /// The connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// How the broker introduced itself.
    pub fn server(&self) -> Option<Server> {
        self.link.server()
    }

    /// What a queue holds; none where it doesn't exist.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn depth(&self, queue: &str) -> Result<Option<Depth>, InspectError> {
        depth(&self.link, queue).await
    }

    /// Whether an exchange exists.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn has_exchange(&self, exchange: &Exchange) -> Result<bool, InspectError> {
        let what = object("exchange", &exchange.name);
        let looked = self.attempt(&what, async |channel| declare_exchange(channel, exchange, true).await);
        Ok(exists(looked.await)?.is_some())
    }

    /// What of a topology exists.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn survey(&self, topology: &Topology) -> Result<Survey, InspectError> {
        let mut survey = Survey::default();
        let exchanges = apart(topology.exchanges.iter().map(|exchange| self.has_exchange(exchange))).await;
        for (exchange, exists) in topology.exchanges.iter().zip(exchanges) {
            survey.exchanges.push((exchange.clone(), exists?));
        }
        let depths = depths(&self.link, topology.queues.iter().map(|queue| queue.name.as_str())).await;
        for (queue, depth) in topology.queues.iter().zip(depths) {
            match depth {
                Ok(depth) => survey.queues.push((queue.clone(), depth)),
                Err(InspectError::Refused(problem)) if problem.refused => survey.unseen.push(queue.clone()),
                Err(error) => return Err(error),
            }
        }
        Ok(survey)
    }

    /// Declares queues and exchanges that exist, each as [`Self::redeclare_queue`] does; what came of each.
    pub async fn redeclare(&self, survey: &Survey) -> Vec<Result<(), InspectError>> {
        let exchanges = survey.exchanges.iter().filter(|(_, exists)| *exists);
        let queues = survey.queues.iter().filter(|(_, depth)| depth.is_some());
        let mut done = apart(exchanges.map(|(exchange, _)| self.redeclare_exchange(exchange))).await;
        done.extend(apart(queues.map(|(queue, _)| self.redeclare_queue(queue))).await);
        done
    }

    /// Declares a queue. Where it exists that changes nothing, but proves that its arguments are the worker's and that
    /// the user may configure it.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn redeclare_queue(&self, queue: &Queue) -> Result<(), InspectError> {
        self.attempt(&object("queue", &queue.name), async |channel| declare_queue(channel, queue, false).await).await
    }

    /// The same for an exchange.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn redeclare_exchange(&self, exchange: &Exchange) -> Result<(), InspectError> {
        let what = object("exchange", &exchange.name);
        self.attempt(&what, async |channel| declare_exchange(channel, exchange, false).await).await
    }

    /// The broker's words where it refuses a right; none where it doesn't. Its log then has an error, as a channel was
    /// closed.
    ///
    /// # Errors
    /// [`InspectError::Lost`].
    pub async fn refusal(&self, right: &Right) -> Result<Option<String>, InspectError> {
        match self.attempt("a right", async |channel| try_right(channel, right).await).await {
            Ok(()) => Ok(None),
            Err(InspectError::Refused(problem)) => Ok(problem.refused.then_some(problem.broker)),
            Err(lost) => Err(lost),
        }
    }

    /// The same for each of some rights.
    ///
    /// # Errors
    /// [`InspectError::Lost`].
    pub async fn refusals(&self, rights: &[Right]) -> Result<Vec<Option<String>>, InspectError> {
        apart(rights.iter().map(|right| self.refusal(right))).await.into_iter().collect()
    }

    /// Publishes a message whose routing key nobody should bind, which a worker drops where the policy leads it to one.
    /// Call it only where a worker consumes [`Names::died`]: else the message stays there.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn unroutable(&self, names: &Names) -> Result<Unroutable, InspectError> {
        let (exchange, key) = (short(names.exchange()), short(PROBE_TYPE));
        let properties = BasicProperties::default().with_type(short(PROBE_TYPE)).with_content_type(short("text/plain"));
        let body = b"A probe of `chatbot-worker check`; it means nothing and may be dropped.";
        let what = object("exchange", names.exchange());
        let confirmation = self.attempt(&what, async |channel| {
            channel.confirm_select(Default::default()).await?;
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            channel.basic_publish(exchange, key, options, body, properties).await?.await
        });
        match confirmation.await? {
            Confirmation::Ack(Some(_)) => Ok(Unroutable::Dropped),
            Confirmation::Ack(None) => Ok(Unroutable::Taken),
            other => Err(InspectError::Lost(format!("the broker confirmed the probe by {other:?}"))),
        }
    }

    /// Deletes a queue, with what it holds. Quorum queues know no deletion that asks whether they are empty or unused,
    /// so the caller looks first.
    ///
    /// # Errors
    /// [`InspectError`]; a queue that isn't there is none.
    pub async fn delete_queue(&self, queue: &str) -> Result<(), InspectError> {
        self.attempt(&object("queue", queue), async |channel| {
            channel.queue_delete(short(queue), QueueDeleteOptions::default()).await.map(|_| ())
        })
        .await
    }

    /// Takes everything out of a queue, and tells how much that was.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn purge_queue(&self, queue: &str) -> Result<u32, InspectError> {
        self.attempt(&object("queue", queue), async |channel| {
            channel.queue_purge(short(queue), QueuePurgeOptions::default()).await
        })
        .await
    }

    /// Deletes an exchange, with its bindings.
    ///
    /// # Errors
    /// [`InspectError`]; an exchange that isn't there is none.
    pub async fn delete_exchange(&self, exchange: &str) -> Result<(), InspectError> {
        self.attempt(&object("exchange", exchange), async |channel| {
            channel.exchange_delete(short(exchange), ExchangeDeleteOptions::default()).await
        })
        .await
    }

    /// Makes a binding.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn bind(&self, binding: &Binding) -> Result<(), InspectError> {
        self.attempt(&object("queue", &binding.queue), async |channel| bind(channel, binding).await).await
    }

    /// Takes a binding away; one that isn't there is fine.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn unbind(&self, binding: &Binding) -> Result<(), InspectError> {
        let Binding { exchange, queue, routing_key, arguments } = binding;
        self.attempt(&object("queue", queue), async |channel| {
            channel.queue_unbind(short(queue), short(exchange), short(routing_key), arguments.clone()).await
        })
        .await
    }

    /// Closes the connection.
    pub async fn close(&self) {
        self.link.close(self.link.step_limit()).await;
    }

    /// Does one thing on a channel of its own.
    async fn attempt<T>(
        &self,
        object: &str,
        action: impl AsyncFnOnce(&Channel) -> Result<T, lapin::Error>,
    ) -> Result<T, InspectError> {
        attempt(&self.link, object, action).await
    }
}

/// What a queue holds; none where it doesn't exist.
async fn depth(link: &Link, queue: &str) -> Result<Option<Depth>, InspectError> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let what = object("queue", queue);
    let looked =
        attempt(link, &what, async |channel| channel.queue_declare(short(queue), options, FieldTable::default()).await);
    let found = exists(looked.await)?;
    Ok(found.map(|queue| Depth { messages: queue.message_count(), consumers: queue.consumer_count() }))
}

/// The same for each of some queues. The broker's log has an error for each that doesn't exist.
pub(crate) async fn depths<'a>(
    link: &Link,
    queues: impl IntoIterator<Item = &'a str>,
) -> Vec<Result<Option<Depth>, InspectError>> {
    apart(queues.into_iter().map(|queue| depth(link, queue))).await
}

/// Each request is one that RabbitMQ checks for permission first and then refuses for what is wrong with it, or that
/// undoes what was never done.
async fn try_right(channel: &Channel, right: &Right) -> Result<(), lapin::Error> {
    match right {
        Right::Publish(exchange) => {
            channel.confirm_select(Default::default()).await?;
            let properties = BasicProperties::default().with_expiration(short("x"));
            let options = BasicPublishOptions::default();
            let publish = channel.basic_publish(short(exchange), short("request"), options, b"", properties);
            publish.await?.await.map(|_| ())
        }
        Right::Consume(queue) => {
            let mut arguments = FieldTable::default();
            arguments.insert(short("x-priority"), AMQPValue::LongString("x".into()));
            let consume = channel.basic_consume(short(queue), short(""), BasicConsumeOptions::default(), arguments);
            consume.await.map(|_| ())
        }
        Right::DeclareQueue(queue) => {
            let mut arguments = FieldTable::default();
            arguments.insert(short("x-message-ttl"), AMQPValue::LongLongInt(-1));
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            channel.queue_declare(short(queue), options, arguments).await.map(|_| ())
        }
        Right::DeclareExchange(exchange) => {
            let mut arguments = FieldTable::default();
            arguments.insert(short("alternate-exchange"), AMQPValue::LongLongInt(-1));
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare(short(exchange), lapin::ExchangeKind::Topic, options, arguments).await
        }
        Right::Bind { queue, exchange } => {
            let never = short("chatbot-worker check: bound by nobody");
            channel.queue_unbind(short(queue), short(exchange), never, FieldTable::default()).await
        }
    }
}

fn exists<T>(looked: Result<T, InspectError>) -> Result<Option<T>, InspectError> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(InspectError::Refused(problem)) if problem.missing => Ok(None),
        Err(error) => Err(error),
    }
}

fn object(kind: &str, name: &str) -> String {
    format!("{kind} '{name}'")
}
