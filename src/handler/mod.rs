//! Handlers: what an intent answers. One handler a file; [`Handlers`] asks several in turn.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{
    conversation::{Labels, Slots},
    domain::{Attachment, Classification, Details, Entity, ErrorCode, Finish, IntentName, Key, Request, Source, Turn},
    listener::Listener,
    outbound::{Failure, ServiceError},
};

pub mod claims;
pub mod documents;
mod list;
pub mod llm;
pub mod recommend;
mod retriever;
pub mod search;
pub mod template;
pub mod translate;
pub mod webhook;

pub use list::{Handlers, SHARE, prepared};
pub use retriever::{Retrieved, Retriever};

/// Answers the requests of an intent.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The name that the intents file, replies and metrics call it by.
    fn name(&self) -> &'static str;

    /// The answer to one request; `None` where it has none, so that the next handler is asked.
    ///
    /// # Errors
    /// [`HandlerError`], which says whether it may pass.
    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError>;

    /// What it can do with an attachment of a request. Nothing, for most.
    fn takes(&self, _attachment: &Attachment) -> Takes {
        Takes::Nothing
    }

    /// Whether its work may be stopped where nobody wants the answer any more: it costs, and has no other effect.
    fn may_be_stopped(&self) -> bool {
        false
    }

    /// Does what has to be done once before it answers as well as it can, where that takes a network: called at the start,
    /// and again until it succeeds. Nothing, for most.
    ///
    /// # Errors
    /// Why it can't be done now.
    async fn prepare(&self) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// What a handler can do with an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    /// It takes the attachment as the client sent it, also as an address.
    AsSent,
    /// It takes what is in it, which has to be fetched first where it is an address.
    Content,
}

impl Takes {
    /// Whether there is what it takes of this attachment.
    pub fn has(self, attachment: &Attachment) -> bool {
        match self {
            Self::Nothing => false,
            Self::AsSent => true,
            Self::Content => attachment.bytes().is_some(),
        }
    }
}

/// One request, to be answered by the handlers of its intent.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    pub request: &'a Request,
    pub intent: &'a IntentName,
    /// How it was classified; `None` if the client addressed the intent itself.
    pub classification: Option<&'a Classification>,
    /// What its text names, in its order.
    pub entities: &'a [Entity],
    /// What is known by name: what the intent asked for, and what the conversation knows beside it.
    pub slots: &'a Slots,
    /// What the values of slots are called; `None` where the bot has no slots.
    pub labels: Option<&'a Labels>,
    /// What was said before, the oldest first.
    pub history: &'a [Turn],
    /// What the user said before a follow-up, a text a line; `None` where the text stands alone.
    pub before: Option<&'a str>,
    /// What each of those texts names, in its order; nothing where the bot knows no entities.
    pub named_before: &'a [Vec<Entity>],
    /// The number of this turn of its conversation, from 1; `None` if it is in none.
    pub turn: Option<u64>,
    /// What tells the request from every other, and is the same when it comes again; `None` if its client gave it no id.
    pub key: Option<Key>,
    /// Who waits for the answer, where that is known.
    pub listener: Option<&'a Listener>,
    /// When the answer is of no more use.
    pub deadline: Instant,
}

impl<'a> Job<'a> {
    /// A request outside of any conversation, addressed to its intent.
    pub fn new(request: &'a Request, intent: &'a IntentName, deadline: Instant) -> Self {
        static NONE: Slots = Slots::new();
        let history = &request.history;
        Self {
            request,
            intent,
            classification: None,
            entities: &[],
            slots: &NONE,
            labels: None,
            history,
            before: None,
            named_before: &[],
            turn: None,
            key: None,
            listener: None,
            deadline,
        }
    }

    /// Whether the request has attachments alone, of which the handler takes none.
    fn is_nothing_to(&self, handler: &dyn Handler) -> bool {
        let Request { attachments, .. } = self.request;
        let is_taken = |it: &Attachment| handler.takes(it).has(it);
        !self.request.has_text() && !attachments.is_empty() && !attachments.iter().any(is_taken)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The text for the user.
    pub text: String,
    /// The language of the text, a BCP 47 tag, where it is known.
    pub locale: Option<String>,
    /// What it holds beside the text.
    pub details: Details,
    /// What slots hold from now on; nothing empties one.
    pub slots: Vec<(String, Option<String>)>,
}

impl Answer {
    /// An answer of text alone.
    pub fn text(text: impl Into<String>, locale: Option<String>) -> Self {
        Self { text: text.into(), locale, details: Details::default(), slots: Vec::new() }
    }

    /// What there is of an answer that nobody wants any more.
    pub fn stopped(text: String, sources: Vec<Source>) -> Self {
        let details = Details { sources, finish: Some(Finish::Cancelled), ..Details::default() };
        Self { details, ..Self::text(text, None) }
    }
}

/// Why a handler didn't answer. The reasons are for operators and clients; they never hold the user's text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HandlerError {
    /// It can't answer this request, now or later.
    #[error("the handler of '{intent}' failed: {reason}")]
    Failed { intent: IntentName, reason: String },
    /// It can't answer now; later it may.
    #[error("the handler of '{intent}' is unavailable: {reason}")]
    Unavailable { intent: IntentName, reason: String },
    /// The service that it asks didn't answer.
    #[error("the handler of '{intent}' has no answer of its service: {error}")]
    Service { intent: IntentName, error: ServiceError },
    /// It took longer than it may.
    #[error("the handler of '{intent}' took longer than {limit:?}")]
    TimedOut { intent: IntentName, limit: Duration },
    #[error("the handler of '{intent}' panicked; the worker's standard error says where")]
    Panicked { intent: IntentName },
}

impl HandlerError {
    /// The code that the client is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Failed { .. } => ErrorCode::HandlerFailed,
            Self::Unavailable { .. } | Self::Panicked { .. } => ErrorCode::Internal,
            Self::TimedOut { .. } => ErrorCode::Timeout,
            Self::Service { error, .. } => match error.failure {
                // This text is at fault, or what came of it: to ask again changes nothing.
                Failure::Refused | Failure::BadAnswer => ErrorCode::HandlerFailed,
                Failure::Timeout | Failure::OutOfTime => ErrorCode::Timeout,
                Failure::Internal => ErrorCode::Internal,
                _ => ErrorCode::ModelUnavailable,
            },
        }
    }

    /// What the client is told: all but the service's own words.
    pub fn for_client(&self) -> String {
        match self {
            Self::Service { intent, error } => {
                let error = ServiceError { said: None, ..error.clone() };
                Self::Service { intent: intent.clone(), error }.to_string()
            }
            other => other.to_string(),
        }
    }
}
