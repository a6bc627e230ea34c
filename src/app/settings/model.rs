//! The section `model`: what classifies a text, and how sure it has to be.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::DEFAULTS;
use crate::config::{
    Conflict,
    types::{BoundedDuration, Fraction, Invalid, List, choose, quote, text::serde_as_text},
};

/// What classifies a text, and how sure it has to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Model {
    /// The models, asked in turn.
    pub chain: List<ModelName>,
    /// What is asked where the chain's models fail, unless the chain names it.
    pub last_resort: LastResort,
    /// The least confidence with which an intent answers; below it, the fallback does.
    pub threshold: Threshold,
    /// How far the second intent has to be behind the likeliest; else the fallback answers.
    pub margin: Fraction,
    /// For one answer of the chain, up to 10 min.
    pub timeout: BoundedDuration<1, 600_000>,
}

impl Model {
    /// The models in the order in which they are asked, the last resort included.
    pub fn links(&self) -> impl Iterator<Item = &ModelName> {
        static EMBEDDED: ModelName = ModelName::Embedded;
        let added = self.last_resort == LastResort::Embedded && !self.chain.contains(&EMBEDDED);
        self.chain.iter().chain(added.then_some(&EMBEDDED))
    }

    pub(super) fn conflict(&self) -> Option<Conflict> {
        let twice = (1..self.chain.len()).find(|&at| self.chain[..at].contains(&self.chain[at]))?;
        Some(Conflict {
            keys: vec!["model.chain".into()],
            message: format!("'{}' is there twice: a model is asked once", self.chain[twice]),
        })
    }
}

/// The least confidence with which an intent answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// The one that the model advises.
    Auto,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelName {
    /// The one that is built in, trained on the intents file's examples.
    Embedded,
    Section(String),
}

/// What is asked where all of the chain fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastResort {
    /// The built-in model.
    Embedded,
    /// Nothing: the request is tried again later.
    Off,
}

impl FromStr for ModelName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let well_formed = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !well_formed {
            let rule = "write a-z and 0-9, a letter first, such as qwen, or embedded for the one that is built in";
            return Err(Invalid(format!("{} can't name a model: {rule}", quote(text))));
        }
        // What Kubernetes injects for a Service called as the program, and the variable that names the settings file.
        let taken = ["service", "port", "config"].contains(&text);
        if taken || DEFAULTS.lines().any(|line| line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) == Some(text))
        {
            let message = format!("{} can't name a model, as it means something else: choose another", quote(text));
            return Err(Invalid(message));
        }
        Ok(Self::Section(text.to_owned()))
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Section(name) => name,
        })
    }
}

serde_as_text!(ModelName);

impl FromStr for LastResort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choose(text, &[("embedded", Self::Embedded), ("off", Self::Off)])
    }
}

impl fmt::Display for LastResort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Off => "off",
        })
    }
}

serde_as_text!(LastResort);
