//! Publishing with confirms.
//!
//! **Invariant:** `Ok` means that the broker has confirmed the message and returned nothing.

use std::time::Duration;

use bytes::Bytes;
use lapin::{BasicProperties, Channel, Confirmation, options::BasicPublishOptions, types::ShortString};
use tokio::time::{Instant, timeout};

use super::{connection::Link, events};

/// Why a publish wasn't confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker refused it: an answer, not a fault. A full queue does so.
    #[error("the broker refused the message (nack)")]
    Nacked,
    /// No queue takes it.
    #[error("no queue takes the message ({0})")]
    Returned(String),
    /// The channel or connection is gone, or the confirm is: whether it was taken isn't known.
    #[error("the connection that published was lost: {0}")]
    Lost(String),
}

/// A message, ready to be published.
#[derive(Debug, Clone)]
pub struct Message {
    /// The exchange; empty for the default exchange.
    pub exchange: ShortString,
    /// The routing key; on the default exchange the queue's name.
    pub routing_key: ShortString,
    /// Whether the broker returns it where no queue takes it.
    pub mandatory: bool,
    /// The properties.
    pub properties: BasicProperties,
    /// The body.
    pub body: Bytes,
}

/// A channel with publisher confirms, on a connection that consumes nothing.
pub struct Publisher {
    link: Link,
    channel: Channel,
    confirm_timeout: Duration,
}

impl Publisher {
    /// Opens a channel with confirms on a connection of its own.
    ///
    /// # Errors
    /// [`PublishError::Lost`].
    pub async fn open(link: Link, confirm_timeout: Duration) -> Result<Self, PublishError> {
        let channel = link.channel().await.map_err(lost)?;
        channel.confirm_select(Default::default()).await.map_err(lost)?;
        Ok(Self { link, channel, confirm_timeout })
    }

    /// The connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Whether a message can be published at all.
    pub fn is_open(&self) -> bool {
        self.link.is_open() && self.channel.status().connected()
    }

    /// Publishes a message and waits for the broker's confirm.
    ///
    /// # Errors
    /// [`PublishError`]; no confirm within the timeout, not counting time in which the broker blocks the connection, is
    /// [`PublishError::Lost`].
    pub async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        let started = Instant::now();
        let result = self.confirmed(message).await;
        events::confirmed(&result, started.elapsed());
        result
    }

    async fn confirmed(&self, message: &Message) -> Result<(), PublishError> {
        let mut publish = std::pin::pin!(async {
            let options = BasicPublishOptions { mandatory: message.mandatory, immediate: false };
            let (exchange, key) = (message.exchange.clone(), message.routing_key.clone());
            let confirm = self.channel.basic_publish(exchange, key, options, &message.body, message.properties.clone());
            confirm.await.map_err(lost)?.await.map_err(lost)
        });
        let confirmation = loop {
            match timeout(self.confirm_timeout, &mut publish).await {
                Ok(confirmation) => break confirmation?,
                // Time in which the broker blocks the connection doesn't count.
                Err(_) if self.link.is_blocked() || self.was_blocked_lately().await => {
                    self.link.unblocked().await;
                    if !self.is_open() {
                        return Err(PublishError::Lost(self.link.ended().await.to_string()));
                    }
                }
                Err(_) => {
                    return Err(PublishError::Lost(format!("no confirm within {:?}", self.confirm_timeout)));
                }
            }
        };
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(returned)) => {
                Err(PublishError::Returned(format!("{} {}", returned.reply_code, returned.reply_text)))
            }
            Confirmation::Nack(_) => Err(PublishError::Nacked),
            Confirmation::NotRequested => Err(PublishError::Lost("the channel confirms nothing".to_owned())),
        }
    }

    async fn was_blocked_lately(&self) -> bool {
        !self.link.is_blocked()
            && self.link.unblocked().await.is_some_and(|since| since.elapsed() < self.confirm_timeout)
    }
}

fn lost(error: lapin::Error) -> PublishError {
    PublishError::Lost(error.to_string())
}
