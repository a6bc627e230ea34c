//! Model clients: what a text is taken to mean. One client a file.
//!
//! [`embedded`] and [`keywords`] work by themselves; the others ask a service over an [`Endpoint`], and stand within
//! [`around`]'s bounds. A [`Chain`] asks several in turn.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::domain::{ErrorCode, Prediction};

pub mod around;
mod batcher;
mod catalogue;
mod chain;
pub mod embedded;
pub mod embeddings;
mod endpoint;
pub mod http;
pub mod keywords;
pub mod openai;
pub mod rasa;
pub mod tei;

pub use self::{
    catalogue::{Catalogue, Intent},
    chain::{Chain, Link, prepared},
    endpoint::{Connection, Endpoint, bearer},
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
#[error("the model '{model}' {failure}: {reason}")]
pub struct ModelError {
    /// The model's name.
    pub model: Arc<str>,
    /// What kind of failure it is.
    pub failure: Failure,
    /// What happened; never the text, nor a secret.
    pub reason: String,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// The kinds of failure, as metrics tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It can't be reached, or the connection broke.
    Unreachable,
    /// It took too long.
    Timeout,
    /// It has too much to do: 429, or a 503 that says when to come back.
    Throttled,
    /// A fault of its own: 5xx.
    Server,
    /// It doesn't take the request: 4xx, which waiting won't change.
    Refused,
    /// Its answer can't be used: not what was asked for, too large, or an intent that the bot hasn't.
    BadAnswer,
    /// It wasn't asked: as many requests as allowed are under way.
    Busy,
    /// It wasn't asked: it failed so often that it is left alone for a while.
    Open,
    /// It wasn't asked: it has yet to be prepared.
    NotReady,
}

impl Failure {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Unreachable,
        Self::Timeout,
        Self::Throttled,
        Self::Server,
        Self::Refused,
        Self::BadAnswer,
        Self::Busy,
        Self::Open,
        Self::NotReady,
    ];

    /// The word that metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::Server => "server",
            Self::Refused => "refused",
            Self::BadAnswer => "bad_answer",
            Self::Busy => "busy",
            Self::Open => "open",
            Self::NotReady => "not_ready",
        }
    }

    /// Whether the same request may succeed at once.
    fn may_pass_at_once(self) -> bool {
        matches!(self, Self::Unreachable | Self::Server)
    }

    /// Whether the model was asked at all.
    fn was_asked(self) -> bool {
        !matches!(self, Self::Busy | Self::Open | Self::NotReady)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "can't be reached",
            Self::Timeout => "took too long",
            Self::Throttled => "asks to be left alone",
            Self::Server => "failed",
            Self::Refused => "refused the request",
            Self::BadAnswer => "gave an answer that can't be used",
            Self::Busy => "has as many requests as are allowed",
            Self::Open => "failed too often and is left alone for a while",
            Self::NotReady => "isn't ready yet",
        })
    }
}

impl ModelError {
    /// A failure that doesn't say when to come back.
    pub fn new(model: &Arc<str>, failure: Failure, reason: impl Into<String>) -> Self {
        Self { model: Arc::clone(model), failure, reason: reason.into(), retry_after: None }
    }

    /// The code that the client is told. All may pass: a retry may find another model, or this one mended.
    pub fn code(&self) -> ErrorCode {
        match self.failure {
            Failure::Timeout => ErrorCode::Timeout,
            _ => ErrorCode::ModelUnavailable,
        }
    }
}
