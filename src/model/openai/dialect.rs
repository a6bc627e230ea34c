//! What a server of OpenAI's interface takes: they differ in how the form of an answer is asked for, and in the rest.
//!
//! **Invariant:** each step away from what was refused leads nearer to the end, so that a request is sent a bounded
//! number of times.

use serde_json::{Value, json};

/// How the form of an answer is asked for, the strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `response_format` with a strict JSON schema, as OpenAI has it.
    JsonSchema,
    /// `structured_outputs`, as vLLM has it from 0.12.
    StructuredOutputs,
    /// `guided_json`, as vLLM had it before.
    GuidedJson,
    /// `response_format` `json_object`: any JSON.
    JsonObject,
    /// By the instructions alone.
    Plain,
}

const FORMATS: [Format; 5] =
    [Format::JsonSchema, Format::StructuredOutputs, Format::GuidedJson, Format::JsonObject, Format::Plain];

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    format: Format,
    /// Whether the probability of each token is asked for.
    logprobs: bool,
    /// Whether the likeliest token is asked for each time.
    temperature: bool,
    /// Whether the limit has the name that OpenAI's newer models want.
    completion_tokens: bool,
}

impl Dialect {
    /// What is tried first.
    pub(super) fn first(format: Option<Format>) -> Self {
        let format = format.unwrap_or(Format::JsonSchema);
        Self { format, logprobs: true, temperature: true, completion_tokens: false }
    }

    /// What to try where a server refused this, and said so; none where nothing is left. `fixed` is the format that the
    /// operator chose.
    pub(super) fn without_what_is_refused(self, answer: &[u8], fixed: Option<Format>) -> Option<Self> {
        let answer = String::from_utf8_lossy(answer).to_ascii_lowercase();
        if !self.completion_tokens && answer.contains("max_completion_tokens") {
            return Some(Self { completion_tokens: true, ..self });
        }
        if self.logprobs && answer.contains("logprob") {
            return Some(Self { logprobs: false, ..self });
        }
        if self.temperature && answer.contains("temperature") {
            return Some(Self { temperature: false, ..self });
        }
        let next = FORMATS.iter().skip_while(|format| **format != self.format).nth(1);
        match next.filter(|_| fixed.is_none()) {
            Some(&format) => Some(Self { format, ..self }),
            // It didn't say what it refused, and it wasn't the format.
            None if self.logprobs || self.temperature => {
                Some(Self { logprobs: false, temperature: false, ..Self::first(fixed) })
            }
            None => None,
        }
    }

    /// Adds what asks for one of these names, and for what else helps.
    pub(super) fn add_to(self, request: &mut Value, names: &[&str], max_tokens: Option<u16>) {
        let schema = json!({
            "type": "object",
            "properties": {"intent": {"type": "string", "enum": names}},
            "required": ["intent"],
            "additionalProperties": false,
        });
        match self.format {
            Format::JsonSchema => {
                let named = json!({"name": "intent", "strict": true, "schema": schema});
                request["response_format"] = json!({"type": "json_schema", "json_schema": named});
            }
            Format::StructuredOutputs => request["structured_outputs"] = json!({"json": schema}),
            Format::GuidedJson => request["guided_json"] = schema,
            Format::JsonObject => request["response_format"] = json!({"type": "json_object"}),
            Format::Plain => {}
        }
        if self.logprobs {
            request["logprobs"] = json!(true);
        }
        if self.temperature {
            request["temperature"] = json!(0);
        }
        if let Some(most) = max_tokens {
            let name = if self.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
            request[name] = json!(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried by a server that always answers so.
    fn tried(answer: &str, fixed: Option<Format>) -> Vec<Dialect> {
        std::iter::successors(Some(Dialect::first(fixed)), |dialect| {
            dialect.without_what_is_refused(answer.as_bytes(), fixed)
        })
        .take(50)
        .collect()
    }

    #[test]
    fn every_way_to_ask_is_tried_and_then_no_more() {
        let formats: Vec<Format> = tried("no", None).iter().map(|dialect| dialect.format).collect();
        assert_eq!(formats, [FORMATS, FORMATS].concat());
        let fixed = tried("no", Some(Format::JsonObject));
        assert!(fixed.iter().all(|dialect| dialect.format == Format::JsonObject));
        assert_eq!(fixed.len(), 2);
        for answer in ["Unsupported parameter: 'max_tokens', use 'max_completion_tokens'", "logprobs temperature", ""] {
            assert!(tried(answer, None).len() <= 12, "{answer}");
        }
    }

    #[test]
    fn what_the_server_names_is_left_out_first() {
        let next = |answer: &str| Dialect::first(None).without_what_is_refused(answer.as_bytes(), None);
        let first = Dialect::first(None);
        assert_eq!(next("logprobs are not supported"), Some(Dialect { logprobs: false, ..first }));
        assert_eq!(next("'temperature' must be 1"), Some(Dialect { temperature: false, ..first }));
        let response_format = "This response_format type is unavailable now";
        assert_eq!(next(response_format), Some(Dialect { format: Format::StructuredOutputs, ..first }));
    }
}
