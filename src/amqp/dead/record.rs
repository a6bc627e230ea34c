//! A dead letter written down whole: one JSON object a line.
//!
//! **Invariant:** a letter that is written down and put back is the same, down to the types of its headers. Whoever
//! changes the form changes the names of all letters, which are made from it.

use lapin::{BasicProperties, types::ShortString};
use serde::{Deserialize, Serialize};

use super::{
    LetterId,
    value::{self, Headers},
};
use crate::{
    amqp::{
        Names, WorkQueue,
        objects::names,
        publishing::publisher::Message,
        values::{short, text},
    },
    utf8::{self, NotText},
};

/// A dead letter, written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name, which proves that the rest is as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The work queue whose dead letter it is, such as `requests` or `intent.refund`.
    pub queue: String,
    properties: Properties,
    /// The body, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body, where it isn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Headers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_mode: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
}

/// Why a record can't be put back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// It isn't a record, or not a whole one.
    #[error("it isn't a dead letter as `dead export` writes it ({0})")]
    Json(String),
    /// It has no body, or two.
    #[error("it needs `body` or `body_base64`, and not both")]
    Body,
    /// A short string is longer than AMQP allows.
    #[error("{0} is longer than the 255 bytes that AMQP allows")]
    TooLong(&'static str),
    /// Not base64.
    #[error("what should be base64 isn't: {0}")]
    Base64(String),
    /// Not the bits of a number.
    #[error("'{0}' aren't the hexadecimal digits of a floating-point number")]
    Bits(String),
    /// No work queue is named so.
    #[error("'{0}' is no work queue's name: requests, suspects or intent.<name>")]
    Queue(String),
    /// The letter isn't the one that was written down.
    #[error("it was changed: it is no longer the letter '{0}'. If that is meant, take its `id` out")]
    Changed(String),
    /// It holds something with which the broker would do other things than keep it in its queue.
    #[error("its {0} would make the broker do more than keep it; take that out")]
    Dangerous(&'static str),
}

impl Record {
    /// What a letter's queue, properties and body make.
    pub(super) fn new(queue: &WorkQueue, properties: &BasicProperties, body: &[u8]) -> Self {
        let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
        let properties = Properties {
            content_type: text(properties.content_type()),
            content_encoding: text(properties.content_encoding()),
            headers: properties.headers().as_ref().map(value::from_table),
            delivery_mode: *properties.delivery_mode(),
            priority: *properties.priority(),
            correlation_id: text(properties.correlation_id()),
            reply_to: text(properties.reply_to()),
            expiration: text(properties.expiration()),
            message_id: text(properties.message_id()),
            timestamp: *properties.timestamp(),
            kind: text(properties.kind()),
            user_id: text(properties.user_id()),
            app_id: text(properties.app_id()),
            cluster_id: text(properties.cluster_id()),
        };
        let (body, body_base64) = match std::str::from_utf8(body) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(value::encode(body))),
        };
        Self { id: None, queue: queue.to_string(), properties, body, body_base64 }
    }

    /// The properties that are there, and the headers, by name: as they are written down, but for plain texts.
    pub fn properties(&self) -> Vec<(String, String)> {
        let Ok(serde_json::Value::Object(mut all)) = serde_json::to_value(&self.properties) else { return Vec::new() };
        let headers = all.remove("headers");
        let shown = |(name, value): (String, serde_json::Value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        };
        let headers = headers.and_then(|headers| headers.as_object().cloned()).unwrap_or_default();
        let headers = headers.into_iter().map(|(name, value)| (format!("header {name}"), value));
        all.into_iter().chain(headers).map(shown).collect()
    }

    /// Reads a line.
    ///
    /// # Errors
    /// [`InvalidRecord::Json`].
    pub fn parse(line: &[u8]) -> Result<Self, InvalidRecord> {
        match utf8::not_text(line) {
            NotText::Utf16 => Err(InvalidRecord::Json(format!("the file {}", NotText::Utf16))),
            NotText::Other => serde_json::from_slice(utf8::bytes_without_mark(line))
                .map_err(|error| InvalidRecord::Json(error.to_string())),
        }
    }

    /// The letter as it is published into the queue of dead letters that it belongs to, and as it is published into that
    /// of the requests where that queue isn't there.
    ///
    /// # Errors
    /// [`InvalidRecord`].
    pub fn into_messages(self, names: &Names) -> Result<[Message; 2], InvalidRecord> {
        let of = names.queue(&WorkQueue::parse(&self.queue).ok_or_else(|| InvalidRecord::Queue(self.queue.clone()))?);
        let own = self.into_message(names)?;
        let mut headers = own.properties.headers().clone().unwrap_or_default();
        headers.insert(short(names::FIRST_QUEUE), text(&of));
        let routing_key = short(&Names::dead(&names.queue(&WorkQueue::Requests)));
        let other = Message { routing_key, properties: own.properties.clone().with_headers(headers), ..own.clone() };
        Ok([own, other])
    }

    /// The letter as it is published into the queue of dead letters that it belongs to.
    ///
    /// # Errors
    /// [`InvalidRecord`].
    pub fn into_message(mut self, names: &Names) -> Result<Message, InvalidRecord> {
        let id = self.id.take();
        if let Some(id) = id.filter(|id| *id != LetterId::of(&self).to_string()) {
            return Err(InvalidRecord::Changed(id));
        }
        let queue = WorkQueue::parse(&self.queue).ok_or(InvalidRecord::Queue(self.queue))?;
        let body = match (self.body, self.body_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => value::decode(&text)?,
            _ => return Err(InvalidRecord::Body),
        };
        Ok(Message {
            exchange: short(""),
            routing_key: short(&Names::dead(&names.queue(&queue))),
            mandatory: true,
            properties: self.properties.into_amqp()?,
            body: body.into(),
        })
    }
}

