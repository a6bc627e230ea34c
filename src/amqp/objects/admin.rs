//! An operator's connection: what is on the broker is looked at here ([`super::inspect`], [`super::rights`]), bound
//! and taken away.

use lapin::{
    Channel,
    options::{ExchangeDeleteOptions, QueueDeleteOptions, QueuePurgeOptions},
};

use super::{
    ask::{AskError, attempt},
    declare::bind,
    topology::Binding,
};
use crate::amqp::{
    connection::{
        address::Broker,
        error::ConnectError,
        link::{Link, Use},
        server::Server,
    },
    values::short,
};

/// A connection to look at a broker with, and to change what is on it.
pub struct Admin {
    link: Link,
}

impl Admin {
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

    /// Deletes a queue, with what it holds. Quorum queues know no deletion that asks whether they are empty or unused,
    /// so the caller looks first.
    ///
    /// # Errors
    /// [`AskError`]; a queue that isn't there is none.
    pub async fn delete_queue(&self, queue: &str) -> Result<(), AskError> {
        self.attempt(&object("queue", queue), async |channel| {
            channel.queue_delete(short(queue), QueueDeleteOptions::default()).await.map(|_| ())
        })
        .await
    }

    /// Takes everything out of a queue, and tells how much that was.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn purge_queue(&self, queue: &str) -> Result<u32, AskError> {
        self.attempt(&object("queue", queue), async |channel| {
            channel.queue_purge(short(queue), QueuePurgeOptions::default()).await
        })
        .await
    }

    /// Deletes an exchange, with its bindings.
    ///
    /// # Errors
    /// [`AskError`]; an exchange that isn't there is none.
    pub async fn delete_exchange(&self, exchange: &str) -> Result<(), AskError> {
        self.attempt(&object("exchange", exchange), async |channel| {
            channel.exchange_delete(short(exchange), ExchangeDeleteOptions::default()).await
        })
        .await
    }

    /// Makes a binding.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn bind(&self, binding: &Binding) -> Result<(), AskError> {
        self.attempt(&object("queue", &binding.queue), async |channel| bind(channel, binding).await).await
    }

    /// Takes a binding away; one that isn't there is fine.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn unbind(&self, binding: &Binding) -> Result<(), AskError> {
        let Binding { exchange, queue, routing_key, arguments } = binding;
        self.attempt(&object("queue", queue), async |channel| {
            channel.queue_unbind(short(queue), short(exchange), short(routing_key), arguments.clone()).await
        })
        .await
    }

    /// Closes the connection; of one that the broker blocks it wouldn't read that.
    pub async fn close(&self) {
        if self.link.is_blocked() {
            return;
        }
        self.link.close(self.link.step_limit()).await;
    }

    /// Does one thing on a channel of its own.
    pub(super) async fn attempt<T>(
        &self,
        object: &str,
        action: impl AsyncFnOnce(&Channel) -> Result<T, lapin::Error>,
    ) -> Result<T, AskError> {
        attempt(&self.link, object, action).await
    }
}

pub(super) fn object(kind: &str, name: &str) -> String {
    format!("{kind} '{name}'")
}
