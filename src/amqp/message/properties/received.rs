//! A delivery as it was read.
//!
//! **Invariant:** what couldn't be read is left out and told, so that nobody acts on it.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use lapin::{BasicProperties, message::Delivery, types::ShortString};

use super::copy::{STRINGS, copied};
use crate::{
    amqp::{
        Names, WorkQueue,
        connection::wire::Blemish,
        message::{
            cancel, header,
            trail::{self, Trail},
        },
        objects::names,
        values::table_size,
    },
    domain::{
        DeadLetter, DeadReason, ErrorCode, IntentName,
        codec::{ContentEncoding, Envelope, is_reply_kind},
    },
};

/// The largest header table that is handed on, in bytes.
pub(super) const MAX_HEADERS: usize = 32 * 1024;

/// A delivery as it was read: all that is needed to answer it or to send it on.
#[derive(Debug, Clone)]
pub struct Received {
    /// The body, as received.
    pub body: Bytes,
    /// The properties, without what couldn't be read.
    pub properties: BasicProperties,
    /// Its way so far.
    pub trail: Trail,
    /// Whether a worker put it where it is.
    pub is_relayed: bool,
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

impl Received {
    /// Reads a delivery. `blemishes` is what the wire's guard had to mend of it.
    pub fn read(
        delivery: Delivery,
        queue: Option<WorkQueue>,
        blemishes: &[Blemish],
        names: &Names,
        now: u64,
        default_ttl: Option<Duration>,
    ) -> Self {
        let mut properties = delivery.properties;
        let is_relayed =
            trail::is_relayed(names, delivery.exchange.as_str(), delivery.routing_key.as_str(), &properties);
        let unreadable = clean(&mut properties, blemishes).or_else(|| trail::complaint(&properties, is_relayed));
        let trail = Trail::read(&properties, is_relayed, names, now, default_ttl);
        let headers = properties.headers().as_ref();
        let delivery_count = headers.and_then(|headers| header::integer(headers, "x-delivery-count")).unwrap_or(0);
        Self {
            body: delivery.data.into(),
            trail,
            is_relayed,
            queue,
            routing_key: delivery.routing_key.as_str().to_owned(),
            delivery_count,
            redelivered: delivery.redelivered,
            unreadable,
            arrived: now,
            properties,
        }
    }

    /// Forgets queues and intents that the worker doesn't have: a message that a client, or an older bot, said was one of
    /// theirs would wait for a queue that nobody declares. What the broker took out of a queue counts as that queue's.
    pub fn keep_known(&mut self, names: &Names, is_known: impl Fn(&IntentName) -> bool) {
        let known = |queue: &WorkQueue| match queue {
            WorkQueue::Intent(intent) => is_known(intent),
            WorkQueue::Requests | WorkQueue::Suspects | WorkQueue::Conversation(_) | WorkQueue::Person => true,
        };
        let died_of = if self.queue.is_none() { self.last_death("queue") } else { None };
        let died_of = died_of.and_then(|name| names.work_queue(name));
        let first = self.trail.first_queue.take().filter(known).or(died_of.filter(known));
        self.trail.first_queue = first;
        self.trail.intent = self.trail.intent.take().filter(|intent| is_known(intent));
    }

    /// What the codec has to know.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope { user_id: self.trail.user_id.as_deref(), ..envelope(&self.properties) }
    }

    /// Whether it is itself an answer of the bot's, by its `type` property.
    pub fn is_reply(&self) -> bool {
        str_of(self.properties.kind()).is_some_and(is_reply_kind)
    }

    /// Whether its client cancels another request by it.
    pub fn is_cancel(&self) -> bool {
        cancel::cancelled(&self.properties, &self.body).is_some()
    }

    /// Whether it was only published to see where it is led, and wants no answer.
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
        ContentEncoding::accepted(&trail::accepted_encoding(headers).ok()??)
    }

    /// Whether the client asks by a header for its answer in parts as it is being written.
    pub fn accepts_parts(&self) -> bool {
        let headers = self.properties.headers().as_ref();
        headers.is_some_and(|headers| header::is_true(headers, names::ACCEPT_STREAM))
    }

    /// The work queue that the message counts as one of: the first, as far as is known.
    pub fn first_queue(&self) -> WorkQueue {
        // Whatever brought it there, its conversation's queue is where it waits for its turn.
        if let Some(lane @ WorkQueue::Conversation(_)) = &self.queue {
            return lane.clone();
        }
        let first = self.trail.first_queue.clone().or_else(|| self.queue.clone());
        first.unwrap_or(WorkQueue::Requests)
    }

    /// What the broker wrote when it last dead-lettered the message.
    pub fn last_death(&self, what: &str) -> Option<&str> {
        trail::last_death(&self.properties, what)
    }

    /// The intent whose queue the message is in, or was in before it became a suspect.
    pub fn intent(&self) -> Option<&IntentName> {
        match &self.queue {
            Some(WorkQueue::Intent(intent)) => Some(intent),
            Some(WorkQueue::Suspects | WorkQueue::Conversation(_)) | None => self.trail.intent.as_ref(),
            Some(WorkQueue::Requests | WorkQueue::Person) => None,
        }
    }

    /// That something of the message couldn't be read.
    pub fn unreadable(&self) -> Option<DeadLetter> {
        let message = self.unreadable.clone()?;
        Some(DeadLetter { reason: DeadReason::Error(ErrorCode::InvalidMessage), message })
    }
}

/// What properties tell the codec of a body.
pub(crate) fn envelope(properties: &BasicProperties) -> Envelope<'_> {
    let headers = properties.headers().as_ref();
    Envelope {
        content_type: str_of(properties.content_type()),
        content_encoding: str_of(properties.content_encoding()),
        compression: headers.and_then(|headers| header::text(headers, names::COMPRESSION)),
        message_id: str_of(properties.message_id()),
        kind: str_of(properties.kind()),
        user_id: str_of(properties.user_id()),
        app_id: str_of(properties.app_id()),
    }
}

/// Takes away what couldn't be read, and says what it was. Of most messages that is nothing, and nothing is copied.
pub(super) fn clean(properties: &mut BasicProperties, blemishes: &[Blemish]) -> Option<String> {
    let headers_size = properties.headers().as_ref().map_or(0, table_size);
    if blemishes.is_empty() && headers_size <= MAX_HEADERS {
        return None;
    }
    let mut complaints: Vec<Cow<'static, str>> = Vec::new();
    let mut without_headers = false;
    let kept = std::mem::take(properties);
    let bad = |name| blemishes.contains(&Blemish::NotUtf8(name));
    let mut to = copied(&kept, |name| !bad(name));
    for name in STRINGS.into_iter().filter(|name| bad(name)) {
        complaints.push(format!("the {name} isn't UTF-8").into());
    }
    if bad("routing key") {
        complaints.push("the routing key isn't UTF-8".into());
    }
    if blemishes.contains(&Blemish::HeaderName) {
        without_headers = true;
        complaints.push("the name of a header isn't UTF-8".into());
    }
    if blemishes.contains(&Blemish::TooLarge) {
        without_headers = true;
        complaints.push("the headers are too large".into());
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
    *properties = to;
    (!complaints.is_empty()).then(|| complaints.join("; "))
}

fn str_of(value: &Option<ShortString>) -> Option<&str> {
    value.as_ref().map(ShortString::as_str)
}
