//! What operators are told of deliveries.
//!
//! **Invariant:** never a message's text, a body, or a password.

use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};

use crate::{amqp::message::properties::Received, domain::Request};

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

/// A delivery couldn't be settled, and goes back to its queue.
pub(crate) fn handed_back(after: Duration) {
    counter!("chatbot_handed_back_total").increment(1);
    tracing::error!(?after, "a delivery couldn't be settled in that time; it goes back to its queue, and comes again");
}

/// Fields of a request have another form than here, and were passed over.
pub(crate) fn ignored(request: &Request) {
    for field in &request.ignored {
        counter!("chatbot_ignored_fields_total", "field" => *field).increment(1);
    }
}

/// Something in a message couldn't be read.
pub(crate) fn unreadable(received: &Received) {
    counter!("chatbot_unreadable_total").increment(1);
    if let Some(complaint) = &received.unreadable {
        tracing::warn!(complaint, routing_key = received.routing_key, "a message can't be read");
    }
}
