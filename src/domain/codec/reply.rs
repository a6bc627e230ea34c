//! Replies and error replies: to bytes, and (for clients) from bytes.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::to_json;
use crate::domain::{
    Choice, Classification, DONE_TYPE, Details, ERROR_TYPE, Entity, ErrorCode, ErrorReply, Finish, IntentName,
    MessageError, PART_TYPE, Part, Progress, REPLY_TYPE, Reply, SENDER, Scored, Source, Usage, intent::rounded,
};

/// Whether a message of this type is an answer of the bot's, or a part of one, and so never answered.
pub fn is_reply_kind(kind: &str) -> bool {
    [REPLY_TYPE, PART_TYPE, ERROR_TYPE, DONE_TYPE].contains(&kind)
}

/// What a client got.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    Reply(Box<Reply>),
    /// Word that there is none.
    Error(ErrorReply),
}

/// A message that is neither a reply nor an error reply of the contract.
#[derive(Debug, thiserror::Error)]
#[error("what came back is no reply of a chatbot-worker: does something else consume the requests?")]
pub struct UnreadableReply(#[from] serde_json::Error);

pub fn encode_reply(reply: &Reply) -> Vec<u8> {
    let classification = reply.classification.as_ref();
    to_json(&ReplyJson {
        kind: Kind::Reply,
        id: Cow::Borrowed(&reply.id),
        in_reply_to: reply.in_reply_to.as_deref().map(Cow::Borrowed),
        sender: Cow::Borrowed(SENDER),
        receiver: reply.receiver.as_deref().map(Cow::Borrowed),
        body: Cow::Borrowed(&reply.text),
        locale: reply.locale.as_deref().map(Cow::Borrowed),
        intent: IntentJson {
            name: Cow::Borrowed(&reply.intent),
            confidence: classification.and_then(|it| it.confidence).map(rounded),
            fallback: classification.is_some_and(|it| it.fallback),
            predicted: classification.and_then(|it| it.predicted.as_ref()).map(Cow::Borrowed),
        },
        entities: Cow::Borrowed(&reply.entities),
        ranking: classification.map(|it| Cow::Borrowed(it.ranking.as_slice())),
        model: classification.and_then(|it| it.model.as_deref()).map(Cow::Borrowed),
        conversation: reply.conversation.as_deref().map(Cow::Borrowed),
        metadata: reply.metadata.as_deref().map(Cow::Borrowed),
        handler: reply.details.handler.as_deref().map(Cow::Borrowed),
        data: reply.details.data.as_deref().map(Cow::Borrowed),
        sources: Cow::Borrowed(&reply.details.sources),
        choices: Cow::Borrowed(&reply.details.choices),
        usage: reply.details.usage,
        state: reply.details.state.as_ref().map(Cow::Borrowed),
        finish: reply.details.finish,
    })
}

/// `in_reply_to` is the request's id.
pub fn encode_part(part: &Part, in_reply_to: Option<&str>) -> Vec<u8> {
    to_json(&PartJson { kind: Cow::Borrowed(PART_TYPE), in_reply_to, part: Cow::Borrowed(part) })
}

/// Reads a part of an answer that is being written; none where the message is something else.
pub fn decode_part(body: &[u8]) -> Option<Part> {
    let json: PartJson<'_> = serde_json::from_slice(body).ok()?;
    (json.kind == PART_TYPE).then(|| json.part.into_owned())
}

pub fn encode_error(reply: &ErrorReply) -> Vec<u8> {
    let ErrorReply { id, in_reply_to, error } = reply;
    to_json(&ErrorJson {
        kind: Kind::Error,
        id: Cow::Borrowed(id),
        in_reply_to: in_reply_to.as_deref().map(Cow::Borrowed),
        error: CauseJson {
            code: error.code,
            message: Cow::Borrowed(&error.message),
            retryable: error.code.is_retryable(),
        },
    })
}

/// Reads a reply or an error reply.
///
/// # Errors
/// [`UnreadableReply`] where it is neither.
pub fn decode_reply(body: &[u8]) -> Result<Answered, UnreadableReply> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: Kind,
    }
    Ok(match serde_json::from_slice::<Typed>(body)?.kind {
        Kind::Reply => Answered::Reply(Box::new(serde_json::from_slice::<ReplyJson<'_>>(body)?.into())),
        Kind::Error => Answered::Error(serde_json::from_slice::<ErrorJson<'_>>(body)?.into()),
    })
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "AnswerType"))]
enum Kind {
    #[serde(rename = "chat.reply")]
    Reply,
    #[serde(rename = "chat.error")]
    Error,
}

