//! What the AMQP side has to be told; plain values, already checked.

use std::{num::NonZeroU16, time::Duration};

use super::{Names, WorkQueue, connection::address::Broker, objects::declare::TopologyMode};

/// From when on requests are turned away, `overloaded`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overload {
    /// How many messages may wait in a queue.
    pub max_depth: Option<u32>,
    /// How long a message may have waited.
    pub max_age: Option<Duration>,
}

/// Everything that the AMQP side has to be told.
#[derive(Clone)]
pub struct Settings {
    /// The broker.
    pub broker: Broker,
    /// The names of exchanges and queues.
    pub names: Names,
    /// Declare or verify.
    pub topology: TopologyMode,
    /// How many unacknowledged deliveries of requests and inline intents a worker holds, each queue.
    pub prefetch: NonZeroU16,
    /// The same for intents that are dispatched by queue.
    pub prefetch_queued: NonZeroU16,
    /// How often it is looked whether the exchanges and bindings are still there; a bot with many bindings takes longer.
    pub upkeep: Duration,
    /// What to consume.
    pub consume: Consume,
    /// The largest body, in bytes, as received and as decompressed.
    pub max_body: usize,
    /// How many bytes of bodies may be worked on at a time.
    pub memory_budget: usize,
    /// From when on requests are turned away.
    pub overload: Overload,
    /// How long after its arrival a request that names no deadline is of no more use.
    pub default_ttl: Option<Duration>,
    /// How long deliveries in flight may take to finish at shutdown.
    pub shutdown_grace: Duration,
    /// Patterns of names that replies may go to; all where empty.
    pub reply_allow: Vec<String>,
    /// The worker's name in connection names and dead letters.
    pub worker: String,
}

/// Which queues a worker consumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consume {
    /// All.
    All,
    /// Some.
    Some(Vec<Consumed>),
}

/// One thing that a worker may consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consumed {
    /// One work queue.
    Work(WorkQueue),
    /// All intents' queues.
    Intents,
    /// The queues of conversations.
    Conversations,
    /// Where the broker puts messages.
    Died,
}

impl Consume {
    /// Whether a work queue is consumed.
    pub fn work(&self, queue: &WorkQueue) -> bool {
        match self {
            Self::All => true,
            Self::Some(list) => list.iter().any(|consumed| match consumed {
                Consumed::Work(wanted) => wanted == queue,
                Consumed::Intents => matches!(queue, WorkQueue::Intent(_)),
                Consumed::Conversations => matches!(queue, WorkQueue::Conversation(_)),
                Consumed::Died => false,
            }),
        }
    }

    /// Whether the queue where the broker puts messages is consumed.
    pub fn died(&self) -> bool {
        match self {
            Self::All => true,
            Self::Some(list) => list.contains(&Consumed::Died),
        }
    }
}
