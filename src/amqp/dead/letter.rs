//! A dead letter as it was read.

use std::{fmt, io, time::Duration};

use lapin::{BasicProperties, message::Delivery, types::FieldTable};
use sha2::{Digest, Sha256};

use super::Record;
use crate::{
    amqp::{
        Names, WorkQueue,
        connection::wire::Blemish,
        message::{header, properties::Received, trail},
        objects::names,
    },
    domain::IntentName,
};

/// A letter's name: a hash of its queue, properties and body. It is the same whenever the letter is read, and after it
/// was written down and put back; letters that are the same in everything share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId([u8; 16]);

impl LetterId {
    /// How many hexadecimal digits a whole one has.
    pub const DIGITS: usize = 32;
    /// How many digits tell letters apart in practice: two of 100,000 share them once in 50,000 times.
    pub const SHORT_DIGITS: usize = 12;

    /// The name of what a record says.
    pub(super) fn of(record: &Record) -> Self {
        let mut hash = Sha256::new();
        // Nothing in a record has no form in JSON, and a hash takes all that it is given.
        let _ = serde_json::to_writer(&mut hash as &mut dyn io::Write, record);
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        Self(id)
    }

    /// The first digits, for people.
    pub fn short(self) -> String {
        let mut digits = self.to_string();
        digits.truncate(Self::SHORT_DIGITS);
        digits
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A dead letter as it was read.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its name.
    pub id: LetterId,
    /// The work queue whose dead letter it is: the first that it came to.
    pub queue: WorkQueue,
    /// Why it is here, in a machine's word: the header `chatbot-dead-reason`.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub error: Option<String>,
    /// Since when it is here, in Unix milliseconds.
    pub at: Option<u64>,
    /// The worker that put it here.
    pub worker: Option<String>,
    /// What of it can't be read; such a letter can be neither written down nor published again.
    pub unreadable: Option<String>,
    /// The properties as they were read, but for the broker's own counts.
    pub(super) properties: BasicProperties,
    /// What a worker would make of it.
    pub(super) received: Received,
}

impl Letter {
    /// Reads a delivery from the dead-letter queue of `queue`, at `now` (Unix milliseconds). Among those of the requests
    /// are letters that found no queue of their own: each says whose it is.
    pub(super) fn read(delivery: Delivery, queue: WorkQueue, blemishes: &[Blemish], names: &Names, now: u64) -> Self {
        let properties = without_counts(&delivery.properties);
        let headers = properties.headers().as_ref();
        let said = || header::text(headers?, names::FIRST_QUEUE).and_then(|name| names.work_queue(name));
        let queue = match &queue {
            WorkQueue::Requests | WorkQueue::Conversation(_) => said().unwrap_or(queue),
            _ => queue,
        };
        let received = Received::read(delivery, Some(queue.clone()), blemishes, names, now, None);
        let nothing = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&nothing);
        let text = |name| header::text(headers, name).map(str::to_owned);
        let (reason, error, worker) = (text(names::DEAD_REASON), text(names::DEAD_ERROR), text(names::DEAD_WORKER));
        let at = header::integer(headers, names::DEAD_AT);
        let unreadable = if blemishes.is_empty() { None } else { received.unreadable.clone() };
        let id = LetterId::of(&Record::new(&queue, &properties, &received.body));
        Self { id, queue, reason, error, at, worker, unreadable, properties, received }
    }

    /// The intent that it was meant for, as far as is known.
    pub fn intent(&self) -> Option<&IntentName> {
        self.received.intent().or(self.received.trail.intent.as_ref())
    }

    /// For how long it has been here at `now` (Unix milliseconds).
    pub fn age(&self, now: u64) -> Option<Duration> {
        self.at.map(|at| Duration::from_millis(now.saturating_sub(at)))
    }

    /// What our headers tell of its way.
    pub fn trail(&self) -> &trail::Trail {
        &self.received.trail
    }

    /// The client's name for it.
    pub fn message_id(&self) -> Option<&str> {
        self.received.message_id()
    }

    /// The user's text, or whatever the client sent.
    pub fn body(&self) -> &[u8] {
        &self.received.body
    }

    /// All of it, to be written down.
    pub fn record(&self) -> Record {
        Record::new(&self.queue, &self.properties, &self.received.body)
    }
}

/// The broker counts deliveries in headers of its own; looking at a letter would change it otherwise.
fn without_counts(properties: &BasicProperties) -> BasicProperties {
    let counts = ["x-delivery-count", "x-acquired-count"];
    let Some(headers) = properties.headers().as_ref() else { return properties.clone() };
    if !counts.iter().any(|name| headers.inner().contains_key(*name)) {
        return properties.clone();
    }
    let mut kept = FieldTable::default();
    for (name, value) in headers.inner().iter().filter(|(name, _)| !counts.contains(&name.as_str())) {
        kept.insert(name.clone(), value.clone());
    }
    properties.clone().with_headers(kept)
}
