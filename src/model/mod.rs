//! Model clients: what a text is taken to mean. One client a file.
//!
//! [`embedded`] and [`keywords`] work by themselves; the others ask a [`Service`](crate::outbound::Service). A [`Chain`]
//! asks several in turn.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

pub use crate::outbound::Failure;
use crate::{
    domain::{ErrorCode, Prediction},
    outbound::{Judged, ServiceError},
};

mod batcher;
mod catalogue;
mod chain;
pub mod embedded;
pub mod embeddings;
pub mod http;
pub mod keywords;
mod nothing;
pub mod openai;
pub mod rasa;
mod served;
pub mod tei;

pub use self::{
    catalogue::{Catalogue, Intent},
    chain::{Chain, Link, SHARE, prepared},
    nothing::Nothing,
    served::Served,
};

/// A text to classify.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// What the user wrote.
    pub text: &'a str,
    /// The language that the client says it is in, a BCP 47 tag.
    pub locale: Option<&'a str>,
    /// When the answer is of no more use. One for the whole chain of models.
    pub deadline: Instant,
}

impl Query<'_> {
    /// How long an answer is still of use.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Classifies a text's intent.
#[async_trait]
pub trait ModelClient: Send + Sync {
    /// The name that replies and metrics show.
    fn name(&self) -> &str;

    /// The likeliest intents of a text, or what the model decided. Only intents that the bot has.
    ///
    /// # Errors
    /// [`ModelError`], which says what kind of failure it is.
    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError>;

    /// Does what has to be done once before texts can be classified, where that takes a network: called at the start,
    /// and again until it succeeds. Nothing, for most.
    ///
    /// # Errors
    /// [`ModelError`]; what was reached is kept, so that the next call goes on from there.
    async fn prepare(&self) -> Result<(), ModelError> {
        Ok(())
    }
}

/// Why a model didn't answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}{}", self.for_client(), self.said.as_ref().map(|said| format!(" (it says: {said})")).unwrap_or_default())]
pub struct ModelError {
    /// The model's name.
    pub model: Arc<str>,
    /// What kind of failure it is.
    pub failure: Failure,
    /// What happened; never the text, nor a secret.
    pub reason: String,
    /// What a service itself says of it, for the operator alone: it may name accounts and limits.
    pub said: Option<String>,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl ModelError {
    /// A failure that doesn't say when to come back.
    pub fn new(model: &Arc<str>, failure: Failure, reason: impl Into<String>) -> Self {
        Self { model: Arc::clone(model), failure, reason: reason.into(), said: None, retry_after: None }
    }

    /// What the client is told: all but the service's own words.
    pub fn for_client(&self) -> String {
        let Self { model, failure, reason, .. } = self;
        format!("the model '{model}' {failure}: {reason}")
    }

    /// The code that the client is told. All may pass: a retry may find another model, or this one mended.
    pub fn code(&self) -> ErrorCode {
        match self.failure {
            Failure::Timeout | Failure::OutOfTime => ErrorCode::Timeout,
            Failure::Internal => ErrorCode::Internal,
            _ => ErrorCode::ModelUnavailable,
        }
    }
}

impl From<ServiceError> for ModelError {
    fn from(error: ServiceError) -> Self {
        let ServiceError { service, failure, reason, said, retry_after } = error;
        Self { model: service, failure, reason, said, retry_after }
    }
}

impl Judged for ModelError {
    fn failure(&self) -> Failure {
        self.failure
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}
