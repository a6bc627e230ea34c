//! Why a request isn't answered, whichever door it came by: code, status, a sentence; and how ours is written.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use serde::Deserialize;
use uuid::Uuid;

use super::keys::{NoRandomness, Refusal};
use crate::{
    amqp::asking::AskFault,
    domain::{DeadLetter, DeadReason, ErrorCode, MAX_SHORT, MessageError},
};

/// When it is worth asking again where the broker is away, or too much is waiting.
const SOON: Duration = Duration::from_secs(2);

/// Why a request isn't answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    /// A sentence for a person; never holds the user's text.
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
    /// Which field of the request is at fault, `messages[0].content`, where one is known to be.
    pub(super) field: Option<String>,
    /// The error reply as a worker wrote it.
    body: Option<Bytes>,
}

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Code {
    /// One of the contract's.
    Contract(ErrorCode),
    /// No key, or a wrong one.
    Unauthorized,
    /// The key may not do this.
    Forbidden,
    /// There is nothing of that path, or no such model.
    NotFound,
    MethodNotAllowed,
    /// The request's body took too long to come.
    RequestTimeout,
    /// Too many requests of one key or address.
    RateLimited,
    /// The broker is away.
    Unavailable,
}

/// All of them.
#[cfg(test)]
pub(super) const ALL_CODES: [Code; 18] = [
    Code::Contract(ErrorCode::InvalidMessage),
    Code::Contract(ErrorCode::UnsupportedMediaType),
    Code::Contract(ErrorCode::PayloadTooLarge),
    Code::Contract(ErrorCode::Unroutable),
    Code::Contract(ErrorCode::HandlerFailed),
    Code::Contract(ErrorCode::DeadlineExceeded),
    Code::Contract(ErrorCode::Crashed),
    Code::Contract(ErrorCode::ModelUnavailable),
    Code::Contract(ErrorCode::Timeout),
    Code::Contract(ErrorCode::Overloaded),
    Code::Contract(ErrorCode::Internal),
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotFound,
    Code::MethodNotAllowed,
    Code::RequestTimeout,
    Code::RateLimited,
    Code::Unavailable,
];

impl Code {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Contract(code) => code.as_str(),
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Contract(code) => match code {
                ErrorCode::InvalidMessage => StatusCode::BAD_REQUEST,
                ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::Unroutable => StatusCode::NOT_FOUND,
                ErrorCode::HandlerFailed => StatusCode::BAD_GATEWAY,
                ErrorCode::ModelUnavailable => StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::Overloaded => StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::DeadlineExceeded | ErrorCode::Timeout => StatusCode::GATEWAY_TIMEOUT,
                ErrorCode::Crashed | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn is_retryable(self) -> bool {
        match self {
            Self::Contract(code) => code.is_retryable(),
            Self::RateLimited | Self::Unavailable | Self::RequestTimeout => true,
            Self::Unauthorized | Self::Forbidden | Self::NotFound | Self::MethodNotAllowed => false,
        }
    }
}

impl Fault {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, field: None, body: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Contract(ErrorCode::InvalidMessage), message)
    }

    /// The same, of a field of the request.
    pub(super) fn of_field(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// What a worker says: the error reply's JSON. One that can't be read is told as such.
    pub(super) fn told(body: Bytes) -> Self {
        #[derive(Deserialize)]
        struct Told<'a> {
            #[serde(borrow)]
            error: Cause<'a>,
        }
        #[derive(Deserialize)]
        struct Cause<'a> {
            code: ErrorCode,
            #[serde(borrow)]
            message: Cow<'a, str>,
        }
        let Ok(Told { error }) = serde_json::from_slice::<Told<'_>>(&body) else {
            return Self::new(Code::Contract(ErrorCode::Internal), "what came back is no answer of a chatbot-worker");
        };
        let retry_after = (error.code == ErrorCode::Overloaded).then_some(SOON);
        let (code, message) = (Code::Contract(error.code), error.message.into_owned());
        Self { code, message, retry_after, field: None, body: Some(body) }
    }

    /// As the contract writes an error reply.
    pub(super) fn json(&self, in_reply_to: Option<&str>) -> Bytes {
        if let Some(body) = &self.body {
            return body.clone();
        }
        let error = serde_json::json!({
            "type": crate::domain::ERROR_TYPE,
            "id": Uuid::now_v7().to_string(),
            "in_reply_to": in_reply_to.filter(|id| id.len() <= MAX_SHORT),
            "error": {"code": self.code.as_str(), "message": self.message, "retryable": self.code.is_retryable()},
        });
        error.to_string().into()
    }

    /// An answer over HTTP with a body of a door's form.
    pub(super) fn response(&self, body: impl Into<Body>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if self.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<AskFault> for Fault {
    fn from(fault: AskFault) -> Self {
        match fault {
            AskFault::Away => {
                let message = "the bot can't be asked now, as the broker is away; ask again in a moment";
                Self { retry_after: Some(SOON), ..Self::new(Code::Unavailable, message) }
            }
            AskFault::NoWorker => {
                let message = "the bot can't be asked yet, as no worker has run: `chatbot-worker run` starts one";
                Self { retry_after: Some(SOON), ..Self::new(Code::Unavailable, message) }
            }
            AskFault::Refused => {
                let message = "too much is waiting for the bot; ask again in a moment";
                Self { retry_after: Some(SOON), ..Self::new(Code::Contract(ErrorCode::Overloaded), message) }
            }
            AskFault::Unroutable(key) => {
                let message = format!("there is no such intent: no worker takes the routing key '{key}'");
                Self::new(Code::Contract(ErrorCode::Unroutable), message)
            }
            AskFault::Unreadable => {
                let message = "the program that answers this intent answered with something else than a reply";
                Self::new(Code::Contract(ErrorCode::HandlerFailed), message)
            }
            AskFault::Deserted => {
                let message = "no answer came in time, and as far as the door knows no worker is alive: `chatbot-worker workers` \
                               lists them, `chatbot-worker run` starts one";
                Self::new(Code::Contract(ErrorCode::Timeout), message)
            }
            AskFault::Timeout => Self::new(Code::Contract(ErrorCode::Timeout), "no answer came in time"),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Missing | Refusal::Wrong => Code::Unauthorized,
            Refusal::NotPublic | Refusal::Origin => Code::Forbidden,
            Refusal::Rate(_) | Refusal::Locked(_) => Code::RateLimited,
        };
        let retry_after = refusal.retry_after().map(Duration::from_secs);
        Self { retry_after, ..Self::new(code, refusal.to_string()) }
    }
}

impl From<NoRandomness> for Fault {
    fn from(fault: NoRandomness) -> Self {
        Self::new(Code::Contract(ErrorCode::Internal), fault.to_string())
    }
}

impl From<MessageError> for Fault {
    fn from(error: MessageError) -> Self {
        Self::new(Code::Contract(error.code), error.message)
    }
}

impl From<DeadLetter> for Fault {
    fn from(letter: DeadLetter) -> Self {
        let code = match letter.reason {
            DeadReason::Error(code) => code,
            _ => ErrorCode::InvalidMessage,
        };
        Self::new(Code::Contract(code), letter.message)
    }
}
