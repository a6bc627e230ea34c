//! Publishing what must not be lost, until the broker has it.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::{Broker, SessionLost, Settler};
use crate::amqp::{
    Names, WorkQueue,
    message::properties::Received,
    publishing::{
        events,
        publisher::{Message, PublishError},
    },
    values::short,
};

impl<B: Broker> Settler<B> {
    /// Publishes what must not be lost: a refusal is waited out, and a missing queue declared again. What was published in
    /// the end.
    ///
    /// A letter to the dead letters of `letter_of` has its queue made if it is the first. Where that can't be, it goes to
    /// those of the requests, which are there from the start; its header [`FIRST_QUEUE`](crate::amqp::objects::names::FIRST_QUEUE)
    /// says whose it is.
    pub(super) async fn keep(
        &self,
        mut message: Message,
        mut letter_of: Option<&WorkQueue>,
    ) -> Result<Message, SessionLost> {
        let mut backoff = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .without_max_times()
            .build();
        if let Some(of) = letter_of {
            self.broker.make_dead_letter_queue(of, false).await?;
        }
        let (mut tries, mut made) = (0, false);
        loop {
            let error = match self.broker.publish(message.clone()).await {
                Ok(()) => return Ok(message),
                Err(error @ (PublishError::Lost(_) | PublishError::Unconfirmed(_))) => {
                    return Err(SessionLost(error.to_string()));
                }
                Err(error) => error,
            };
            let is_missing = matches!(error, PublishError::Returned(_));
            if let Some(of) = letter_of.filter(|_| is_missing) {
                made = !made && self.broker.make_dead_letter_queue(of, true).await?;
                if !made {
                    letter_of = None;
                    message.routing_key = short(&Names::dead(&self.names.queue(&WorkQueue::Requests)));
                }
                continue;
            }
            tries += 1;
            events::kept(&error, message.routing_key.as_str(), tries);
            if is_missing {
                self.broker.declare_again().await?;
            }
            self.broker.pause(backoff.next().unwrap_or_default()).await;
        }
    }
}

/// What is published in the place of a message.
pub(super) fn kept(
    received: &Received,
    exchange: &str,
    routing_key: &str,
    properties: lapin::BasicProperties,
) -> Message {
    let (exchange, routing_key) = (short(exchange), short(routing_key));
    Message { exchange, routing_key, mandatory: true, properties, body: received.body.clone() }
}
