//! What a client is told where there is no answer.

use std::time::Duration;

use tokio::time::Instant;

use super::{Job, left};
use crate::{
    domain::{ErrorCode, IntentName, MessageError},
    model::ModelError,
};

pub(super) fn timed_out(job: &Job, started: Instant, who: &str, limit: Duration) -> MessageError {
    if left(job, started) == Some(Duration::ZERO) {
        return deadline_exceeded();
    }
    MessageError::new(ErrorCode::Timeout, format!("{who} took longer than {limit:?}"))
}

pub fn deadline_exceeded() -> MessageError {
    MessageError::new(ErrorCode::DeadlineExceeded, "the deadline passed before the request was answered")
}

pub(super) fn panicked(who: &str) -> MessageError {
    MessageError::new(ErrorCode::Internal, format!("{who} panicked; the worker's standard error says where"))
}

pub(super) fn model_error(error: &ModelError) -> MessageError {
    MessageError::new(error.code(), error.for_client())
}

pub(super) fn no_answer(intent: &IntentName) -> MessageError {
    MessageError::new(ErrorCode::HandlerFailed, format!("no handler of '{intent}' has an answer to this"))
}
