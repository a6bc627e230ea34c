//! The message codec: bytes ↔ messages, as the public contract writes them.
//!
//! **Invariant:** decode(encode(m)) = m. No bytes, however made, panic, overflow the stack, or take much more memory than
//! the limit given; and no error quotes the content of a message.

mod amqp10;
mod attachments;
mod charset;
mod command;
mod compression;
mod feedback;
mod media_type;
mod object;
mod payload;
mod reply;
mod request;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Serialize;

use super::{ErrorCode, MessageError};

/// The room that a message's JSON usually takes, in bytes: one that grows step by step is copied at each.
const USUAL_JSON: usize = 2048;

pub use attachments::read_attachments;
pub use command::{encode_done, encode_spoken};
pub use compression::ContentEncoding;
pub use reply::{
    Answered, UnreadableReply, decode_part, decode_reply, encode_error, encode_part, encode_reply, is_reply_kind,
};
pub use request::{decode_request, encode_handed, encode_request};
#[cfg(test)]
pub(crate) use schema::Schemas;

/// What a delivery's AMQP properties tell about its body. An empty property counts as unset: several clients can't tell
/// the two apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The media type of the body, perhaps with its charset.
    pub content_type: Option<&'a str>,
    /// How the body is compressed, or (as some clients use it) its charset.
    pub content_encoding: Option<&'a str>,
    /// The header `compression`: how kombu says that it has compressed the body.
    pub compression: Option<&'a str>,
    /// The client's name for the message; wins over the body's `id`.
    pub message_id: Option<&'a str>,
    /// The property `type`; wins over the body's.
    pub kind: Option<&'a str>,
    /// Who is logged in; the sender where the body names none.
    pub user_id: Option<&'a str>,
    /// The client program; the sender where nothing else names one.
    pub app_id: Option<&'a str>,
}

/// Whether a body is to be decompressed, and so may take as much memory as the largest that is accepted.
pub fn is_compressed(envelope: &Envelope<'_>) -> bool {
    payload::is_compressed(envelope)
}

/// The text of a body, decompressed and decoded, whatever it says.
///
/// # Errors
/// As [`decode_request`] has them of bodies.
pub fn decode_text<'a>(envelope: &Envelope<'_>, body: &'a [u8], max_body: usize) -> Result<Cow<'a, str>, MessageError> {
    payload::Payload::read(envelope, body, max_body).map(|payload| payload.text)
}

/// A property's value; `None` if it is empty.
fn set(property: Option<&str>) -> Option<&str> {
    property.filter(|value| !value.is_empty())
}

fn invalid(message: impl Into<String>) -> MessageError {
    MessageError::new(ErrorCode::InvalidMessage, message)
}

fn unsupported(message: impl Into<String>) -> MessageError {
    MessageError::new(ErrorCode::UnsupportedMediaType, message)
}

fn too_large(message: impl Into<String>) -> MessageError {
    MessageError::new(ErrorCode::PayloadTooLarge, message)
}

/// Writes a message as JSON.
///
/// `serde_json` fails where the writer does, or a map's key isn't a string; memory doesn't, and no message has such a
/// map. Should that ever change, a test notices the empty body: the worker mustn't panic for it.
fn to_json(message: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(USUAL_JSON);
    if serde_json::to_writer(&mut json, message).is_err() {
        json.clear();
    }
    json
}
