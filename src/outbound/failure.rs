//! Why a service didn't answer, and whose fault that is.
//!
//! **Invariant:** what says nothing about the next request doesn't count against the service: a request that ran out of
//! its own time, a caller who left, a text that was refused, an answer that can't be used for this one text.

use std::{fmt, sync::Arc, time::Duration};

/// Why a service didn't answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the service '{service}' {failure}: {reason}{}", said.as_ref().map(|said| format!(" (it says: {said})")).unwrap_or_default())]
pub struct ServiceError {
    /// The service's name.
    pub service: Arc<str>,
    /// What kind of failure it is.
    pub failure: Failure,
    /// What happened; never what a user wrote, nor a secret.
    pub reason: String,
    /// What the service itself says of it, for the operator: short, and without what a user wrote.
    pub said: Option<String>,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl ServiceError {
    /// A failure of which the service said nothing.
    pub fn new(service: &Arc<str>, failure: Failure, reason: impl Into<String>) -> Self {
        Self { service: Arc::clone(service), failure, reason: reason.into(), said: None, retry_after: None }
    }
}

/// An error of a request to a service: what the metrics, the log and the circuit breaker have to know of it.
pub trait Judged: From<ServiceError> + fmt::Display {
    /// What kind of failure it is.
    fn failure(&self) -> Failure;

    /// How long the service asks to be left alone.
    fn retry_after(&self) -> Option<Duration>;
}

impl Judged for ServiceError {
    fn failure(&self) -> Failure {
        self.failure
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// The kinds of failure, as metrics tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It can't be reached, or the connection broke.
    Unreachable,
    /// It took longer than its time limit.
    Timeout,
    /// It has too much to do: 429, or a 503 that says when to come back.
    Throttled,
    /// A fault of its own: 5xx.
    Server,
    /// It takes no request of ours: the key, the account or the address is wrong.
    Denied,
    /// It doesn't take this request: 400, 413, 422, a content filter.
    Refused,
    /// Its answer can't be used: not what was asked for, too large, or an intent that the bot hasn't.
    BadAnswer,
    /// The request had less time left than the service's time limit, and that wasn't enough.
    OutOfTime,
    /// It wasn't asked: as many requests as allowed are under way.
    Busy,
    /// It wasn't asked: it failed so often that it is left alone for a while.
    Open,
    /// It wasn't asked: it has yet to be prepared.
    NotReady,
    /// It wasn't asked: it has had all the tokens that it may have today.
    Budget,
    /// The program itself failed: a panic.
    Internal,
}

impl Failure {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Unreachable,
        Self::Timeout,
        Self::Throttled,
        Self::Server,
        Self::Denied,
        Self::Refused,
        Self::BadAnswer,
        Self::OutOfTime,
        Self::Busy,
        Self::Open,
        Self::NotReady,
        Self::Budget,
        Self::Internal,
    ];

    /// The word that metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::Server => "server",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::BadAnswer => "bad_answer",
            Self::OutOfTime => "out_of_time",
            Self::Busy => "busy",
            Self::Open => "open",
            Self::NotReady => "not_ready",
            Self::Budget => "budget",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request may succeed at once.
    pub(super) fn may_pass_at_once(self) -> bool {
        matches!(self, Self::Unreachable | Self::Server)
    }

    /// Whether the service was asked at all.
    pub(super) fn was_asked(self) -> bool {
        !matches!(self, Self::Busy | Self::Open | Self::NotReady | Self::Budget)
    }

    /// Whether it is the service's own, so that the next request will likely fare the same.
    pub(super) fn counts(self) -> bool {
        matches!(self, Self::Unreachable | Self::Timeout | Self::Throttled | Self::Server | Self::Denied)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "can't be reached",
            Self::Timeout => "took too long",
            Self::Throttled => "asks to be left alone",
            Self::Server => "failed",
            Self::Denied => "turns all requests away",
            Self::Refused => "refused the request",
            Self::BadAnswer => "gave an answer that can't be used",
            Self::OutOfTime => "had too little time",
            Self::Busy => "has as many requests as are allowed",
            Self::Open => "failed too often and is left alone for a while",
            Self::NotReady => "isn't ready yet",
            Self::Budget => "has used up its tokens for today",
            Self::Internal => "failed by a fault of this program",
        })
    }
}
