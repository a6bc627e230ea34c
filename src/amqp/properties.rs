//! Delivery ↔ domain: what a delivery says, and the only place where properties of a republished message are made.
//!
//! **Invariant:** a republished message is built from a list of what may pass, never copied; short strings are made
//! here, so that none is longer than AMQP allows.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    Names, WorkQueue, names,
    topology::millis,
    trail::{self, Trail},
    wire::Blemish,
};
use crate::domain::{
    Classification, DeadLetter, DeadReason, ERROR_TYPE, ErrorCode, IntentName, MAX_SHORT, REPLY_TYPE,
    codec::{ContentEncoding, Envelope},
};

/// The largest header table that is handed on, in bytes.
const MAX_HEADERS: usize = 32 * 1024;
/// The longest `chatbot-dead-error`, in bytes.
const MAX_DEAD_ERROR: usize = 1024;
/// AMQP's persistent delivery mode.
const PERSISTENT: u8 = 2;

/// A delivery as it was read: all that is needed to answer it or to send it on.
#[derive(Debug, Clone)]
pub struct Received {
    /// The body, as received.
    pub body: Bytes,
    /// The properties, without what couldn't be read.
    pub properties: BasicProperties,
    /// Its way so far.
    pub trail: Trail,
    /// The queue that it was consumed from; none for [`Names::died`].
    pub queue: Option<WorkQueue>,
    /// The routing key that it arrived with.
    pub routing_key: String,
    /// How often it was delivered before, as the quorum queue counts.
    pub delivery_count: u64,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// What of it couldn't be read, in a sentence; such a message is dead-lettered.
    pub unreadable: Option<String>,
    /// When it arrived, in Unix milliseconds.
    pub arrived: u64,
}

