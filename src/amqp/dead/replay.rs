//! A dead letter published again, as its client did.
//!
//! **Invariant:** `Ok` means that the broker has confirmed the message and returned nothing: only then may the letter
//! be removed.

use std::{collections::HashSet, time::Duration};

use super::Letter;
use crate::{
    amqp::{
        Names, WorkQueue,
        message::{properties::Purpose, time::now_ms},
        publishing::publisher::{Message, PublishError, Publisher},
        values::short,
    },
    domain::IntentName,
};

/// Why a letter stays where it is, although others may go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Kept {
    /// It doesn't say with which key it was published.
    #[error("no worker put it there: it has no chatbot-routing-key")]
    NoRoutingKey,
    /// The intent that it was addressed to is gone.
    #[error("intent '{0}' isn't in the intents file, or has no queue")]
    IntentGone(String),
    /// Nobody takes it.
    #[error("no queue takes the routing key '{0}'")]
    Returned(String),
    /// The queue that takes it refuses it.
    #[error("the broker refuses it (nack): the queue that would take it may be full")]
    Nacked,
    /// Not all of it was read.
    #[error("it can't be read whole: {0}")]
    Unreadable(String),
}

/// Why a letter wasn't published again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It stays; others may go.
    #[error(transparent)]
    Kept(#[from] Kept),
    /// Whether it was taken isn't known; it stays, and so may come twice.
    #[error("{0}")]
    Lost(PublishError),
}

/// Publishes letters again.
pub struct Replayer {
    /// With what.
    pub publisher: Publisher,
    /// The names.
    pub names: Names,
    /// The intents that are configured and have a queue.
    pub intents: HashSet<IntentName>,
    /// In how long from now their answers are of no more use; never, where it is left out.
    pub deadline: Option<Duration>,
}

impl Replayer {
    /// Publishes a letter again to where its client published it, as if it had never been tried: by the queue's name where
    /// its key leads to a work queue, so that the worker believes what it says of its user; else to the topic exchange.
    ///
    /// # Errors
    /// [`ReplayError`]; then the letter must stay.
    pub async fn replay(&self, letter: &Letter) -> Result<(), ReplayError> {
        let message = self.message(letter, now_ms())?;
        match self.publisher.publish(message).await {
            Ok(()) => Ok(()),
            Err(PublishError::Returned(key)) => Err(Kept::Returned(key).into()),
            Err(PublishError::Nacked) => Err(Kept::Nacked.into()),
            Err(error) => Err(ReplayError::Lost(error)),
        }
    }

    fn message(&self, letter: &Letter, now: u64) -> Result<Message, Kept> {
        if let Some(complaint) = &letter.received.unreadable {
            return Err(Kept::Unreadable(complaint.clone()));
        }
        let key = letter.received.trail.first_routing_key.as_deref().ok_or(Kept::NoRoutingKey)?;
        let queue = self.queue_of(key, letter);
        // A queue that is left of an intent has nobody who consumes it.
        if let Some(WorkQueue::Intent(intent)) = &queue
            && !self.intents.contains(intent)
        {
            return Err(Kept::IntentGone(intent.to_string()));
        }
        let (exchange, routing_key) = match queue {
            Some(queue) => (String::new(), self.names.queue(&queue)),
            None => (self.names.exchange().to_owned(), key.to_owned()),
        };
        let deadline = self.deadline.and_then(|limit| u64::try_from(limit.as_millis()).ok());
        let purpose = Purpose::Replay { deadline: deadline.map(|limit| now.saturating_add(limit)) };
        Ok(Message {
            exchange: short(&exchange),
            routing_key: short(&routing_key),
            mandatory: true,
            properties: letter.received.republished(&self.names, purpose, now),
            body: letter.received.body.clone(),
        })
    }

    /// The work queue that the key with which a letter was first published leads to; none where it is a binding of the
    /// operator's own. A client that published by a queue's name has that for its key.
    fn queue_of(&self, key: &str, letter: &Letter) -> Option<WorkQueue> {
        match self.names.work_queue(key) {
            // Nothing is sent to the suspects that wasn't counted there.
            Some(WorkQueue::Suspects) => {
                let intent = letter.received.trail.intent.clone();
                Some(intent.map_or(WorkQueue::Requests, WorkQueue::Intent))
            }
            Some(queue) => Some(queue),
            None if key == "request" || key.starts_with("request.") => Some(WorkQueue::Requests),
            None => IntentName::new(key.strip_prefix("intent.")?).ok().map(WorkQueue::Intent),
        }
    }
}
