//! A session's connections that publish, as settling uses them.
//!
//! **Invariant:** one for forwards, retries and dead letters, one for replies; neither consumes.

use std::{sync::Arc, time::Duration};

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
use crate::amqp::objects::{declare::TopologyMode, problem::TopologyError, topology::Topology};

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
    /// When the topology was last declared again.
    pub declared: Mutex<Option<Instant>>,
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

    async fn pause(&self, pause: Duration) {
        sleep(pause).await;
    }

    async fn ack(&self, ack: Ack, outcome: &'static str, started: Instant) {
        ack.settled(outcome, started);
    }
}
