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

    /// What to try where a server refuses this and says what of it; none where it names nothing that is sent. `said` is
    /// what it says, in lower case and without the user's text. `fixed` is the format that the operator chose.
    pub(super) fn without_what_is_named(self, said: &str, fixed: Option<Format>) -> Option<Self> {
        let names = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if !self.completion_tokens && names(&["max_completion_tokens"]) {
            return Some(Self { completion_tokens: true, ..self });
        }
        if self.logprobs && names(&["logprob"]) {
            return Some(Self { logprobs: false, ..self });
        }
        if self.temperature && names(&["temperature"]) {
            return Some(Self { temperature: false, ..self });
        }
        let of_format = match self.format {
            Format::JsonSchema => names(&["response_format", "json_schema", "structured output", "response format"]),
            Format::StructuredOutputs => names(&["structured_outputs"]),
            Format::GuidedJson => names(&["guided_json", "guided decoding"]),
            Format::JsonObject => names(&["response_format", "json_object", "response format"]),
            Format::Plain => false,
        };
        if of_format { self.weaker(fixed) } else { None }
    }

    /// What to try where a server refuses this and doesn't say why; none where nothing is left.
    pub(super) fn next(self, fixed: Option<Format>) -> Option<Self> {
        self.weaker(fixed).or_else(|| {
            // It wasn't the format.
            let more = self.logprobs || self.temperature;
            more.then(|| Self { logprobs: false, temperature: false, ..Self::first(fixed) })
        })
    }

    /// The same with the next format.
    fn weaker(self, fixed: Option<Format>) -> Option<Self> {
        let next = FORMATS.iter().skip_while(|format| **format != self.format).nth(1);
        next.filter(|_| fixed.is_none()).map(|&format| Self { format, ..self })
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
    fn tried(said: &str, fixed: Option<Format>) -> Vec<Dialect> {
        std::iter::successors(Some(Dialect::first(fixed)), |dialect| {
            dialect.without_what_is_named(said, fixed).or_else(|| dialect.next(fixed))
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
        for said in ["unsupported parameter: 'max_tokens', use 'max_completion_tokens'", "logprobs temperature", ""] {
            assert!(tried(said, None).len() <= 12, "{said}");
        }
    }

    #[test]
    fn what_the_server_names_is_left_out_first() {
        let first = Dialect::first(None);
        let check = |dialect: Dialect, said: &str, expected: Option<Dialect>| {
            assert_eq!(dialect.without_what_is_named(said, None), expected, "{said}");
        };
        check(first, "logprobs are not supported", Some(Dialect { logprobs: false, ..first }));
        check(first, "'temperature' must be 1", Some(Dialect { temperature: false, ..first }));
        let weaker = Dialect { format: Format::StructuredOutputs, ..first };
        check(first, "this response_format type is unavailable now", Some(weaker));
        check(first, "no endpoints found that support the requested parameters: response_format", Some(weaker));
        let guided = Dialect { format: Format::GuidedJson, ..first };
        check(weaker, "extra inputs are not permitted: structured_outputs", Some(guided));
        check(weaker, "this response_format type is unavailable now", None);
        check(first, "the prompt was filtered", None);
    }
}
