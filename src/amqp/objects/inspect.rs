//! What is on a broker.
//!
//! **Invariant:** looking changes nothing on the broker, whatever it finds.

use lapin::{options::QueueDeclareOptions, types::FieldTable};

use super::{
    admin::{Admin, object},
    ask::{AskError, apart, attempt},
    declare::{declare_exchange, declare_queue},
    topology::{Exchange, Queue, Topology},
};
use crate::amqp::{connection::link::Link, values::short};

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
    /// The same of exchanges.
    pub unseen_exchanges: Vec<Exchange>,
}

impl Survey {
    /// Adds what another found.
    pub fn extend(&mut self, other: Self) {
        self.exchanges.extend(other.exchanges);
        self.queues.extend(other.queues);
        self.unseen.extend(other.unseen);
        self.unseen_exchanges.extend(other.unseen_exchanges);
    }

    /// The queues that were asked about, also where the broker doesn't tell whether they are there.
    pub fn asked(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter().map(|(queue, _)| queue).chain(&self.unseen)
    }

    /// Whether the broker doesn't tell this user whether a queue is there.
    pub fn is_unseen(&self, queue: &str) -> bool {
        self.unseen.iter().any(|unseen| unseen.name == queue)
    }

    /// What a queue holds; none where it doesn't exist or isn't of the topology.
    pub fn depth(&self, queue: &str) -> Option<Depth> {
        self.queues.iter().find(|(of, _)| of.name == queue).and_then(|(_, depth)| *depth)
    }
}

impl Admin {
    /// What a queue holds; none where it doesn't exist.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn depth(&self, queue: &str) -> Result<Option<Depth>, AskError> {
        depth(self.link(), queue).await
    }

    /// Whether an exchange exists.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn has_exchange(&self, exchange: &Exchange) -> Result<bool, AskError> {
        let what = object("exchange", &exchange.name);
        let looked = self.attempt(&what, async |channel| declare_exchange(channel, exchange, true).await);
        Ok(exists(looked.await)?.is_some())
    }

    /// What of a topology exists.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn survey(&self, topology: &Topology) -> Result<Survey, AskError> {
        let mut survey = Survey::default();
        let exchanges = apart(topology.exchanges.iter().map(|exchange| self.has_exchange(exchange))).await;
        for (exchange, exists) in topology.exchanges.iter().zip(exchanges) {
            match exists {
                Err(AskError::Refused(problem)) if problem.refused => survey.unseen_exchanges.push(exchange.clone()),
                exists => survey.exchanges.push((exchange.clone(), exists?)),
            }
        }
        let depths = depths(self.link(), topology.queues.iter().map(|queue| queue.name.as_str())).await;
        for (queue, depth) in topology.queues.iter().zip(depths) {
            match depth {
                Ok(depth) => survey.queues.push((queue.clone(), depth)),
                Err(AskError::Refused(problem)) if problem.refused => survey.unseen.push(queue.clone()),
                Err(error) => return Err(error),
            }
        }
        Ok(survey)
    }

    /// Declares queues and exchanges that exist, each as [`Self::redeclare_queue`] does; what came of each.
    pub async fn redeclare(&self, survey: &Survey) -> Vec<Result<(), AskError>> {
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
    /// [`AskError`].
    pub async fn redeclare_queue(&self, queue: &Queue) -> Result<(), AskError> {
        self.attempt(&object("queue", &queue.name), async |channel| declare_queue(channel, queue, false).await).await
    }

    /// The same for an exchange.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn redeclare_exchange(&self, exchange: &Exchange) -> Result<(), AskError> {
        let what = object("exchange", &exchange.name);
        self.attempt(&what, async |channel| declare_exchange(channel, exchange, false).await).await
    }
}

/// What a queue holds; none where it doesn't exist.
///
/// # Errors
/// [`AskError`].
pub(crate) async fn depth(link: &Link, queue: &str) -> Result<Option<Depth>, AskError> {
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
) -> Vec<Result<Option<Depth>, AskError>> {
    apart(queues.into_iter().map(|queue| depth(link, queue))).await
}

fn exists<T>(looked: Result<T, AskError>) -> Result<Option<T>, AskError> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(AskError::Refused(problem)) if problem.missing => Ok(None),
        Err(error) => Err(error),
    }
}
