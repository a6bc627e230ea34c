//! Models asked in turn, within one deadline: the next where one fails (fallback), or isn't sure (cascade).
//!
//! **Invariant:** a model that isn't the last leaves a fifth of the time to those behind it, so that the chain answers
//! in time if the last one is quick. A panic is a failure of the model that panicked.

#[cfg(test)]
mod tests;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{FutureExt, future::join_all};
use tokio::time::{Instant, timeout_at};

use super::{Failure, ModelClient, ModelError, Query};
use crate::domain::{ChoiceRule, Prediction};

/// How much of what is left of the time a model may take that isn't the last.
pub const SHARE: f64 = 0.8;

const PANICKED: &str = "it panicked; the worker's standard error says where";

/// A model of a chain, and when the next isn't asked.
pub struct Link {
    /// The model.
    pub model: Box<dyn ModelClient>,
    /// By which its answer is sure.
    pub sure: ChoiceRule,
}

impl Link {
    /// Whether the next needn't be asked. What a model decides without a confidence is taken at its word.
    fn is_sure(&self, prediction: &Prediction) -> bool {
        prediction.decision.is_some() || self.sure.doubt(prediction).is_none()
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        let panicked = || ModelError::new(&Arc::from(self.model.name()), Failure::Internal, PANICKED);
        AssertUnwindSafe(self.model.prepare()).catch_unwind().await.unwrap_or_else(|_| Err(panicked()))
    }
}

/// Models asked in turn.
pub struct Chain {
    name: String,
    links: Vec<Link>,
}

impl Chain {
    /// The chain of these models, of which there is at least one.
    pub fn new(links: Vec<Link>) -> Self {
        let names: Vec<&str> = links.iter().map(|link| link.model.name()).collect();
        Self { name: names.join(","), links }
    }

    async fn ask(&self, at: usize, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let (link, now) = (&self.links[at], Instant::now());
        let left = query.deadline.saturating_duration_since(now);
        let is_last = at + 1 == self.links.len();
        let query = Query { deadline: if is_last { query.deadline } else { now + left.mul_f64(SHARE) }, ..*query };
        let error = |failure, reason: &str| Err(ModelError::new(&Arc::from(link.model.name()), failure, reason));
        match timeout_at(query.deadline, AssertUnwindSafe(link.model.classify(&query)).catch_unwind()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => error(Failure::Internal, PANICKED),
            Err(_) => error(Failure::Timeout, "no answer in time"),
        }
    }
}

#[async_trait]
impl ModelClient for Chain {
    fn name(&self) -> &str {
        &self.name
    }

    /// The answer of the first model that is sure; else that of the last one that answered.
    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let (mut unsure, mut failed) = (None, None);
        for (at, link) in self.links.iter().enumerate() {
            match self.ask(at, query).await {
                Ok(prediction) if link.is_sure(&prediction) => return Ok(prediction),
                Ok(prediction) => unsure = Some(prediction),
                Err(error) => {
                    tracing::debug!(%error, "a model of the chain didn't answer");
                    failed = Some(error);
                }
            }
        }
        match (unsure, failed) {
            (Some(prediction), _) => Ok(prediction),
            (None, Some(error)) => Err(error),
            (None, None) => Err(ModelError::new(&Arc::from(self.name()), Failure::NotReady, "the chain is empty")),
        }
    }

    /// Prepares all of them, each until it succeeds or for the last time here.
    async fn prepare(&self) -> Result<(), ModelError> {
        join_all(self.links.iter().map(Link::prepare)).await.into_iter().collect()
    }
}

/// Prepares a model, again and again until it succeeds; told once.
pub async fn prepared(model: &dyn ModelClient) {
    /// Between two tries.
    const PAUSE: Duration = Duration::from_secs(5);
    let mut told = false;
    while let Err(error) = model.prepare().await {
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "a model can't be prepared yet; it is tried again, and the others answer meanwhile");
        }
        tokio::time::sleep(PAUSE).await;
    }
    if told {
        tracing::info!("the model is prepared");
    }
}
