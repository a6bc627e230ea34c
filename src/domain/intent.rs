//! Intents and what a model says of a text.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of an intent, `[A-Za-z0-9_-]{1,64}`: it is part of queue names and routing keys, where a dot or a wildcard
/// would mean something else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

    /// The name.
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
pub struct Scored {
    /// The intent.
    pub name: IntentName,
    /// The model's confidence, in 0..=1: the share of such answers that are right.
    pub confidence: f32,
}

/// What a model says of a text: its intents, the likeliest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The likeliest intents, most confident first; never empty.
    pub ranking: Vec<Scored>,
    /// The name of the model that answered.
    pub model: Arc<str>,
}

/// A prediction after the threshold was applied: which intent answers, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// The confidence in the intent that answers; none where it is the fallback.
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
}
