//! What was measured of one model, as programs read it.

use std::time::Duration;

use serde::Serialize;

use super::{Answer, Case, advice::Advice, ask::latencies, metrics};
use crate::model::{Failure, ModelError};

/// What was measured of one model.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub model: String,
    /// The examples that it learnt from.
    pub n_train: usize,
    /// The intents that they have.
    pub n_intents: usize,
    /// The texts that it was tried on, in scope or not.
    pub n_test: usize,
    /// How often the examples were parted into those to learn from and those to be tried on; `None` if the test is a
    /// file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    pub accuracy: Option<f64>,
    /// Where the accuracy lies with 95 % confidence: [`metrics::wilson`].
    pub accuracy_interval: (f64, f64),
    pub macro_f1: Option<f64>,
    /// How texts out of scope fare, and what refusing them costs.
    pub oos: Oos,
    pub ece: Option<f64>,
    /// The least confidence with which an intent answers; `None` if the model decides without one.
    pub threshold: Option<f32>,
    /// Where the threshold comes from.
    pub threshold_from: ThresholdFrom,
    /// The texts on which the model failed. They count as not understood, and as not refused.
    pub failed: usize,
    /// Why, the most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failed>,
    /// Seconds that training took, the model's own calibration included; of all folds together.
    pub train_seconds: f64,
    /// Microseconds that one answer takes; what failed doesn't count.
    pub latency_us: Latency,
    /// What to do about it; what matters most comes first.
    pub advice: Vec<Advice>,
}

/// How texts out of scope fare, and what refusing them costs.
#[derive(Debug, Clone, Serialize)]
pub struct Oos {
    pub n: usize,
    /// [`metrics::auroc`]; none without such texts.
    pub auroc: Option<f64>,
    /// [`metrics::oos_recall`] at the threshold; none without such texts.
    pub recall: Option<f64>,
    /// [`metrics::in_scope_accuracy`] at the threshold.
    pub in_scope_accuracy: Option<f64>,
}

/// How long one answer takes, in microseconds; none without any.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Half of them at most.
    pub p50: Option<f64>,
    /// 99 in 100 of them at most.
    pub p99: Option<f64>,
}

/// Microseconds, in the unit that is read best.
pub fn in_words(micros: f64) -> String {
    match micros {
        ..1e3 => format!("{micros:.0} µs"),
        ..1e6 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

/// On how many texts a model failed in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The way: [`Failure::as_str`], or `not_asked` for those behind the first ones, where all of these failed.
    pub kind: &'static str,
    pub count: usize,
    /// What it said the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

/// Where a threshold comes from. Never from the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdFrom {
    /// Fitted to the validation file.
    Validation,
    /// What the model advises.
    Advised,
    /// The model decides by itself.
    Decided,
    /// Fitted by cross-validation on the training examples.
    CrossValidation,
    /// The setting `model.threshold`.
    Setting,
}

/// How a model was come by.
#[derive(Debug, Clone)]
pub struct Subject {
    pub model: String,
    /// How often the examples were parted, where the test isn't a file of its own.
    pub folds: Option<usize>,
    /// The least confidence with which an intent answers; `None` if it decides without one.
    pub threshold: Option<f32>,
    /// Where the threshold comes from.
    pub threshold_from: ThresholdFrom,
    pub training: Duration,
    /// How long each answer took.
    pub times: Vec<Duration>,
    /// Why others failed.
    pub errors: Vec<ModelError>,
}

impl Measured {
    /// Measures a model by its answers.
    pub fn new(subject: Subject, train: &[Case], answers: &[Answer], advice: Vec<Advice>) -> Self {
        let in_scope = answers.iter().filter(|answer| answer.expected.is_some()).count();
        let right = answers.iter().filter(|answer| answer.is_right()).count();
        let learnt: Vec<_> = train.iter().filter_map(|case| case.intent.as_ref()).collect();
        let failed = answers.iter().filter(|answer| answer.failed).count();
        let times = latencies(subject.times);
        let tenths = |micros: f64| (micros * 10.0).round() / 10.0;
        // What decides by itself is held against none.
        let threshold = subject.threshold.unwrap_or(0.0);
        Self {
            model: subject.model,
            n_train: learnt.len(),
            n_intents: learnt.into_iter().collect::<std::collections::HashSet<_>>().len(),
            n_test: answers.len(),
            folds: subject.folds,
            accuracy: metrics::accuracy(answers),
            accuracy_interval: metrics::wilson(right, in_scope),
            macro_f1: metrics::macro_f1(answers),
            oos: Oos {
                n: answers.len() - in_scope,
                auroc: metrics::auroc(answers),
                recall: metrics::oos_recall(answers, threshold),
                in_scope_accuracy: metrics::in_scope_accuracy(answers, threshold),
            },
            ece: metrics::ece(answers),
            threshold: subject.threshold,
            threshold_from: subject.threshold_from,
            failed,
            failures: failures(&subject.errors, failed),
            train_seconds: subject.training.as_secs_f64(),
            latency_us: Latency { p50: times.map(|it| tenths(it.0)), p99: times.map(|it| tenths(it.1)) },
            advice,
        }
    }
}

/// The ways in which a model failed, of `failed` texts.
fn failures(errors: &[ModelError], failed: usize) -> Vec<Failed> {
    let of = |failure: Failure| {
        let mut these = errors.iter().filter(|error| error.failure == failure);
        let first = these.next()?.to_string();
        Some(Failed { kind: failure.as_str(), count: these.count() + 1, first: Some(first) })
    };
    let mut failures: Vec<_> = Failure::ALL.into_iter().filter_map(of).collect();
    failures.sort_by_key(|it| std::cmp::Reverse(it.count));
    let not_asked = failed.saturating_sub(errors.len());
    failures.extend((not_asked > 0).then_some(Failed { kind: "not_asked", count: not_asked, first: None }));
    failures
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_is_read_best() {
        for (micros, told) in [(0.4, "0 µs"), (999.0, "999 µs"), (1234.0, "1.2 ms"), (2_500_000.0, "2.5 s")] {
            assert_eq!(in_words(micros), told);
        }
    }

    #[test]
    fn failures_are_told_by_kind() {
        let model: Arc<str> = "m".into();
        let errors: Vec<_> = [Failure::Timeout, Failure::Server, Failure::Server]
            .into_iter()
            .map(|failure| ModelError::new(&model, failure, "why"))
            .collect();
        let told: Vec<_> = failures(&errors, 5).into_iter().map(|it| (it.kind, it.count, it.first)).collect();
        let said = |what: &str| Some(format!("the model 'm' {what}: why"));
        let expected = [("server", 2, said("failed")), ("timeout", 1, said("took too long")), ("not_asked", 2, None)];
        assert_eq!(told, expected);
        assert_eq!(failures(&[], 0), []);
    }
}
