//! Why a queue can't be migrated, and what to do.

use crate::amqp::{connection::error::ConnectError, objects::ask::AskError, publishing::publisher::PublishError};

/// Why a migration went no further. Nothing is lost; running it again goes on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MigrateError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker refuses, or is gone.
    #[error(transparent)]
    Inspect(#[from] AskError),
    /// Somebody consumes it.
    #[error(
        "queue '{queue}' has {consumers} consumers: stop them first, and wait until they have ended (`rabbitmqctl \
         list_consumers` tells which they are)"
    )]
    Consumed {
        /// The queue.
        queue: String,
        /// How many.
        consumers: u32,
    },
    /// It can't be emptied.
    #[error(
        "queue '{queue}' says that it holds {left} messages, and hands out none: is it a stream, or does a policy stop it?"
    )]
    Stuck {
        /// The queue.
        queue: String,
        /// What it says.
        left: u32,
    },
    /// A message can't be put into the other queue.
    #[error("a message of queue '{queue}' can't be moved: {error}")]
    Publish {
        /// The queue.
        queue: String,
        /// Why.
        error: PublishError,
    },
    /// Somebody else deleted it.
    #[error("queue '{0}' was deleted by somebody else meanwhile")]
    Gone(String),
}
