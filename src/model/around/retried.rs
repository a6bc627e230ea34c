//! Asks again at once where a failure may pass at once.

use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};

use crate::{
    domain::Prediction,
    model::{ModelClient, ModelError, Query},
};

/// The first pause; the next is twice as long. Each is up to twice that, at random, so that workers don't come together.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Retried<M> {
    inner: M,
    times: usize,
}

impl<M> Retried<M> {
    pub(super) fn new(inner: M, times: usize) -> Self {
        Self { inner, times }
    }
}

#[async_trait]
impl<M: ModelClient> ModelClient for Retried<M> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(PAUSE)
            .with_max_delay(MAX_PAUSE)
            .with_max_times(self.times)
            .with_jitter();
        (|| self.inner.classify(query))
            .retry(pauses)
            .when(|error: &ModelError| error.failure.may_pass_at_once())
            .adjust(|_, pause| pause.filter(|pause| *pause < query.time_left()))
            .await
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        self.inner.prepare().await
    }
}
