//! A reply in OpenAI's form.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    domain::{ErrorCode, Finish},
    door::{
        fault::{Code, Fault},
        reply::Told,
    },
};

/// The whole answer, as it is written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatCompletion"))]
pub(super) struct Whole<'a> {
    id: &'a str,
    object: &'static str,
    /// In seconds since 1970.
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: Usage,
    /// The reply, as it came.
    #[cfg_attr(test, schemars(schema_with = "reply_schema"))]
    chatbot: &'a RawValue,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatChoice"))]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: (),
    /// `stop` or `length`.
    finish_reason: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatAnswer"))]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    refusal: (),
    annotations: [(); 0],
}

/// In tokens.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChatUsage"))]
pub(super) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

/// The contract's reply.
#[cfg(test)]
pub(super) fn reply_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"$ref": "#/components/schemas/Reply"})
}

/// A reply, and how it is told.
pub(super) struct Completion {
    id: String,
    model: String,
    created: u64,
    pub(super) reply: Told,
    /// The reply as it came.
    raw: Box<RawValue>,
}

impl Completion {
    /// # Errors
    /// Where what came back is no reply.
    pub(super) fn of(model: &str, body: &[u8]) -> Result<Self, Fault> {
        let reply = Told::read(body)?;
        let raw = serde_json::from_slice(body).map_err(|error| {
            Fault::new(Code::Contract(ErrorCode::Internal), format!("the reply isn't valid JSON: {error}"))
        })?;
        Ok(Self { id: name(&reply.id), model: model.to_owned(), created: now(), reply, raw })
    }

    /// The whole answer.
    pub(super) fn whole(&self) -> Whole<'_> {
        let message = Message { role: "assistant", content: &self.reply.text, refusal: (), annotations: [] };
        Whole {
            id: &self.id,
            object: "chat.completion",
            created: self.created,
            model: &self.model,
            choices: [Choice { index: 0, message, logprobs: (), finish_reason: self.finish_reason() }],
            usage: self.usage(),
            chatbot: &self.raw,
        }
    }

    pub(super) fn finish_reason(&self) -> &'static str {
        if self.reply.finish == Some(Finish::Length) { "length" } else { "stop" }
    }

    /// What a language model read and wrote; none where none was asked.
    pub(super) fn usage(&self) -> Usage {
        let (read, written) = self.reply.usage.map_or((0, 0), |usage| (usage.input_tokens, usage.output_tokens));
        Usage { prompt_tokens: read, completion_tokens: written, total_tokens: read + written }
    }

    /// The reply as it came.
    pub(super) fn raw(&self) -> &RawValue {
        &self.raw
    }
}

pub(super) fn name(id: &str) -> String {
    format!("chatcmpl-{id}")
}

/// In seconds, as OpenAI tells it.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
