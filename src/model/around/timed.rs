//! Gives a model up after a while, so that another can still be asked.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use crate::{
    domain::Prediction,
    model::{Failure, ModelClient, ModelError, Query},
};

pub(super) struct Timed<M> {
    inner: M,
    limit: Duration,
}

impl<M> Timed<M> {
    pub(super) fn new(inner: M, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

#[async_trait]
impl<M: ModelClient> ModelClient for Timed<M> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let query = Query { deadline: query.deadline.min(Instant::now() + self.limit), ..*query };
        timeout_at(query.deadline, self.inner.classify(&query))
            .await
            .unwrap_or_else(|_| Err(ModelError::new(&Arc::from(self.name()), Failure::Timeout, "no answer in time")))
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        self.inner.prepare().await
    }
}
