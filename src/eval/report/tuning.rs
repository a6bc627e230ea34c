//! The chart of a cascade: what it costs, and what it buys.

use serde::Serialize;

use super::x;
use crate::eval::{Measured, tuning::Tuning};

/// What the template draws.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    first: String,
    next: String,
    tuning: Tuning,
    points: String,
    ticks: Vec<Tick>,
    /// Where the budget ends.
    budget: f64,
    best: Dot,
    unset: Dot,
}

/// A line of the y axis.
#[derive(Debug, Serialize)]
struct Tick {
    y: f64,
    percent: f64,
}

#[derive(Debug, Serialize)]
struct Dot {
    x: f64,
    y: f64,
}

impl Chart {
    /// The chart of the first two models' cascade.
    pub(super) fn new(tuning: &Tuning, models: &[Measured]) -> Self {
        let name = |at: usize| models.get(at).map_or(String::new(), |model| model.model.clone());
        // A few per cent are what it is about: the axis has no more than is needed, in steps of five.
        let rights = tuning.curve.iter().chain([&tuning.best, &tuning.unset]).map(|point| point.right);
        let (low, high) = rights.fold((1.0_f64, 0.0_f64), |(low, high), right| (low.min(right), high.max(right)));
        let low = ((low * 20.0).floor() / 20.0).min(0.95);
        let high = ((high * 20.0).ceil() / 20.0).max(low + 0.05);
        let y = |right: f64| 10.0 + 220.0 * (high - right) / (high - low);
        let dot = |asked: f64, right: f64| Dot { x: x(asked), y: y(right) };
        let points = tuning.curve.iter().map(|point| format!("{:.1},{:.1}", x(point.asked), y(point.right)));
        let tick = |fifth: u8| {
            let right = low + (high - low) * f64::from(fifth) / 5.0;
            Tick { y: y(right), percent: right * 100.0 }
        };
        Self {
            first: name(0),
            next: name(1),
            points: points.collect::<Vec<_>>().join(" "),
            ticks: (0..=5).map(tick).collect(),
            budget: x(tuning.budget),
            best: dot(tuning.best.asked, tuning.best.right),
            unset: dot(tuning.unset.asked, tuning.unset.right),
            tuning: tuning.clone(),
        }
    }
}
