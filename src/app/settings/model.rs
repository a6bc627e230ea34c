//! The section `model`: what classifies a text, and how sure it has to be.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::config::types::{BoundedDuration, Fraction, Invalid, List, quote, text::serde_as_text};

/// What classifies a text, and how sure it has to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Model {
    /// The models, asked in turn.
    pub chain: List<ModelName>,
    /// The least confidence with which an intent answers; below it, the fallback does.
    pub threshold: Fraction,
    /// For one answer of the chain, up to 10 min.
    pub timeout: BoundedDuration<1, 600_000>,
}

/// A model that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelName {
    /// The one that is built in, trained on the intents file's examples.
    Embedded,
}

impl FromStr for ModelName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "embedded" => Ok(Self::Embedded),
            _ => Err(Invalid(format!(
                "{} isn't a model that this version has: so far, only embedded is known",
                quote(text)
            ))),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
        })
    }
}

serde_as_text!(ModelName);
