//! Lets so many requests be under way at once; further ones wait, as long as an answer is of use.

use std::{num::NonZeroU16, sync::Arc};

use async_trait::async_trait;
use tokio::{sync::Semaphore, time::timeout_at};

use crate::{
    domain::Prediction,
    model::{Failure, ModelClient, ModelError, Query},
};

pub(super) struct Limited<M> {
    inner: M,
    places: Semaphore,
}

impl<M> Limited<M> {
    pub(super) fn new(inner: M, at_once: NonZeroU16) -> Self {
        Self { inner, places: Semaphore::new(at_once.get().into()) }
    }
}

#[async_trait]
impl<M: ModelClient> ModelClient for Limited<M> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        match timeout_at(query.deadline, self.places.acquire()).await {
            Ok(Ok(_place)) => self.inner.classify(query).await,
            _ => Err(ModelError::new(&Arc::from(self.name()), Failure::Busy, "none of them ended in time")),
        }
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        self.inner.prepare().await
    }
}
