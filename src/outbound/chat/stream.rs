//! An answer that comes as it is being written: its pieces gathered into the completion that it would have been.
//!
//! **Invariant:** what broke off in the middle is no answer. It is whole where the server said so: by a reason for its end,
//! or by `[DONE]`.

use serde_json::{Value, json};

/// The mark of a stream's end.
const DONE: &str = "[DONE]";

/// A completion, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    content: String,
    refusal: String,
    called: bool,
    finish: Option<String>,
    usage: Value,
    done: bool,
    /// An error that came in place of a piece.
    error: Option<Value>,
    /// Whether a token has come, be it of a thought.
    pub(super) begun: bool,
    /// How many pieces have said something; others keep a connection open.
    pub(super) pieces: usize,
}

impl Gathered {
    /// Adds the data of an event. What isn't JSON is passed over: servers send such to keep a connection open.
    pub(super) fn push(&mut self, data: &str) {
        if data.trim() == DONE {
            self.done = true;
            return;
        }
        let Ok(chunk) = serde_json::from_str::<Value>(data) else { return };
        let is_error = chunk.get("error").is_some_and(|error| !error.is_null());
        if is_error && self.error.is_none() {
            self.error = Some(chunk);
            return;
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            self.usage = usage.clone();
        }
        let choices = chunk.get("choices").and_then(Value::as_array);
        let first = choices.into_iter().flatten().find(|choice| choice.get("index").is_none_or(|at| *at == json!(0)));
        if let Some(choice) = first {
            self.add(choice);
        }
    }

    fn add(&mut self, choice: &Value) {
        let before = self.content.len() + self.refusal.len();
        // Some send the whole message in place of its pieces.
        let delta = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&Value::Null);
        match delta.get("content") {
            Some(Value::String(text)) => self.content.push_str(text),
            Some(Value::Array(parts)) => {
                let is_text = |part: &&Value| matches!(part["type"].as_str(), Some("text" | "output_text"));
                let texts = parts.iter().filter(is_text).filter_map(|part| part["text"].as_str());
                texts.for_each(|text| self.content.push_str(text));
            }
            _ => {}
        }
        if let Some(refusal) = delta.get("refusal").and_then(Value::as_str) {
            self.refusal.push_str(refusal);
        }
        let calls = ["tool_calls", "function_call"].iter().any(|name| {
            delta.get(name).is_some_and(|call| !call.is_null() && call.as_array().is_none_or(|list| !list.is_empty()))
        });
        let thinks =
            ["reasoning_content", "reasoning"].iter().any(|name| delta[name].as_str().is_some_and(|it| !it.is_empty()));
        let says = thinks || calls || self.content.len() + self.refusal.len() > before;
        self.called |= calls;
        self.begun |= says;
        self.pieces += usize::from(says);
        if let Some(finish) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
        }
    }

    /// Whether nothing more is to be read.
    pub(super) fn is_done(&self) -> bool {
        self.done || self.error.is_some()
    }

    /// Whether it came to an end, rather than to a stop.
    pub(super) fn is_whole(&self) -> bool {
        self.is_done() || self.finish.is_some()
    }

    /// What has come of its text.
    pub(super) fn content(&self) -> &str {
        &self.content
    }

    /// The completion that it would have been, or the error that came in its place.
    pub(super) fn completion(self) -> Value {
        if let Some(error) = self.error {
            return error;
        }
        let call = if self.called { json!([{}]) } else { Value::Null };
        let refusal = if self.refusal.is_empty() { Value::Null } else { self.refusal.into() };
        let message = json!({"content": self.content, "refusal": refusal, "tool_calls": call});
        json!({"choices": [{"message": message, "finish_reason": self.finish}], "usage": self.usage})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_piece_that_says_something_counts() {
        let mut gathered = Gathered::default();
        let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]}).to_string();
        for (data, pieces) in [
            (delta(json!({"role": "assistant", "content": ""})), 0),
            ("keep-alive".to_owned(), 0),
            (json!({"choices": [], "usage": {"prompt_tokens": 1}}).to_string(), 0),
            (delta(json!({"reasoning_content": "嗯"})), 1),
            (delta(json!({"content": "你好"})), 2),
            (delta(json!({"content": "", "tool_calls": []})), 2),
            (delta(json!({"content": ", you"})), 3),
        ] {
            gathered.push(&data);
            assert_eq!((gathered.pieces, gathered.begun), (pieces, pieces > 0), "{data}");
        }
    }
}
