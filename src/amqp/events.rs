//! What operators are told: each event is one function that counts and, where it is rare enough, logs.
//!
//! **Invariant:** never a message's text, a body, a password, or a URL with one.

use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge, histogram};

use super::{properties::Received, publisher::PublishError};
use crate::domain::{DeadLetter, Outcome};

/// Counts one queue's deliveries. Looked up once, not at each delivery.
pub(crate) struct Deliveries {
    total: Counter,
    in_flight: Gauge,
}

impl Deliveries {
    /// The counters of a queue.
    pub(crate) fn of(queue: &str) -> Self {
        Self {
            total: counter!("chatbot_deliveries_total", "queue" => queue.to_owned()),
            in_flight: gauge!("chatbot_in_flight"),
        }
    }

    /// A delivery came in. It is in flight until what this returns is dropped, be it dealt with or given up.
    pub(crate) fn delivered(&self) -> InFlight<'_> {
        self.total.increment(1);
        self.in_flight.increment(1);
        InFlight(&self.in_flight)
    }
}

/// A delivery in flight.
pub(crate) struct InFlight<'a>(&'a Gauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// A delivery ended as an outcome and was acked.
pub(crate) fn settled(outcome: &'static str, after: Duration) {
    counter!("chatbot_outcomes_total", "outcome" => outcome).increment(1);
    histogram!("chatbot_request_seconds").record(after);
}

/// An outcome's name in metrics.
pub(crate) fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Reply(_) => "reply",
        Outcome::Forward { .. } => "forward",
        Outcome::Suspect => "suspect",
        Outcome::Retry { .. } => "retry",
        Outcome::DeadLetter(_) => "dead-letter",
        Outcome::Drop => "drop",
    }
}

/// The ack of a settled message couldn't be written: the broker delivers it again, so it may be answered twice.
pub(crate) fn lost_ack(received: &Received) {
    counter!("chatbot_lost_acks_total").increment(1);
    tracing::debug!(
        message_id = received.message_id(),
        "the connection was lost before the ack; the message comes again"
    );
}

/// A message goes to a dead-letter queue.
pub(crate) fn dead_lettered(received: &Received, letter: &DeadLetter, queue: &str) {
    counter!("chatbot_dead_letters_total", "reason" => letter.reason.as_str()).increment(1);
    tracing::warn!(
        reason = letter.reason.as_str(),
        error = letter.message,
        queue,
        message_id = received.message_id(),
        attempt = received.trail.attempt,
        "a message is dead-lettered"
    );
}

/// A message is tried again later.
pub(crate) fn retried(received: &Received, error: &str, delay: Duration) {
    tracing::info!(
        error,
        attempt = received.trail.attempt,
        delay = ?delay,
        message_id = received.message_id(),
        "a message is tried again later"
    );
}

/// What became of a reply.
pub(crate) fn replied(result: &'static str) {
    counter!("chatbot_replies_total", "result" => result).increment(1);
}

/// A connection was opened again.
pub(crate) fn reconnected(connection: &'static str) {
    counter!("chatbot_reconnects_total", "connection" => connection).increment(1);
    tracing::info!(connection, "connected again");
}

/// A publish was confirmed, or not.
pub(crate) fn confirmed(result: &Result<(), PublishError>, after: Duration) {
    let result = match result {
        Ok(()) => "ack",
        Err(PublishError::Nacked) => "nack",
        Err(PublishError::Returned(_)) => "returned",
        Err(PublishError::Unconfirmed(_)) => "unconfirmed",
        Err(PublishError::Lost(_)) => "lost",
    };
    counter!("chatbot_confirms_total", "result" => result).increment(1);
    histogram!("chatbot_confirm_seconds").record(after);
}

/// A message that must not be lost is refused and kept, to be published again.
pub(crate) fn kept(error: &PublishError, queue: &str, tries: usize) {
    if tries == 1 {
        tracing::warn!(queue, error = %error, "a message can't be put there; it is kept and tried again");
    }
}

/// Something in a message couldn't be read.
pub(crate) fn unreadable(received: &Received) {
    counter!("chatbot_unreadable_total").increment(1);
    if let Some(complaint) = &received.unreadable {
        tracing::warn!(complaint, routing_key = received.routing_key, "a message can't be read");
    }
}