/// For what a message is published again.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// To its intent's queue.
    Forward {
        /// The intent.
        intent: &'a IntentName,
        /// How it was classified.
        classification: Option<&'a Classification>,
    },
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
    /// Reads a delivery. `blemishes` is what the wire's guard had to mend of it.
    pub(crate) fn read(
        delivery: Delivery,
        queue: Option<WorkQueue>,
        blemishes: &[Blemish],
        names: &Names,
        now: u64,
        default_ttl: Option<Duration>,
    ) -> Self {
        let mut properties = delivery.properties;
        let unreadable = clean(&mut properties, blemishes);
        let trail = Trail::read(&properties, names, now, default_ttl);
        let headers = properties.headers().as_ref();
        let delivery_count = headers.and_then(|headers| trail::integer(headers, "x-delivery-count")).unwrap_or(0);
        Self {
            body: delivery.data.into(),
            trail,
            queue,
            routing_key: delivery.routing_key.as_str().to_owned(),
            delivery_count,
            redelivered: delivery.redelivered,
            unreadable,
            arrived: now,
            properties,
        }
    }

    /// What the codec has to know.
    pub fn envelope(&self) -> Envelope<'_> {
        let properties = &self.properties;
        Envelope {
            content_type: str_of(properties.content_type()),
            content_encoding: str_of(properties.content_encoding()),
            message_id: str_of(properties.message_id()),
            kind: str_of(properties.kind()),
            user_id: self.trail.user_id.as_deref(),
            app_id: str_of(properties.app_id()),
        }
    }

    /// Whether it is itself a reply or an error reply, by its `type` property.
    pub fn is_reply(&self) -> bool {
        matches!(str_of(self.properties.kind()), Some(REPLY_TYPE | ERROR_TYPE))
    }

    /// Whether it only asks whether unroutable messages reach a worker, and wants no answer.
    pub fn is_probe(&self) -> bool {
        str_of(self.properties.kind()) == Some(names::PROBE_TYPE) && self.properties.reply_to().is_none()
    }

    /// The client's name for the message, where a property holds it.
    pub fn message_id(&self) -> Option<&str> {
        str_of(self.properties.message_id())
    }

    /// How the client asks its reply to be compressed.
    pub fn accepted_encoding(&self) -> Option<ContentEncoding> {
        let headers = self.properties.headers().as_ref()?;
        ContentEncoding::accepted(trail::text(headers, names::ACCEPT_ENCODING)?)
    }

    /// The work queue that the message counts as one of: the first, as far as is known.
    pub fn first_queue(&self) -> WorkQueue {
        let first = self.trail.first_queue.clone().or_else(|| self.queue.clone());
        first.unwrap_or(WorkQueue::Requests)
    }

    /// The header that the broker wrote when it first dead-lettered the message.
    pub fn first_death(&self, what: &str) -> Option<&str> {
        let headers = self.properties.headers().as_ref()?;
        trail::text(headers, &format!("x-first-death-{what}"))
    }

    /// The properties with which the message is published again at `now` (Unix milliseconds).
    pub fn republished(&self, names: &Names, purpose: Purpose<'_>, now: u64) -> BasicProperties {
        let from = &self.properties;
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
        // Only a forward may expire: on a retry it would cut the delay short, and a dead letter is to stay.
        if let (Purpose::Forward { .. }, Some(left)) = (purpose, self.trail.time_left(now)) {
            to = to.with_expiration(short(&left.as_millis().max(1).to_string()));
        }
        to
    }

    fn republished_headers(&self, names: &Names, purpose: Purpose<'_>) -> FieldTable {
        let mut headers = FieldTable::default();
        for (name, value) in self.properties.headers().iter().flat_map(|table| table.inner()) {
            if may_pass(name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
        let mut set = |name: &str, value: AMQPValue| {
            headers.insert(short(name), value);
        };
        let trail = &self.trail;
        if let Some(queue) = trail.first_queue.as_ref().or(self.queue.as_ref()) {
            set(names::FIRST_QUEUE, text(&names.queue(queue)));
        }
        set(names::FIRST_ROUTING_KEY, text(trail.first_routing_key.as_deref().unwrap_or(&self.routing_key)));
        set(names::FIRST_SEEN, number(trail.first_seen.unwrap_or(self.arrived)));
        if let Some(user) = &trail.user_id {
            set(names::USER_ID, text(user));
        }
        if let Some(deadline) = trail.deadline {
            set(names::DEADLINE, number(deadline));
        }
        let attempt =
            if matches!(purpose, Purpose::Retry { .. }) { trail.attempt.saturating_add(1) } else { trail.attempt };
        set(names::ATTEMPT, number(attempt.into()));
        // Where a message leaves the queue of its intent, the header says what that queue said.
        let (intent, classification) = match purpose {
            Purpose::Forward { intent, classification } => (Some(intent), classification),
            _ => (self.intent(), trail.classification.as_ref()),
        };
        if let Some(intent) = intent {
            set(names::INTENT, text(intent.as_str()));
        }
        if let Some(json) = classification.and_then(|found| serde_json::to_string(found).ok()) {
            set(names::CLASSIFICATION, text(&json));
        }
        match purpose {
            Purpose::Forward { .. } => {}
            Purpose::Suspect { starts } => set(names::STARTS, number(starts.into())),
            Purpose::Retry { delay } => {
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

    /// The intent whose queue the message is in, or was in before it became a suspect.
    pub fn intent(&self) -> Option<&IntentName> {
        match &self.queue {
            Some(WorkQueue::Intent(intent)) => Some(intent),
            Some(WorkQueue::Suspects) | None => self.trail.intent.as_ref(),
            Some(WorkQueue::Requests) => None,
        }
    }

    /// The properties of a reply or an error reply to this message.
    pub fn reply_properties(
        &self,
        kind: &str,
        id: &str,
        request_id: Option<&str>,
        encoding: Option<ContentEncoding>,
    ) -> BasicProperties {
        let mut properties = BasicProperties::default()
            .with_content_type(short("application/json"))
            .with_delivery_mode(PERSISTENT)
            .with_type(short(kind))
            .with_message_id(short(id))
            .with_app_id(short("chatbot-worker"));
        let correlation_id = self.properties.correlation_id().clone().or_else(|| request_id.map(short));
        if let Some(correlation_id) = correlation_id {
            properties = properties.with_correlation_id(correlation_id);
        }
        if let Some(encoding) = encoding {
            properties = properties.with_content_encoding(short(encoding.as_str()));
        }
        for (name, value) in self.properties.headers().iter().flat_map(|table| table.inner()) {
            if matches!(name.as_str(), "traceparent" | "tracestate") {
                let mut headers = properties.headers().clone().unwrap_or_default();
                headers.insert(name.clone(), value.clone());
                properties = properties.with_headers(headers);
            }
        }
        properties
    }

    /// That something of the message couldn't be read.
    pub fn unreadable(&self) -> Option<DeadLetter> {
        let message = self.unreadable.clone()?;
        Some(DeadLetter { reason: DeadReason::Error(ErrorCode::InvalidMessage), message })
    }
}

/// Takes away what couldn't be read, and says what it was. Of most messages that is nothing, and nothing is copied.
fn clean(properties: &mut BasicProperties, blemishes: &[Blemish]) -> Option<String> {
    let headers_size = properties.headers().as_ref().map_or(0, table_size);
    if blemishes.is_empty() && headers_size <= MAX_HEADERS {
        return None;
    }
    let mut complaints: Vec<Cow<'static, str>> = Vec::new();
    let mut without_headers = false;
    let kept = std::mem::take(properties);
    let bad = |name| blemishes.contains(&Blemish::NotUtf8(name));
    let mut to = BasicProperties::default();
    for (value, name, with) in [
        (
            kept.content_type(),
            "content type",
            BasicProperties::with_content_type as fn(BasicProperties, ShortString) -> _,
        ),
        (kept.content_encoding(), "content encoding", BasicProperties::with_content_encoding),
        (kept.correlation_id(), "correlation id", BasicProperties::with_correlation_id),
        (kept.reply_to(), "reply_to", BasicProperties::with_reply_to),
        (kept.expiration(), "expiration", BasicProperties::with_expiration),
        (kept.message_id(), "message id", BasicProperties::with_message_id),
        (kept.kind(), "type", BasicProperties::with_type),
        (kept.user_id(), "user id", BasicProperties::with_user_id),
        (kept.app_id(), "app id", BasicProperties::with_app_id),
    ] {
        if bad(name) {
            complaints.push(format!("the {name} isn't UTF-8").into());
        } else if let Some(value) = value {
            to = with(to, value.clone());
        }
    }
    if bad("routing key") {
        complaints.push("the routing key isn't UTF-8".into());
    }
    if blemishes.contains(&Blemish::HeaderName) {
        without_headers = true;
        complaints.push("the name of a header isn't UTF-8".into());
    }
    if blemishes.contains(&Blemish::TooDeep) {
        without_headers = true;
        complaints.push("the headers are nested too deep".into());
    }
    if headers_size > MAX_HEADERS {
        without_headers = true;
        complaints.push(format!("the headers have {headers_size} bytes, more than the {MAX_HEADERS} allowed").into());
    }
    if let (false, Some(headers)) = (without_headers, kept.headers()) {
        to = to.with_headers(headers.clone());
    }
    if let Some(mode) = kept.delivery_mode() {
        to = to.with_delivery_mode(*mode);
    }
    if let Some(priority) = kept.priority() {
        to = to.with_priority(*priority);
    }
    if let Some(timestamp) = kept.timestamp() {
        to = to.with_timestamp(*timestamp);
    }
    *properties = to;
    (!complaints.is_empty()).then(|| complaints.join("; "))
}

/// A value's size on the wire, in bytes. Its depth is bounded by the wire's guard.
fn size_of(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::Boolean(_) | AMQPValue::ShortShortInt(_) | AMQPValue::ShortShortUInt(_) => 1,
        AMQPValue::ShortInt(_) | AMQPValue::ShortUInt(_) => 2,
        AMQPValue::LongInt(_) | AMQPValue::LongUInt(_) | AMQPValue::Float(_) => 4,
        AMQPValue::DecimalValue(_) => 5,
        AMQPValue::LongLongInt(_) | AMQPValue::Double(_) | AMQPValue::Timestamp(_) => 8,
        AMQPValue::ShortString(text) => 1 + text.as_str().len(),
        AMQPValue::LongString(text) => 4 + text.len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.len(),
        AMQPValue::FieldArray(items) => 4 + items.as_slice().iter().map(|item| 1 + size_of(item)).sum::<usize>(),
        AMQPValue::FieldTable(table) => 4 + table_size(table),
        AMQPValue::Void => 0,
    }
}

/// A table's size on the wire, in bytes, without its length.
fn table_size(table: &FieldTable) -> usize {
    table.inner().iter().map(|(name, value)| 2 + name.as_str().len() + size_of(value)).sum()
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

fn str_of(value: &Option<ShortString>) -> Option<&str> {
    value.as_ref().map(ShortString::as_str)
}

/// A short string; what is longer than AMQP allows is cut at a character's end.
pub(crate) fn short(value: &str) -> ShortString {
    ShortString::try_new(truncated(value, MAX_SHORT)).unwrap_or_default()
}

fn truncated(value: &str, bytes: usize) -> &str {
    &value[..value.floor_char_boundary(bytes)]
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn number(value: u64) -> AMQPValue {
    AMQPValue::LongLongInt(i64::try_from(value).unwrap_or(i64::MAX))
}
