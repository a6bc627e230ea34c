//! What the AMQP side has to be told; plain values, already checked.

use std::{num::NonZeroU16, time::Duration};

use lapin::{tcp::OwnedTLSConfig, uri::AMQPUri};

use super::{Names, WorkQueue};

/// Where the broker is and how to speak to it.
#[derive(Clone)]
pub struct Broker {
    /// The nodes of the cluster, tried in random order; never empty.
    pub urls: Vec<AMQPUri>,
    /// Certificates for `amqps`.
    pub tls: OwnedTLSConfig,
    /// How long one step of connecting or declaring may take.
    pub connect_timeout: Duration,
    /// How long a publish may stay unconfirmed, not counting time in which the broker blocks the connection.
    pub confirm_timeout: Duration,
}

/// Whether the worker declares its exchanges and queues or only proves that they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopologyMode {
    /// Declare.
    Declare,
    /// Prove existence, declare nothing.
    Verify,
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
    /// What to consume.
    pub consume: Consume,
    /// The largest body, in bytes, as received and as decompressed.
    pub max_body: usize,
    /// How many bytes of bodies may be worked on at a time.
    pub memory_budget: usize,
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
