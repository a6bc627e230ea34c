//! Counts and times what a model is asked.

use std::time::Instant;

use async_trait::async_trait;

use crate::{
    domain::Prediction,
    model::{ModelClient, ModelError, Query},
};

pub(super) struct Measured<M>(M);

impl<M> Measured<M> {
    pub(super) fn new(inner: M) -> Self {
        Self(inner)
    }
}

#[async_trait]
impl<M: ModelClient> ModelClient for Measured<M> {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let asked = Instant::now();
        let answer = self.0.classify(query).await;
        let model = self.name().to_owned();
        let result = answer.as_ref().map_or_else(|error| error.failure.as_str(), |_| "ok");
        metrics::counter!("chatbot_backend_requests_total", "model" => model.clone(), "result" => result).increment(1);
        if answer.as_ref().map_or_else(|error| error.failure.was_asked(), |_| true) {
            metrics::histogram!("chatbot_backend_seconds", "model" => model).record(asked.elapsed());
        }
        answer
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        self.0.prepare().await
    }
}
