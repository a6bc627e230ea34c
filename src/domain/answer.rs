//! What an answer holds beside its text.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::IntentName;

/// What an answer holds beside its text; each is absent in a reply where it is empty.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// Who answered: `template`, `search`, `llm`, …
    pub handler: Option<Cow<'static, str>>,
    /// For programs: any JSON, byte for byte as it was made.
    pub data: Option<Box<RawValue>>,
    /// What the answer rests on, the nearest first.
    pub sources: Vec<Source>,
    /// What the user can click.
    pub choices: Vec<Choice>,
    /// What a language model read and wrote for it.
    pub usage: Option<Usage>,
    /// How far the conversation has come; `None` where nothing is asked.
    pub state: Option<Progress>,
    /// Why the answer isn't whole; `None` where it is.
    pub finish: Option<Finish>,
}

/// How far a conversation has come with what an intent asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Progress {
    pub status: Status,
    /// The intent that asks, or asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<IntentName>,
    /// The slot that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

/// What an intent that asks has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Status {
    /// It asks a slot.
    Asking,
    /// It asks whether it is right so.
    Confirming,
    /// It had all that it needs, and was answered.
    Done,
    /// It asks no more, as the user said or didn't answer.
    Cancelled,
    /// A person has the conversation.
    Person,
}

/// A passage that an answer rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Source {
    /// Its name in the knowledge base.
    pub id: String,
    /// The title that a reader knows it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it says.
    pub text: String,
    /// The file that it stands in, relative to the intents file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where a reader finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How well it fits the question, in 0..=1.
    pub score: f32,
}

/// An answer that the user can click; its value is sent as a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Choice {
    /// What the user sees.
    pub title: String,
    /// What is sent.
    pub value: String,
}

/// How much a language model read and wrote, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Usage {
    /// Read.
    pub input_tokens: u64,
    /// Written.
    pub output_tokens: u64,
}

/// Why an answer isn't whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Finish {
    /// The client stopped it.
    Cancelled,
    /// It was cut off at the longest length that is allowed.
    Length,
}

/// A part of an answer that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "PartBody"))]
pub struct Part {
    /// The run that it is a part of: each time that an answer is begun it has another, and replaces the one before.
    pub run: String,
    /// Its number in the run, from 0.
    pub seq: u32,
    /// The text that it adds.
    pub delta: String,
}

/// What was said in a conversation before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Turn {
    /// Who said it.
    pub role: Role,
    /// What.
    pub text: String,
}

/// Who says something in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Role {
    /// The user.
    User,
    /// The bot; `assistant`, as the services say.
    Assistant,
}

impl PartialEq for Details {
    fn eq(&self, other: &Self) -> bool {
        let raw = |data: &Option<Box<RawValue>>| data.as_deref().map(|data| data.get().to_owned());
        (&self.handler, &self.sources, &self.choices, &self.usage, &self.state, &self.finish)
            == (&other.handler, &other.sources, &other.choices, &other.usage, &other.state, &other.finish)
            && raw(&self.data) == raw(&other.data)
    }
}
