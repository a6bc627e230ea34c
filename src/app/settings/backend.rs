//! The sections of services, each of a name that the operator chose: models, and what else is asked for an answer. And
//! the section `embedded`.

mod values;

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::values::{Flag, HeaderName, JsonObject, Pointer, Text, Tokens};

use super::PREFIX;
use crate::config::{
    Conflict, Key, ValueFile,
    types::{
        BoundedDuration, BoundedSize, Count, FilePath, Fraction, HttpUrl, Invalid, OrOff, Secret, ShownDuration,
        choose, text::serde_as_text,
    },
};

/// The built-in model, as a part of a chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Embedded {
    /// Where `train` saved it; trained at the start where none.
    pub path: Option<FilePath>,
    /// The least confidence with which the chain's next model isn't asked; that for an answer where not set.
    pub min_confidence: Option<Fraction>,
    /// The same for how far the likeliest intent is ahead of the next.
    pub min_margin: Fraction,
}

/// A service: a model that another program serves or rules, or what else is asked for an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backend {
    /// What it is; has to be set.
    pub kind: Option<Kind>,
    pub url: Option<HttpUrl>,
    /// What lets this worker in.
    pub api_key: Option<Secret>,
    #[serde(skip)]
    pub api_key_file: Option<ValueFile>,
    /// The header that carries the key; `Authorization: Bearer` where not set.
    pub api_key_header: Option<HeaderName>,
    /// The authority that signed its certificate, besides those that the system trusts.
    pub ca_path: Option<FilePath>,
    /// The model's name there.
    pub model: Option<Text>,
    /// How the form of an answer is asked for.
    pub format: Format,
    /// How many of the examples most like a text are shown to the model.
    pub examples: OrOff<Count>,
    /// The longest answer, in tokens.
    pub max_tokens: OrOff<Count>,
    pub extra: Option<JsonObject>,
    /// What stands before each text.
    pub prefix: Option<Text>,
    /// What stands before each passage of documents, in place of that.
    pub passage_prefix: Option<Text>,
    /// The request's body, a template.
    pub body: Option<Text>,
    /// Where in the answer the intent is.
    pub intent_pointer: Option<Pointer>,
    /// Where in the answer the confidence is.
    pub confidence_pointer: Option<Pointer>,
    /// Where in the answer a list of intents is.
    pub ranking_pointer: Option<Pointer>,
    pub rules_path: Option<FilePath>,
    /// The longest answer to a user, in tokens.
    pub answer_tokens: Count,
    /// What it may cost in a day by UTC, in tokens in and out.
    pub tokens_a_day: OrOff<Tokens>,
    /// Whether it looks at pictures.
    pub images: Flag,
    /// What signs the requests.
    pub secret: Option<Secret>,
    #[serde(skip)]
    pub secret_file: Option<ValueFile>,
    /// Whether it may be told the same twice.
    pub idempotent: Flag,
    /// For one answer to a user with all tries, or the next part of one that is being written, up to 29 min.
    pub answer_timeout: BoundedDuration<1, 1_740_000>,
    /// For one request, up to 10 min.
    pub timeout: BoundedDuration<1, 600_000>,
    /// For a connection, up to 1 min.
    pub connect_timeout: BoundedDuration<1, 60_000>,
    /// How often a request is sent again.
    pub retries: OrOff<Count>,
    /// Requests under way at once.
    pub concurrency: Count,
    /// The largest answer, 1 KiB to 64 MiB.
    pub max_response: BoundedSize<1024, { 64 << 20 }>,
    /// Texts in one request.
    pub batch: Count,
    /// How long a text waits for others, up to 1 s.
    pub batch_wait: BoundedDuration<0, 1_000>,
    /// Answers that are kept.
    pub cache: OrOff<Count>,
    /// For how long, up to 24 h.
    pub cache_ttl: BoundedDuration<1, 86_400_000>,
    /// Failures in a row after which it is left alone.
    pub breaker_failures: Count,
    /// For how long, up to 10 min.
    pub breaker_pause: BoundedDuration<1, 600_000>,
    /// As the built-in model's.
    pub min_confidence: Option<Fraction>,
    /// As the built-in model's.
    pub min_margin: Fraction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A language model behind OpenAI's chat completions.
    OpenAi,
    /// Sentence embeddings, with a classifier of this worker's own on top.
    Embeddings,
    Rasa,
    /// A classifier served by Text Embeddings Inference.
    Tei,
    /// Any other service that takes and gives JSON.
    Http,
    /// Words and patterns.
    Keywords,
    /// A program of the operator's that answers users.
    Webhook,
    /// What makes text of speech, behind OpenAI's audio transcriptions.
    Transcription,
}

/// How the form of a language model's answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The strictest way that the server takes.
    Auto,
    /// `response_format` with a JSON schema.
    JsonSchema,
    /// vLLM's `structured_outputs`.
    StructuredOutputs,
    /// vLLM's older `guided_json`.
    GuidedJson,
    JsonObject,
    /// By words alone.
    Plain,
}

const KINDS: [(&str, Kind); 8] = [
    ("openai", Kind::OpenAi),
    ("embeddings", Kind::Embeddings),
    ("rasa", Kind::Rasa),
    ("tei", Kind::Tei),
    ("http", Kind::Http),
    ("keywords", Kind::Keywords),
    ("webhook", Kind::Webhook),
    ("transcription", Kind::Transcription),
];

const FORMATS: [(&str, Format); 6] = [
    ("auto", Format::Auto),
    ("json_schema", Format::JsonSchema),
    ("structured_outputs", Format::StructuredOutputs),
    ("guided_json", Format::GuidedJson),
    ("json_object", Format::JsonObject),
    ("plain", Format::Plain),
];

