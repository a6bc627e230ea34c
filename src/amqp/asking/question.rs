//! What is asked.

use bytes::Bytes;
use lapin::{BasicProperties, types::ShortString};
use tokio::time::Instant;

use crate::{
    amqp::{Names, objects::names::CANCEL_KEY, publishing::publisher::Message, values::short},
    domain::{CANCEL_TYPE, IntentName, Lane},
};

/// The routing key of what is to be classified.
const REQUEST_KEY: &str = "request";
/// Who asks, where the body names no sender.
const APP_ID: &str = "chatbot-door";
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// A message that wants an answer.
#[derive(Debug, Clone)]
pub struct Question {
    pub to: To,
    /// Its type, `chat.request` for a user's text.
    pub kind: String,
    /// The message's id: one that comes again with it is known for the same.
    pub id: String,
    /// JSON.
    pub body: Bytes,
    /// Until when the answer is waited for.
    pub deadline: Instant,
}

/// Where a question goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// To be classified.
    Request,
    /// To an intent.
    Intent(IntentName),
    /// To the queue of a conversation, where the bot has such; else to be classified.
    Conversation(Lane),
}

impl To {
    /// The routing key.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Request => REQUEST_KEY.to_owned(),
            Self::Intent(intent) => Names::intent_key(intent),
            Self::Conversation(lane) => Names::conversation_key(*lane),
        }
    }
}

impl Question {
    /// The message to publish, whose answer is to come to a queue with a correlation id.
    pub(super) fn message(&self, to: &To, names: &Names, queue: &ShortString, correlation: &str) -> Message {
        let left = self.deadline.saturating_duration_since(Instant::now()).as_millis().max(1);
        let properties = properties(&self.kind, &self.id, queue, correlation)
            .with_expiration(short(&left.to_string()))
            .with_content_type(short("application/json"))
            .with_delivery_mode(PERSISTENT);
        Message {
            exchange: short(names.exchange()),
            routing_key: short(&to.key()),
            mandatory: true,
            properties,
            body: self.body.clone(),
        }
    }

    /// Word that nobody wants the answer any more; or that whoever does has `left`, and may ask again.
    pub(super) fn cancel(&self, names: &Names, queue: &ShortString, correlation: &str, left: bool) -> Message {
        let body: &'static [u8] = if left { br#"{"left":true}"# } else { b"" };
        Message {
            exchange: short(names.exchange()),
            routing_key: short(CANCEL_KEY),
            mandatory: false,
            properties: properties(CANCEL_TYPE, &self.id, queue, correlation).with_delivery_mode(TRANSIENT),
            body: Bytes::from_static(body),
        }
    }
}

fn properties(kind: &str, id: &str, queue: &ShortString, correlation: &str) -> BasicProperties {
    BasicProperties::default()
        .with_type(short(kind))
        .with_app_id(short(APP_ID))
        .with_message_id(short(id))
        .with_correlation_id(short(correlation))
        .with_reply_to(queue.clone())
}
