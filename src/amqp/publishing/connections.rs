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
        ask::AskError,
        declare::{TopologyMode, declare_one},
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
    /// The queues of dead letters that this session has made, or tried to.
    pub made: Mutex<HashMap<WorkQueue, Made>>,
}

/// A queue that was made, or couldn't be, and when.
pub struct Made {
    is_there: bool,
    at: Instant,
}

impl Broker for Connections {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        self.forwards.publish(message).await
    }

    async fn publish_in_order(&self, message: Message) -> Result<(), PublishError> {
        self.forwards.publish_in_order(message).await
    }

    async fn reply(&self, message: impl Fn() -> Message + Send + Sync, direct: bool) -> Result<(), ReplyError> {
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

    /// It is made before the first letter of a session, and not only when that comes back: of many that come at once some
    /// would else be taken for returned that weren't, and come twice. One that can't be made is told by the log.
    async fn make_dead_letter_queue(&self, of: &WorkQueue, missing: bool) -> Result<bool, SessionLost> {
        if self.mode == TopologyMode::Verify {
            return Ok(false);
        }
        let mut made = self.made.lock().await;
        if let Some(Made { is_there, at }) = made.get(of)
            && (!missing || at.elapsed() < DECLARE_PAUSE)
        {
            return Ok(*is_there);
        }
        let queue = Queue::dead(&self.names, &self.names.queue(of));
        let is_there = match declare_one(self.forwards.link(), &queue).await {
            Ok(()) => true,
            Err(AskError::Lost(why)) => return Err(SessionLost(why)),
            Err(blocked @ AskError::Blocked(_)) => return Err(SessionLost(blocked.to_string())),
            Err(AskError::Refused(problem)) => {
                tracing::warn!(
                    queue = queue.name,
                    broker = problem.broker,
                    "the queue for these dead letters can't be made; without it they go to those of the requests"
                );
                false
            }
        };
        made.insert(of.clone(), Made { is_there, at: Instant::now() });
        Ok(is_there)
    }

    async fn pause(&self, pause: Duration) {
        sleep(pause).await;
    }

    async fn ack(&self, ack: Ack, outcome: &'static str, started: Instant) {
        ack.settled(outcome, started);
    }
}