impl Backend {
    /// What contradicts what in the section of this name: something is missing for the kind, or set though the kind has no
    /// use for it, or can't be with the rest of the settings. `in_chain`: it is one of the models.
    pub(super) fn conflicts(&self, name: &str, in_chain: bool, handlers: &HandlerTimeout) -> Vec<Conflict> {
        let variable = |key: &str| Key::new(name, key).variable(PREFIX);
        let conflict = |key: &str, message: String| Conflict {
            keys: vec![format!("{name}.{key}"), format!("{name}.kind"), "model.chain".into()],
            message,
        };
        let Some(kind) = self.kind else {
            let kinds = KINDS.map(|(name, _)| name).join(", ");
            let message = format!("what '{name}' is isn't told: set {} to one of {kinds}", variable("kind"));
            return vec![conflict("kind", message)];
        };
        let mut conflicts = Vec::new();
        if in_chain && !kind.classifies() {
            conflicts.push(Conflict {
                keys: vec!["model.chain".into(), format!("{name}.kind")],
                message: format!(
                    "'{name}' is of the kind {kind}, which doesn't classify: take it out of {}",
                    Key::new("model", "chain").variable(PREFIX)
                ),
            });
        }
        // What classifies as well may have been made before there were answers by it: its answers take what there is.
        if kind.is_for_users() && !in_chain && self.answer_timeout.get() > handlers.get() {
            conflicts.push(Conflict {
                keys: vec![format!("{name}.answer_timeout"), "worker.handler_timeout".into()],
                message: format!(
                    "an answer of '{name}' may take {}, and a handler no longer than {handlers}: set {} to less, or {} to \
                     more",
                    ShownDuration(self.answer_timeout.get()),
                    variable("answer_timeout"),
                    Key::new("worker", "handler_timeout").variable(PREFIX)
                ),
            });
        }
        let of_keys = self.uses(kind).into_iter().filter_map(|(key, is_set, usage)| match (usage, is_set) {
            (Use::Needed, false) => Some(conflict(key, format!("the kind {kind} needs {}: set it", variable(key)))),
            (Use::None, true) => {
                Some(conflict(key, format!("the kind {kind} has no use for {}: unset it", variable(key))))
            }
            _ => None,
        });
        conflicts.extend(of_keys);
        conflicts
    }

    /// How long one answer to a user may take: what the section says, and no longer than a handler may.
    pub fn answer_limit(&self, handlers: Duration) -> Duration {
        self.answer_timeout.get().min(handlers)
    }

    /// Each setting that not all kinds have, whether it is set, and what use the kind has for it.
    fn uses(&self, kind: Kind) -> [(&'static str, bool, Use); 18] {
        let needed = |by: &[Kind]| if by.contains(&kind) { Use::Needed } else { Use::None };
        let taken = |by: &[Kind]| if by.contains(&kind) { Use::Taken } else { Use::None };
        let remote = if kind == Kind::Keywords { Use::None } else { Use::Taken };
        [
            ("url", self.url.is_some(), if kind == Kind::Keywords { Use::None } else { Use::Needed }),
            ("api_key", self.api_key.is_some(), remote),
            ("api_key_header", self.api_key_header.is_some(), remote),
            ("ca_path", self.ca_path.is_some(), remote),
            (
                "model",
                self.model.is_some(),
                if kind == Kind::OpenAi { Use::Needed } else { taken(&[Kind::Embeddings, Kind::Transcription]) },
            ),
            ("max_tokens", self.max_tokens.get().is_some(), taken(&[Kind::OpenAi])),
            ("extra", self.extra.is_some(), taken(&[Kind::OpenAi, Kind::Embeddings, Kind::Transcription])),
            ("prefix", self.prefix.is_some(), taken(&[Kind::Embeddings])),
            ("passage_prefix", self.passage_prefix.is_some(), taken(&[Kind::Embeddings])),
            ("body", self.body.is_some(), needed(&[Kind::Http])),
            ("intent_pointer", self.intent_pointer.is_some(), needed(&[Kind::Http])),
            ("confidence_pointer", self.confidence_pointer.is_some(), taken(&[Kind::Http])),
            ("ranking_pointer", self.ranking_pointer.is_some(), taken(&[Kind::Http])),
            ("rules_path", self.rules_path.is_some(), needed(&[Kind::Keywords])),
            ("tokens_a_day", self.tokens_a_day.get().is_some(), taken(&[Kind::OpenAi])),
            ("images", self.images.get(), taken(&[Kind::OpenAi])),
            ("secret", self.secret.is_some(), taken(&[Kind::Webhook])),
            ("idempotent", self.idempotent.get(), taken(&[Kind::Webhook])),
        ]
    }
}

/// For how long a handler may take, as the settings have it.
pub(super) type HandlerTimeout = BoundedDuration<1, 1_740_000>;

/// What use a kind has for a setting.
#[derive(Clone, Copy)]
enum Use {
    Needed,
    Taken,
    None,
}

impl Kind {
    /// Whether it can be a model of the chain.
    pub fn classifies(self) -> bool {
        !matches!(self, Self::Webhook | Self::Transcription)
    }

    /// Whether users wait for it alone, so that it has the time of an answer.
    fn is_for_users(self) -> bool {
        self.answers() || self == Self::Transcription
    }

    /// Whether it can answer users.
    pub fn answers(self) -> bool {
        matches!(self, Self::OpenAi | Self::Webhook)
    }
}

impl FromStr for Kind {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choose(text, &KINDS)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KINDS.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name))
    }
}

serde_as_text!(Kind);

impl FromStr for Format {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choose(text, &FORMATS)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMATS.iter().find(|(_, format)| format == self).map_or("", |(name, _)| name))
    }
}

serde_as_text!(Format);
