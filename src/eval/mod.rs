//! How good a model is: measures, advice, a cascade's thresholds, and a report to look at.
//!
//! How good a search of documents is, too ([`search`]).
//!
//! A model client is asked for every text of a test ([`ask`]); its answers beside the truth ([`Answer`]) are all that
//! the measures ([`metrics`], [`threshold`]), the advice ([`advice`]), the cascade ([`tuning`]) and the report ([`report`])
//! know.
//!
//! **Invariant:** no file, no clock but for the model's own time, no chance: the same answers give the same result.

pub mod advice;
mod ask;
pub mod dialogues;
pub mod folds;
pub mod metrics;
pub mod near;
mod page;
pub mod report;
mod result;
pub mod search;
pub mod search_report;
pub mod threshold;
pub mod tuning;

pub use ask::{Asked, ask, latencies};
pub use result::{Failed, Latency, Measured, Oos, Subject, ThresholdFrom, in_words};

use crate::domain::IntentName;

/// A text, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What a user says.
    pub text: String,
    /// What they mean; `None` if it is out of scope.
    pub intent: Option<IntentName>,
}

/// What a model said of a text, beside the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub text: String,
    /// What it means; `None` if it is out of scope.
    pub expected: Option<IntentName>,
    /// The model's likeliest intent, with any confidence; `None` if it named none.
    pub predicted: Option<IntentName>,
    /// The model's confidence in it, 0..=1; `None` if it decided without one.
    pub confidence: Option<f32>,
    /// Its confidence in the next intent, 0..=1.
    pub second: f32,
    /// The least confidence with which an intent should answer, as the model advises.
    pub advised: f32,
    /// Whether the model didn't answer; then it named nothing.
    pub failed: bool,
}

impl Answer {
    /// Whether the text is in scope and the likeliest intent is its own.
    pub fn is_right(&self) -> bool {
        self.expected.is_some() && self.expected == self.predicted
    }

    /// Whether an intent answers, and not the fallback, at this threshold.
    pub fn is_accepted(&self, threshold: f32) -> bool {
        self.predicted.is_some() && self.confidence.is_none_or(|confidence| confidence >= threshold)
    }

    /// Whether the fallback answers at this threshold: it does neither where an intent does, nor where the model failed.
    pub fn is_refused(&self, threshold: f32) -> bool {
        !self.failed && !self.is_accepted(threshold)
    }
}
