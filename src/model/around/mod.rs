//! What stands between the pipeline and a model that another program serves: each a [`ModelClient`] around another.
//!
//! From the outside in: kept answers, metrics, the breaker, the time limit, the limit on requests at once, retries.

mod breaker;
mod cached;
mod limited;
mod measured;
mod retried;
mod timed;

use std::{num::NonZeroU16, time::Duration};

use self::{breaker::Breaker, cached::Cached, limited::Limited, measured::Measured, retried::Retried, timed::Timed};
use super::ModelClient;

/// Within which bounds a model is asked.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// For one answer, with all tries.
    pub timeout: Duration,
    /// How often it is asked again, where the failure may pass at once.
    pub retries: usize,
    /// Requests under way at once.
    pub concurrency: NonZeroU16,
    /// How many answers are kept, and for how long; none where they aren't.
    pub cache: Option<(NonZeroU16, Duration)>,
    /// After how many failures in a row it is left alone.
    pub breaker_failures: NonZeroU16,
    /// For how long.
    pub breaker_pause: Duration,
}

/// A model within its bounds.
pub fn bounded(client: impl ModelClient + 'static, bounds: &Bounds) -> Box<dyn ModelClient> {
    let client = Retried::new(client, bounds.retries);
    let client = Timed::new(Limited::new(client, bounds.concurrency), bounds.timeout);
    let client = Measured::new(Breaker::new(client, bounds.breaker_failures, bounds.breaker_pause));
    match bounds.cache {
        Some((count, age)) => Box::new(Cached::new(client, count, age)),
        None => Box::new(client),
    }
}