/// A reply as it is written.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Reply"))]
pub(super) struct ReplyJson<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    id: Cow<'a, str>,
    in_reply_to: Option<Cow<'a, str>>,
    sender: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<Cow<'a, str>>,
    body: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<Cow<'a, str>>,
    intent: IntentJson<'a>,
    #[serde(default, skip_serializing_if = "<[Entity]>::is_empty")]
    entities: Cow<'a, [Entity]>,
    /// There, if empty, wherever the text was classified: that tells it from a request addressed to its intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    ranking: Option<Cow<'a, [Scored]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    metadata: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, RawValue>>,
    #[serde(default, skip_serializing_if = "<[Source]>::is_empty")]
    sources: Cow<'a, [Source]>,
    #[serde(default, skip_serializing_if = "<[Choice]>::is_empty")]
    choices: Cow<'a, [Choice]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Cow<'a, Progress>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish: Option<Finish>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Intent"))]
struct IntentJson<'a> {
    name: Cow<'a, IntentName>,
    confidence: Option<f32>,
    #[serde(default)]
    fallback: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted: Option<Cow<'a, Scored>>,
}

/// A part as it is written.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Part"))]
pub(super) struct PartJson<'a> {
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(skip_deserializing)]
    in_reply_to: Option<&'a str>,
    #[serde(flatten)]
    part: Cow<'a, Part>,
}

/// An error reply as it is written.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Error"))]
pub(super) struct ErrorJson<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    id: Cow<'a, str>,
    in_reply_to: Option<Cow<'a, str>>,
    error: CauseJson<'a>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Cause"))]
struct CauseJson<'a> {
    code: ErrorCode,
    message: Cow<'a, str>,
    /// For clients that don't know the code; the code implies it.
    #[serde(default)]
    retryable: bool,
}

impl From<ReplyJson<'_>> for Reply {
    fn from(json: ReplyJson<'_>) -> Self {
        let IntentJson { name, confidence, fallback, predicted } = json.intent;
        // An external program's reply may leave any of them out.
        let classified =
            confidence.is_some() || fallback || predicted.is_some() || json.ranking.is_some() || json.model.is_some();
        let classification = classified.then(|| Classification {
            confidence,
            fallback,
            predicted: predicted.map(Cow::into_owned),
            ranking: json.ranking.map(Cow::into_owned).unwrap_or_default(),
            model: json.model.as_deref().map(Arc::from),
            entities: Vec::new(),
            transcript: None,
        });
        Self {
            id: json.id.into_owned(),
            in_reply_to: json.in_reply_to.map(Cow::into_owned),
            receiver: json.receiver.map(Cow::into_owned),
            conversation: json.conversation.map(Cow::into_owned),
            metadata: json.metadata.map(Cow::into_owned),
            text: json.body.into_owned(),
            locale: json.locale.map(Cow::into_owned),
            intent: name.into_owned(),
            classification,
            entities: json.entities.into_owned(),
            details: Details {
                handler: json.handler.map(|name| Cow::Owned(name.into_owned())),
                data: json.data.map(Cow::into_owned),
                sources: json.sources.into_owned(),
                choices: json.choices.into_owned(),
                usage: json.usage,
                state: json.state.map(Cow::into_owned),
                finish: json.finish,
            },
        }
    }
}

impl From<ErrorJson<'_>> for ErrorReply {
    fn from(json: ErrorJson<'_>) -> Self {
        Self {
            id: json.id.into_owned(),
            in_reply_to: json.in_reply_to.map(Cow::into_owned),
            error: MessageError::new(json.error.code, json.error.message),
        }
    }
}

#[cfg(test)]
mod tests;
