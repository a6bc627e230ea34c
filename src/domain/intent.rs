//! Intents and what a model says of a text.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use super::Entity;

/// The name of an intent, `[A-Za-z0-9_-]{1,64}`: it is part of queue names and routing keys, where a dot or a wildcard
/// would mean something else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("pattern" = "^[A-Za-z0-9_-]{1,64}$")))]
pub struct IntentName(Arc<str>);

/// A text that can't name an intent (or an exchange, which follows the same rule).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no valid name: use 1 to 64 of the characters A-Z a-z 0-9 _ -")]
pub struct InvalidName(pub String);

/// Whether `name` may name an exchange or an intent: `[A-Za-z0-9_-]{1,64}`.
pub fn is_valid_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl IntentName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`InvalidName`] where it doesn't match `[A-Za-z0-9_-]{1,64}`.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if is_valid_name(name) { Ok(Self(name.into())) } else { Err(InvalidName(name.to_owned())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IntentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for IntentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IntentName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(&name)
    }
}

impl From<IntentName> for String {
    fn from(name: IntentName) -> Self {
        name.0.as_ref().to_owned()
    }
}

/// An intent and how sure the model is of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scored {
    pub name: IntentName,
    /// The model's confidence, in 0..=1: the share of such answers that are right. Written with four decimals at most.
    #[serde(serialize_with = "write_rounded")]
    pub confidence: f32,
}

impl Scored {
    /// An intent with its confidence, as it is written: cut to 0..=1 and rounded to four decimals, so that it reads back
    /// as it was. What is no number is no confidence, 0.
    pub fn new(name: IntentName, confidence: f32) -> Self {
        Self { name, confidence: rounded(confidence) }
    }
}

/// A confidence as it is written: in 0..=1, with four decimals at most. Rounding again changes nothing.
pub(super) fn rounded(confidence: f32) -> f32 {
    // The shortest decimal that reads back as this f32, which is what serde_json writes, has those four decimals.
    let steps = (f64::from(confidence).clamp(0.0, 1.0) * 10_000.0).round();
    // NaN and -0, which pass through, are no more than 0.
    if steps > 0.0 { (steps / 10_000.0) as f32 } else { 0.0 }
}

fn write_rounded<S: Serializer>(confidence: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f32(rounded(*confidence))
}

/// What a model says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The likeliest intents, most confident first; empty where the model has no idea, or states no confidence.
    pub ranking: Vec<Scored>,
    /// What the model decided by itself, where it states no confidence that a threshold could be held against.
    pub decision: Option<Decision>,
    /// The least confidence, in 0..=1, with which an intent should answer, as this model advises.
    pub threshold: f32,
    /// The name of the model that answered.
    pub model: Arc<str>,
}

/// What a model decided that answers without a confidence, as a language model does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Intent(IntentName),
    /// It is none of the intents.
    NoIntent,
}

impl Prediction {
    /// Where an answer becomes likelier right than wrong: what is advised for models that know no better.
    pub const EVEN: f32 = 0.5;

    /// The likeliest intents with their confidence, most confident first.
    pub fn ranked(ranking: Vec<Scored>, model: Arc<str>) -> Self {
        Self { ranking, decision: None, threshold: Self::EVEN, model }
    }

    /// The same, of a model that knows from which confidence on it should be believed.
    pub fn advising(self, threshold: f32) -> Self {
        Self { threshold, ..self }
    }

    /// What a model decided without a confidence.
    pub fn decided(decision: Decision, model: Arc<str>) -> Self {
        Self { ranking: Vec::new(), decision: Some(decision), threshold: Self::EVEN, model }
    }
}

/// A prediction after the threshold was applied: which intent answers, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// The confidence in the intent that answers; `None` if it is the fallback.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// Whether the fallback answers, because the model wasn't sure enough.
    #[serde(default)]
    pub fallback: bool,
    /// What the model predicted, where the fallback answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Scored>,
    /// The likeliest intents, most confident first.
    #[serde(default)]
    pub ranking: Vec<Scored>,
    /// The name of the model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    /// What the text names: for the program that handles a message that is forwarded. A reply has them in a place of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity>,
    /// What was said in the request's recordings: for whoever handles a message that is forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
}

impl Classification {
    /// The same, where the intent had no answer and the fallback answers in its place.
    pub fn left_to_fallback(self, intent: IntentName) -> Self {
        let predicted = self.confidence.map(|confidence| Scored::new(intent, confidence));
        Self { confidence: None, fallback: true, predicted: predicted.or(self.predicted), ..self }
    }
}
