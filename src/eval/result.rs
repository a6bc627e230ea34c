//! What was measured of one model, as programs read it.

use std::time::Duration;

use serde::Serialize;

use super::{Answer, Case, advice::Advice, ask::latencies, metrics};

/// What was measured of one model.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The model's name.
    pub model: String,
    /// The examples that it learnt from.
    pub n_train: usize,
    /// The intents that they have.
    pub n_intents: usize,
    /// The texts that it was tried on, in scope or not.
    pub n_test: usize,
    /// How often the examples were parted into those to learn from and those to be tried on; none where the test is a
    /// file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// [`metrics::accuracy`].
    pub accuracy: Option<f64>,
    /// Where the accuracy lies with 95 % confidence: [`metrics::wilson`].
    pub accuracy_interval: (f64, f64),
    /// [`metrics::macro_f1`].
    pub macro_f1: Option<f64>,
    /// How texts out of scope fare, and what refusing them costs.
    pub oos: Oos,
    /// [`metrics::ece`].
    pub ece: Option<f64>,
    /// The least confidence with which an intent answers.
    pub threshold: f32,
    /// Where the threshold comes from.
    pub threshold_from: ThresholdFrom,
    /// Seconds that training took, the model's own calibration included; of all folds together.
    pub train_seconds: f64,
    /// Microseconds that one answer takes.
    pub latency_us: Latency,
    /// What to do about it; what matters most comes first.
    pub advice: Vec<Advice>,
}

/// How texts out of scope fare, and what refusing them costs.
#[derive(Debug, Clone, Serialize)]
pub struct Oos {
    /// How many there are.
    pub n: usize,
    /// [`metrics::auroc`]; none without such texts.
    pub auroc: Option<f64>,
    /// [`metrics::oos_recall`] at the threshold; none without such texts.
    pub recall: Option<f64>,
    /// [`metrics::in_scope_accuracy`] at the threshold.
    pub in_scope_accuracy: Option<f64>,
}

/// How long one answer takes, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Half of them at most.
    pub p50: f64,
    /// 99 in 100 of them at most.
    pub p99: f64,
}

/// Where a threshold comes from. Never from the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdFrom {
    /// Fitted to the validation file.
    Validation,
    /// Fitted by cross-validation on the training examples.
    CrossValidation,
    /// The setting `model.threshold`.
    Setting,
}

/// How a model was come by.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The model's name.
    pub model: String,
    /// How often the examples were parted, where the test isn't a file of its own.
    pub folds: Option<usize>,
    /// The least confidence with which an intent answers.
    pub threshold: f32,
    /// Where the threshold comes from.
    pub threshold_from: ThresholdFrom,
    /// How long training took.
    pub training: Duration,
    /// How long each answer took.
    pub times: Vec<Duration>,
}

impl Measured {
    /// Measures a model by its answers.
    pub fn new(subject: Subject, train: &[Case], answers: &[Answer], advice: Vec<Advice>) -> Self {
        let in_scope = answers.iter().filter(|answer| answer.expected.is_some()).count();
        let right = answers.iter().filter(|answer| answer.is_right()).count();
        let learnt: Vec<_> = train.iter().filter_map(|case| case.intent.as_ref()).collect();
        let (p50, p99) = latencies(subject.times);
        let tenths = |micros: f64| (micros * 10.0).round() / 10.0;
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
                recall: metrics::oos_recall(answers, subject.threshold),
                in_scope_accuracy: metrics::in_scope_accuracy(answers, subject.threshold),
            },
            ece: metrics::ece(answers),
            threshold: subject.threshold,
            threshold_from: subject.threshold_from,
            train_seconds: subject.training.as_secs_f64(),
            latency_us: Latency { p50: tenths(p50), p99: tenths(p99) },
            advice,
        }
    }
}
