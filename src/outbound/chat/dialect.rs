//! What a server of OpenAI's interface takes, its dialect: they differ in how the form of an answer is asked for, in
//! names, and in what they refuse.
//!
//! **Invariant:** each step away from what was refused leads nearer to the end, so that a request is sent a bounded
//! number of times.

use std::fmt;

use serde_json::{Value, json};

use super::Schema;

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
    /// Whether the answer is asked for as it is being written.
    stream: bool,
    /// Whether such an answer is to end with what it cost.
    usage: bool,
}

/// What a prompt would have, as far as the server takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The format that the operator chose; none: the strictest, or plain where there is no schema.
    pub(super) format: Option<Format>,
    pub(super) schema: bool,
    pub(super) logprobs: bool,
    pub(super) stream: bool,
}

impl Dialect {
    /// What is tried first.
    pub(super) fn first(wanted: Wanted) -> Self {
        let Wanted { format, schema, logprobs, stream } = wanted;
        let format = if schema { format.unwrap_or(Format::JsonSchema) } else { Format::Plain };
        Self { format, logprobs, temperature: true, completion_tokens: false, stream, usage: stream }
    }

    /// What to try where a server refuses this and says what of it; none where it names nothing that is sent. `said` is
    /// what it says, in lower case and without the user's text.
    pub(super) fn without_what_is_named(self, said: &str, wanted: Wanted) -> Option<Self> {
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
        if self.usage && names(&["stream_options", "include_usage"]) {
            return Some(Self { usage: false, ..self });
        }
        // Not any word with a stream in it: gateways speak of what is upstream.
        if self.stream && names(&["'stream'", "\"stream\"", "`stream`", "streaming"]) {
            return Some(Self { stream: false, usage: false, ..self });
        }
        let of_format = match self.format {
            Format::JsonSchema => names(&["response_format", "json_schema", "structured output", "response format"]),
            Format::StructuredOutputs => names(&["structured_outputs"]),
            Format::GuidedJson => names(&["guided_json", "guided decoding"]),
            Format::JsonObject => names(&["response_format", "json_object", "response format"]),
            Format::Plain => false,
        };
        if of_format { self.weaker(wanted) } else { None }
    }

    /// What to try where a server refuses this and doesn't say why; none where nothing is left.
    pub(super) fn next(self, wanted: Wanted) -> Option<Self> {
        self.weaker(wanted).or_else(|| {
            // It wasn't the format.
            let bare = Self { logprobs: false, temperature: false, usage: false, ..Self::first(wanted) };
            let more = self.logprobs || self.temperature || self.usage;
            match more {
                true => Some(Self { stream: self.stream, ..bare }),
                false => self.stream.then_some(Self { stream: false, ..bare }),
            }
        })
    }

    /// The same with the next format.
    fn weaker(self, wanted: Wanted) -> Option<Self> {
        let next = FORMATS.iter().skip_while(|format| **format != self.format).nth(1);
        next.filter(|_| wanted.format.is_none()).map(|&format| Self { format, ..self })
    }

    /// Whether the answer is asked for as it is being written.
    pub(super) fn streams(self) -> bool {
        self.stream
    }

    /// Adds what asks for an answer of this form, and for what else helps.
    pub(super) fn add_to(self, request: &mut Value, schema: Option<&Schema>, max_tokens: Option<u16>) {
        if let Some(Schema { name, schema }) = schema {
            match self.format {
                Format::JsonSchema => {
                    let named = json!({"name": name, "strict": true, "schema": schema});
                    request["response_format"] = json!({"type": "json_schema", "json_schema": named});
                }
                Format::StructuredOutputs => request["structured_outputs"] = json!({"json": schema}),
                Format::GuidedJson => request["guided_json"] = schema.clone(),
                Format::JsonObject => request["response_format"] = json!({"type": "json_object"}),
                Format::Plain => {}
            }
        }
        if self.stream {
            request["stream"] = json!(true);
        }
        if self.usage {
            request["stream_options"] = json!({"include_usage": true});
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

/// The names of what is sent.
impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.completion_tokens { "max_completion_tokens" } else { "max_tokens" })?;
        match self.format {
            Format::JsonSchema => f.write_str(", response_format (json_schema)")?,
            Format::StructuredOutputs => f.write_str(", structured_outputs")?,
            Format::GuidedJson => f.write_str(", guided_json")?,
            Format::JsonObject => f.write_str(", response_format (json_object)")?,
            Format::Plain => {}
        }
        let others = [
            (self.temperature, "temperature"),
            (self.logprobs, "logprobs"),
            (self.stream, "stream"),
            (self.usage, "stream_options"),
        ];
        others.into_iter().filter(|(is_sent, _)| *is_sent).try_for_each(|(_, name)| write!(f, ", {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn an_intent(format: Option<Format>) -> Wanted {
        Wanted { format, schema: true, logprobs: true, stream: false }
    }

    const ANSWER: Wanted = Wanted { format: None, schema: false, logprobs: false, stream: true };

    /// What is tried by a server that always answers so.
    fn tried(said: &str, fixed: Option<Format>) -> Vec<Dialect> {
        tried_of(said, an_intent(fixed))
    }

    fn tried_of(said: &str, wanted: Wanted) -> Vec<Dialect> {
        std::iter::successors(Some(Dialect::first(wanted)), |dialect| {
            dialect.without_what_is_named(said, wanted).or_else(|| dialect.next(wanted))
        })
        .take(50)
        .collect()
    }

    #[test]
    fn a_dialect_is_told_by_the_names_of_what_is_sent() {
        let first = Dialect::first(an_intent(None));
        assert_eq!(first.to_string(), "max_tokens, response_format (json_schema), temperature, logprobs");
        let last = Dialect { temperature: false, completion_tokens: true, ..Dialect::first(ANSWER) };
        assert_eq!(last.to_string(), "max_completion_tokens, stream, stream_options");
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
    fn an_answer_is_asked_for_with_less_and_less() {
        let streams = |said| tried_of(said, ANSWER).iter().map(|tried| (tried.stream, tried.usage)).collect::<Vec<_>>();
        assert_eq!(streams("no"), [(true, true), (true, false), (false, false)]);
        assert_eq!(
            streams("unknown field stream_options"),
            [(true, true), (true, false), (true, false), (false, false)]
        );
        assert_eq!(streams("streaming isn't supported here")[1], (false, false));
        let first = Dialect::first(ANSWER);
        assert_eq!(first.without_what_is_named("the upstream server failed", ANSWER), None);
        for said in ["'max_completion_tokens' temperature stream_options \"stream\"", "temperature", ""] {
            assert!(tried_of(said, ANSWER).len() <= 7, "{said}");
        }
    }

    #[test]
    fn what_the_server_names_is_left_out_first() {
        let wanted = an_intent(None);
        let first = Dialect::first(wanted);
        let check = |dialect: Dialect, said: &str, expected: Option<Dialect>| {
            assert_eq!(dialect.without_what_is_named(said, wanted), expected, "{said}");
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
