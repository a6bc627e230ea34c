//! Handlers: what an intent answers. One handler a file.

use async_trait::async_trait;

use crate::domain::{Classification, Entity, ErrorCode, IntentName, Request};

pub mod template;

/// Answers the requests of an intent.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The answer to one request.
    ///
    /// # Errors
    /// [`HandlerError`], which says whether it may pass.
    async fn handle(&self, job: &Job<'_>) -> Result<Answer, HandlerError>;
}

/// One request, to be answered by the handler of its intent.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    pub request: &'a Request,
    pub intent: &'a IntentName,
    /// How it was classified; `None` if the client addressed the intent itself.
    pub classification: Option<&'a Classification>,
    /// What its text names, in its order.
    pub entities: &'a [Entity],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The text for the user.
    pub text: String,
    /// The language of the text, a BCP 47 tag, where it is known.
    pub locale: Option<String>,
}

/// Why a handler didn't answer. The reasons are for operators and clients; they never hold the user's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// It can't answer this request, now or later.
    #[error("the handler of '{intent}' failed: {reason}")]
    Failed { intent: IntentName, reason: String },
    /// It can't answer now; later it may.
    #[error("the handler of '{intent}' is unavailable: {reason}")]
    Unavailable { intent: IntentName, reason: String },
}

impl HandlerError {
    /// The code that the client is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Failed { .. } => ErrorCode::HandlerFailed,
            Self::Unavailable { .. } => ErrorCode::Internal,
        }
    }
}
