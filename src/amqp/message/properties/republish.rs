//! The properties of a message that is published again.

use std::{collections::BTreeMap, time::Duration};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{PERSISTENT, Received, copy::copied};
use crate::{
    amqp::{
        Names,
        objects::{names, topology::millis},
        values::{number, short, text, truncated},
    },
    domain::{Classification, DeadLetter, Handed, IntentName, REQUEST_TYPE},
};

/// The longest `chatbot-dead-error`, in bytes.
pub(super) const MAX_DEAD_ERROR: usize = 1024;

/// The longest `chatbot-slots`, in bytes.
pub(super) const MAX_SLOTS: usize = 8 * 1024;

/// For what a message is published again.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// To its intent's queue.
    Forward {
        /// The intent.
        intent: &'a IntentName,
        /// How it was classified.
        classification: Option<&'a Classification>,
        /// What is known by name in its conversation.
        slots: &'a BTreeMap<String, String>,
    },
    /// To a person.
    Person(&'a Handed),
    /// To the queue of its conversation: as it came, or as nobody took it where people would.
    Relay,
    /// To the suspects, about to be started for the `starts`-th time there.
    Suspect {
        /// The number of this start, from 1.
        starts: u32,
    },
    /// To a retry queue.
    Retry {
        /// The queue's delay.
        delay: Duration,
    },
    /// From a dead-letter queue to where its client published it, as if it came for the first time.
    Replay {
        /// Its deadline, in Unix milliseconds. The letter's own is of no account: it has passed, or soon will.
        deadline: Option<u64>,
    },
    /// To a dead-letter queue.
    Dead {
        /// Why.
        letter: &'a DeadLetter,
        /// Which worker.
        worker: &'a str,
        /// When, in Unix milliseconds.
        at: u64,
    },
}

impl Received {
    /// The properties with which the message is published again at `now` (Unix milliseconds).
    pub fn republished(&self, names: &Names, purpose: Purpose<'_>, now: u64) -> BasicProperties {
        let anew;
        let from = match purpose {
            Purpose::Person(_) => {
                anew = self.written_anew();
                &anew
            }
            _ => &self.properties,
        };
        let mut to = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_headers(self.republished_headers(names, purpose));
        for (value, with) in [
            (from.content_type(), BasicProperties::with_content_type as fn(BasicProperties, ShortString) -> _),
            (from.content_encoding(), BasicProperties::with_content_encoding),
            (from.reply_to(), BasicProperties::with_reply_to),
            (from.correlation_id(), BasicProperties::with_correlation_id),
            (from.message_id(), BasicProperties::with_message_id),
            (from.kind(), BasicProperties::with_type),
            (from.app_id(), BasicProperties::with_app_id),
        ] {
            if let Some(value) = value {
                to = with(to, value.clone());
            }
        }
        if let Some(priority) = from.priority() {
            to = to.with_priority(*priority);
        }
        if let Some(timestamp) = from.timestamp() {
            to = to.with_timestamp(*timestamp);
        }
        // Only what waits for its work may expire: on a retry it would cut the delay short, and a dead letter is to stay.
        let left = self.trail.time_left(now);
        let expires = match purpose {
            Purpose::Forward { .. } | Purpose::Relay => left,
            // A fifth of its time is the bot's, to answer where nobody has taken it.
            Purpose::Person(handed) => Some(left.map_or(handed.wait, |left| handed.wait.min(left * 4 / 5))),
            _ => None,
        };
        if let Some(expires) = expires {
            to = to.with_expiration(short(&expires.as_millis().max(1).to_string()));
        }
        to
    }

    /// The properties of a body that a worker writes anew, as JSON.
    fn written_anew(&self) -> BasicProperties {
        let from = copied(&self.properties, |name| name != "content encoding");
        from.with_content_type(short("application/json")).with_type(short(REQUEST_TYPE))
    }

