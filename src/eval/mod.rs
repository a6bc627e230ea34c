//! How good a model is: measures, advice, and a report to look at.
//!
//! A model client is asked for every text of a test ([`ask`]); its answers beside the truth ([`Answer`]) are all that
//! the measures ([`metrics`], [`threshold`]), the advice ([`advice`]) and the report ([`report`]) know.
//!
//! **Invariant:** no file, no clock but for the model's own time, no chance: the same answers give the same result.

pub mod advice;
mod ask;
pub mod folds;
pub mod metrics;
pub mod near;
pub mod report;
mod result;
pub mod threshold;

pub use ask::{ask, latencies};
pub use result::{Latency, Measured, Oos, Subject, ThresholdFrom};

use crate::domain::IntentName;

/// A text, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What a user says.
    pub text: String,
    /// What they mean; none where it is out of scope.
    pub intent: Option<IntentName>,
}

/// What a model said of a text, beside the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// What it means; none where it is out of scope.
    pub expected: Option<IntentName>,
    /// The model's likeliest intent, whatever its confidence; none where it named none.
    pub predicted: Option<IntentName>,
    /// The model's confidence in it, 0..=1.
    pub confidence: f32,
}

impl Answer {
    /// Whether the text is in scope and the likeliest intent is its own.
    pub fn is_right(&self) -> bool {
        self.expected.is_some() && self.expected == self.predicted
    }

    /// Whether an intent answers, and not the fallback, at this threshold.
    pub fn is_accepted(&self, threshold: f32) -> bool {
        self.predicted.is_some() && self.confidence >= threshold
    }
}
