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
    pub threshold: Threshold,
    /// How far the second intent has to be behind the likeliest; else the fallback answers.
    pub margin: Fraction,
    /// For one answer of the chain, up to 10 min.
    pub timeout: BoundedDuration<1, 600_000>,
}

/// The least confidence with which an intent answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// The one that the model advises.
    Auto,
    /// This one.
    Fixed(Fraction),
}

impl FromStr for Threshold {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let otherwise = |_| Invalid(format!("{} is neither auto nor a number from 0 to 1, such as 0.5", quote(text)));
        text.parse().map(Self::Fixed).map_err(otherwise)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(fraction) => fraction.fmt(f),
        }
    }
}

serde_as_text!(Threshold);

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