    fn republished_headers(&self, names: &Names, purpose: Purpose<'_>) -> FieldTable {
        let mut headers = FieldTable::default();
        // What kombu says of a body that is written anew doesn't hold any more.
        let is_anew = matches!(purpose, Purpose::Person(_));
        for (name, value) in self.properties.headers().iter().flat_map(|table| table.inner()) {
            if may_pass(name.as_str()) && !(is_anew && name.as_str() == names::COMPRESSION) {
                headers.insert(name.clone(), value.clone());
            }
        }
        let mut set = |name: &str, value: AMQPValue| {
            headers.insert(short(name), value);
        };
        let trail = &self.trail;
        set(names::FIRST_SEEN, number(trail.first_seen.unwrap_or(self.arrived)));
        if let Some(user) = &trail.user_id {
            set(names::USER_ID, text(user));
        }
        let pass = if let Purpose::Person(handed) = purpose { Some(&handed.pass) } else { trail.pass.as_ref() };
        if let Some(pass) = pass {
            set(names::CONVERSATION, text(&pass.to_string()));
        }
        if let Purpose::Replay { deadline } = purpose {
            set(names::FIRST_ROUTING_KEY, text(trail.first_routing_key.as_deref().unwrap_or(&self.routing_key)));
            // A replay that is killed comes twice; and what was answered needn't be worked on again.
            set(names::REDELIVERED, number(1));
            if let Some(deadline) = deadline {
                set(names::DEADLINE, number(deadline));
            }
            return headers;
        }
        let first = match purpose {
            // Where it is a dead letter is where it is looked for.
            Purpose::Dead { .. } => Some(self.first_queue()),
            _ => trail.first_queue.clone().or_else(|| self.queue.clone()),
        };
        if let Some(queue) = first {
            set(names::FIRST_QUEUE, text(&names.queue(&queue)));
        }
        set(names::FIRST_ROUTING_KEY, text(trail.first_routing_key.as_deref().unwrap_or(&self.routing_key)));
        if let Some(deadline) = trail.deadline {
            set(names::DEADLINE, number(deadline));
        }
        let attempt =
            if matches!(purpose, Purpose::Retry { .. }) { trail.attempt.saturating_add(1) } else { trail.attempt };
        set(names::ATTEMPT, number(attempt.into()));
        // Where a message leaves the queue of its intent, the header says what that queue said.
        let (intent, classification) = match purpose {
            Purpose::Forward { intent, classification, .. } => (Some(intent), classification),
            Purpose::Person(handed) => (Some(&handed.intent), handed.classification.as_deref()),
            _ => (self.intent(), trail.classification.as_ref()),
        };
        if let Some(intent) = intent {
            set(names::INTENT, text(intent.as_str()));
        }
        if let Some(json) = classification.and_then(|found| serde_json::to_string(found).ok()) {
            set(names::CLASSIFICATION, text(&json));
        }
        if let Purpose::Forward { slots, .. } = purpose
            && let Some(slots) = told(slots)
        {
            set(names::SLOTS, text(&slots));
        }
        match purpose {
            Purpose::Forward { .. } | Purpose::Person(_) if self.is_repeated() => set(names::REDELIVERED, number(1)),
            Purpose::Relay => {
                if self.is_repeated() {
                    set(names::REDELIVERED, number(1));
                }
                if self.queue.is_none() || trail.is_returned {
                    set(names::RETURNED, number(1));
                }
            }
            Purpose::Forward { .. } | Purpose::Person(_) | Purpose::Replay { .. } => {}
            Purpose::Suspect { starts } => set(names::STARTS, number(starts.into())),
            Purpose::Retry { delay } => {
                if trail.is_returned {
                    set(names::RETURNED, number(1));
                }
                set(names::RETRY_DELAY, AMQPValue::LongLongInt(millis(delay)));
                if trail.starts > 0 {
                    set(names::STARTS, number(trail.starts.into()));
                }
            }
            Purpose::Dead { letter, worker, at } => {
                set(names::DEAD_REASON, text(letter.reason.as_str()));
                set(names::DEAD_ERROR, text(truncated(&letter.message, MAX_DEAD_ERROR)));
                set(names::DEAD_AT, number(at));
                set(names::DEAD_WORKER, text(worker));
            }
        }
        headers
    }
}

/// Slots as the header tells them; none where there are none, or they are too long for one.
fn told(slots: &BTreeMap<String, String>) -> Option<String> {
    let json = Some(slots).filter(|slots| !slots.is_empty()).and_then(|slots| serde_json::to_string(slots).ok());
    json.filter(|json| json.len() <= MAX_SLOTS)
}

/// Whether a client's header is handed on. `CC` and `BCC` deliver into further queues, also when a message comes back
/// from a dead-letter exchange (<https://www.rabbitmq.com/docs/sender-selected>); a kept `x-death` makes RabbitMQ 3.10
/// drop a later retry in silence; ours are set anew.
fn may_pass(name: &str) -> bool {
    let broker = matches!(name, "CC" | "BCC" | "x-death" | "x-delivery-count" | "x-acquired-count")
        || name.starts_with("x-first-death-")
        || name.starts_with("x-last-death-");
    !broker && !name.starts_with(names::OUR_HEADERS)
}
