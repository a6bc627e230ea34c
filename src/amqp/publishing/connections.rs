//! A session's connections that publish, as settling uses them.
//!
//! **Invariant:** one for forwards, retries and dead letters, one for replies; neither consumes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    acks::Ack,
    publisher::{Message, PublishError, Publisher},
    replies::{Replies, ReplyError},
    settle::{Broker, SessionLost},
};
use crate::amqp::{
    Names, WorkQueue,
    objects::{
        declare::{TopologyMode, declare_one},
        inspect::InspectError,
        problem::TopologyError,
        topology::{Queue, Topology},
    },
};

/// Queues that are missing are declared again once in so long, however many messages find it.
const DECLARE_PAUSE: Duration = Duration::from_secs(1);

/// The connections that publish.
pub struct Connections {
    /// For forwards, retries and dead letters.
    pub forwards: Publisher,
    /// For replies.
    pub replies: Replies,
    /// What is declared again where a queue turns out to be missing.
    pub topology: Arc<Topology>,
    /// Whether it may be.
    pub mode: TopologyMode,
    /// The names, for the queues of dead letters.
    pub names: Names,
    /// When the topology was last declared again.
    pub declared: Mutex<Option<Instant>>,
    /// When a queue of dead letters was last made, and of which.
    pub made: Mutex<HashMap<WorkQueue, Instant>>,
}

impl Broker for Connections {
    async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        self.forwards.publish(message).await
    }

    async fn reply(&self, message: &Message, direct: bool) -> Result<(), ReplyError> {
        self.replies.send(message, direct).await
    }

    /// What can't be declared is told by the log, and tried again with the next message.
    async fn declare_again(&self) -> Result<(), SessionLost> {
        if self.mode == TopologyMode::Verify {
            return Ok(());
        }
        let mut declared = self.declared.lock().await;
        if declared.is_some_and(|at| at.elapsed() < DECLARE_PAUSE) {
            return Ok(());
        }
        *declared = Some(Instant::now());
        match self.topology.apply(self.forwards.link(), self.mode).await {
            Ok(()) => tracing::warn!("a queue was missing; declared again"),
            Err(TopologyError::Lost(why)) => return Err(SessionLost(why)),
            Err(error) => tracing::error!(%error, "a queue is missing and can't be declared"),
        }
        Ok(())
    }

    /// One that can't be made is told by the log, and its letters go elsewhere meanwhile. Of letters that come at once, the
    /// first makes it.
    async fn make_dead_letter_queue(&self, of: &WorkQueue) -> Result<bool, SessionLost> {
        if self.mode == TopologyMode::Verify {
            return Ok(false);
        }
        let mut made = self.made.lock().await;
        made.retain(|_, at| at.elapsed() < DECLARE_PAUSE);
        if made.contains_key(of) {
            return Ok(true);
        }
        let queue = Queue::dead(&self.names, &self.names.queue(of));
        match declare_one(self.forwards.link(), &queue).await {
            Ok(()) => {
                made.insert(of.clone(), Instant::now());
                tracing::info!(queue = queue.name, "made the queue for its first dead letter");
                Ok(true)
            }
            Err(InspectError::Lost(why)) => Err(SessionLost(why)),
            Err(InspectError::Refused(problem)) => {
                tracing::warn!(
                    queue = queue.name,
                    broker = problem.broker,
                    "the queue of dead letters can't be made; they go to those of the requests"
                );
                Ok(false)
            }
        }
    }

    async fn pause(&self, pause: Duration) {
        sleep(pause).await;
    }

    async fn ack(&self, ack: Ack, outcome: &'static str, started: Instant) {
        ack.settled(outcome, started);
    }
}
