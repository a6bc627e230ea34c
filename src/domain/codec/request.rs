//! Requests: from bytes, and to bytes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Envelope, amqp10, attachments, feedback, invalid, is_reply_kind,
    media_type::Format,
    object::{self, Object},
    payload::Payload,
    set, to_json,
};
use crate::domain::{Attachment, CANCEL_TYPE, Command, DeadLetter, DeadReason, MAX_SHORT, MessageError, Request, Turn};

/// Reads a request of at most `max_body` bytes, as received and as decompressed.
///
/// # Errors
/// The dead letter to make of it: `not_a_request` where its type is that of a reply, whatever else is wrong with it, as
/// such a message must never be answered; else `unsupported_media_type`, `payload_too_large` or `invalid_message`. The
/// sentence names fields, lengths and media types, never what the message says.
pub fn decode_request(envelope: &Envelope<'_>, body: &[u8], max_body: usize) -> Result<Request, DeadLetter> {
    refuse_reply(set(envelope.kind))?;
    let Payload { format, text } = Payload::read(envelope, body, max_body)?;
    // The broker's word for how the body is written, and not the client's for what it is.
    let envelope = &Envelope { kind: envelope.kind.filter(|kind| !amqp10::is_named(Some(kind))), ..*envelope };
    let object = match format {
        Format::Json => Some(Object::parse(&text)?),
        Format::Text => Object::parse(&text).ok().filter(Object::has_text),
        Format::Unnamed => Object::parse(&text).ok(),
    };
    let mut request = object.as_ref().map_or_else(|| Ok(Request::default()), |object| from_object(object, envelope))?;
    if let Some(kind) = set(envelope.kind) {
        request.kind = Some(kind.to_owned());
    }
    if request.command() == Some(Command::Feedback) {
        request.feedback = Some(Box::new(feedback::read(&text)?));
    } else if object.is_none() {
        request.text = text.into_owned();
    }
    if let Some(id) = set(envelope.message_id) {
        request.id = Some(id.to_owned());
    }
    if request.sender.is_none() {
        request.sender = set(envelope.user_id).or(set(envelope.app_id)).map(str::to_owned);
    }
    check(&request)?;
    Ok(request)
}

pub fn encode_request(request: &Request) -> Vec<u8> {
    to_json(&json(request))
}

/// A request as a person's program gets it: with what was said, the oldest first and this text the last, and what is known
/// by name.
pub fn encode_handed<'a>(
    request: &Request,
    transcript: &[Turn],
    slots: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<u8> {
    to_json(&Handed { request: json(request), transcript, slots: slots.into_iter().collect() })
}

fn json(request: &Request) -> Json<'_> {
    let feedback = request.feedback.as_deref();
    Json {
        kind: request.kind.as_deref(),
        id: request.id.as_deref(),
        sender: request.sender.as_deref(),
        receiver: request.receiver.as_deref(),
        conversation: request.conversation.as_deref(),
        locale: request.locale.as_deref(),
        metadata: request.metadata.as_deref(),
        history: &request.history,
        attachments: &request.attachments,
        stream: request.stream,
        in_reply_to: feedback.map(|it| it.in_reply_to.as_str()),
        value: feedback.map(|it| it.value.as_str()),
        intent: feedback.and_then(|it| it.intent.as_deref()),
        handler: feedback.and_then(|it| it.handler.as_deref()),
        body: &request.text,
    }
}

/// A request as it is written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Request"))]
pub(super) struct Json<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "<[Turn]>::is_empty")]
    history: &'a [Turn],
    #[serde(skip_serializing_if = "<[Attachment]>::is_empty")]
    attachments: &'a [Attachment],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<&'a str>,
    body: &'a str,
}

/// What goes to a person.
#[derive(Serialize)]
struct Handed<'a> {
    #[serde(flatten)]
    request: Json<'a>,
    transcript: &'a [Turn],
    slots: BTreeMap<&'a str, &'a str>,
}

fn refuse_reply(kind: Option<&str>) -> Result<(), DeadLetter> {
    match kind.filter(|kind| is_reply_kind(kind)) {
        Some(kind) => Err(DeadLetter {
            reason: DeadReason::NotARequest,
            message: format!("a message of type {kind} is never answered: send replies to where requests came from"),
        }),
        None => Ok(()),
    }
}

/// What the object says. Its type is judged first: a reply must be known for one, whatever else is wrong with it.
fn from_object(object: &Object<'_>, envelope: &Envelope<'_>) -> Result<Request, DeadLetter> {
    let kind = object::string("type", object.kind);
    if set(envelope.kind).is_none() {
        refuse_reply(kind.as_ref().ok().and_then(Option::as_deref))?;
    }
    if let Some(name) = object.repeated {
        return Err(invalid(format!("'{name}' is there more than once")).into());
    }
    let attachments = attachments::read(object.attachments)?;
    let named = kind.as_ref().ok().and_then(Option::as_deref);
    let may_be_silent =
        needs_no_text(set(envelope.kind).or(named)) || attachments.as_ref().is_some_and(|it| !it.is_empty());
    let text = object::string("body", object.body)?.or_else(|| may_be_silent.then(String::new));
    let text = text.ok_or_else(|| invalid("the request has no 'body', the user's text: send {\"body\": \"…\"}"))?;
    let history = object::later(object.history);
    let stream = object::later::<bool>(object.stream);
    let ignored =
        [("history", history.is_none()), ("attachments", attachments.is_none()), ("stream", stream.is_none())];
    Ok(Request {
        kind: kind?,
        id: object::string("id", object.id)?,
        sender: object::string("sender", object.sender)?,
        receiver: object::string("receiver", object.receiver)?,
        conversation: object::string("conversation", object.conversation)?,
        locale: object::string("locale", object.locale)?,
        metadata: object::object("metadata", object.metadata)?,
        ignored: ignored.into_iter().filter_map(|(name, is)| is.then_some(name)).collect(),
        history: history.unwrap_or_default(),
        attachments: attachments.unwrap_or_default(),
        stream: stream.unwrap_or_default(),
        feedback: None,
        text,
    })
}

/// Whether a message of this type says nothing in words.
fn needs_no_text(kind: Option<&str>) -> bool {
    kind == Some(CANCEL_TYPE) || kind.and_then(Command::of).is_some_and(|command| !command.has_text())
}

/// What holds for every request, however it was written.
fn check(request: &Request) -> Result<(), MessageError> {
    let short =
        [("id", &request.id), ("type", &request.kind), ("sender", &request.sender), ("receiver", &request.receiver)];
    for (name, value) in short {
        let length = value.as_ref().map_or(0, String::len);
        if length > MAX_SHORT {
            return Err(invalid(format!("'{name}' has {length} bytes; at most {MAX_SHORT} are accepted")));
        }
    }
    if request.kind.as_deref() == Some(CANCEL_TYPE) {
        return Err(invalid("chat.cancel has to have the routing key cancel, where every worker hears it"));
    }
    if !request.has_text() && request.attachments.is_empty() && !needs_no_text(request.kind.as_deref()) {
        return Err(invalid("the text is empty: there is nothing to answer"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
