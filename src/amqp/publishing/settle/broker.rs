//! What settling asks of the broker.

use std::time::Duration;

use tokio::time::Instant;

use crate::amqp::{
    WorkQueue,
    publishing::{
        acks::Ack,
        publisher::{Message, PublishError},
        replies::ReplyError,
    },
};

/// The session can't go on: what was published isn't known to have arrived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SessionLost(pub String);

/// What settling asks of the broker, and all that it does to it: [`super::super::connections::Connections`] in a worker; in
/// the model check a broker that gives every answer at every moment.
pub trait Broker {
    /// Publishes a forward, a suspect, a retry or a dead letter, and waits for the confirm.
    fn publish(&self, message: Message) -> impl Future<Output = Result<(), PublishError>> + Send;
    /// The same with nobody let go before, so that messages are published in the order in which this is called.
    fn publish_in_order(&self, message: Message) -> impl Future<Output = Result<(), PublishError>> + Send {
        self.publish(message)
    }
    /// Publishes a reply or an error reply, which `message` writes as often as it has to be tried, and waits for the confirm.
    fn reply(
        &self,
        message: impl Fn() -> Message + Send + Sync,
        direct: bool,
    ) -> impl Future<Output = Result<(), ReplyError>> + Send;
    /// Declares what is missing, where that is allowed.
    fn declare_again(&self) -> impl Future<Output = Result<(), SessionLost>> + Send;
    /// Makes the queue of a work queue's dead letters when the first of them comes; `missing` tells that it turned out to be
    /// missing. Whether it is there, as far as is known.
    fn make_dead_letter_queue(
        &self,
        of: &WorkQueue,
        missing: bool,
    ) -> impl Future<Output = Result<bool, SessionLost>> + Send;
    /// Waits before what was refused is published again.
    fn pause(&self, pause: Duration) -> impl Future<Output = ()> + Send;
    /// Acks a delivery that came at `started` and ended as `outcome`.
    fn ack(&self, ack: Ack, outcome: &'static str, started: Instant) -> impl Future<Output = ()> + Send;
}
