//! A reply in OpenAI's form.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json, value::RawValue};

use crate::{
    domain::{ErrorCode, Finish},
    door::{
        fault::{Code, Fault},
        reply::Told,
    },
};

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
    pub(super) fn whole(&self) -> Value {
        let message = json!({"role": "assistant", "content": self.reply.text, "refusal": null, "annotations": []});
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish_reason()}],
            "usage": self.usage(),
            "chatbot": self.raw,
        })
    }

    pub(super) fn finish_reason(&self) -> &'static str {
        if self.reply.finish == Some(Finish::Length) { "length" } else { "stop" }
    }

    /// What a language model read and wrote; none where none was asked.
    pub(super) fn usage(&self) -> Value {
        let (read, written) = self.reply.usage.map_or((0, 0), |usage| (usage.input_tokens, usage.output_tokens));
        json!({"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written})
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