impl Properties {
    /// As they were: the one place where properties are taken over whole, but for those that would make the broker do
    /// more than keep the letter. No worker's dead letter has any of these.
    fn into_amqp(self) -> Result<BasicProperties, InvalidRecord> {
        let carbon = |headers: &Headers| headers.contains_key("CC") || headers.contains_key("BCC");
        for (found, what) in [
            (self.expiration.is_some(), "expiration"),
            (self.user_id.is_some(), "user_id"),
            (self.headers.as_ref().is_some_and(carbon), "header CC or BCC"),
        ] {
            if found {
                return Err(InvalidRecord::Dangerous(what));
            }
        }
        let mut to = BasicProperties::default();
        for (value, name, with) in [
            (
                self.content_type,
                "the content type",
                BasicProperties::with_content_type as fn(BasicProperties, ShortString) -> _,
            ),
            (self.content_encoding, "the content encoding", BasicProperties::with_content_encoding),
            (self.correlation_id, "the correlation id", BasicProperties::with_correlation_id),
            (self.reply_to, "reply_to", BasicProperties::with_reply_to),
            (self.message_id, "the message id", BasicProperties::with_message_id),
            (self.kind, "the type", BasicProperties::with_type),
            (self.app_id, "the app id", BasicProperties::with_app_id),
            (self.cluster_id, "the cluster id", BasicProperties::with_cluster_id),
        ] {
            if let Some(value) = value {
                to = with(to, value::short(name, value)?);
            }
        }
        if let Some(headers) = self.headers {
            to = to.with_headers(value::to_table(headers)?);
        }
        if let Some(mode) = self.delivery_mode {
            to = to.with_delivery_mode(mode);
        }
        if let Some(priority) = self.priority {
            to = to.with_priority(priority);
        }
        if let Some(timestamp) = self.timestamp {
            to = to.with_timestamp(timestamp);
        }
        Ok(to)
    }
}
