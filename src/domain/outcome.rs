//! What becomes of a message: the outcomes, and the reasons for the one that fails.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Classification, Done, IntentName, Lane, MessageError, Pass, Reply, Spoken};

/// The error codes of the public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ErrorCode {
    /// The message isn't what the contract asks for.
    InvalidMessage,
    /// A content type or encoding that isn't spoken here.
    UnsupportedMediaType,
    /// Larger than `worker.max_body`, as received or decompressed.
    PayloadTooLarge,
    /// Nobody binds its routing key.
    Unroutable,
    /// The intent's handler can't answer it.
    HandlerFailed,
    /// Its deadline passed before it was answered.
    DeadlineExceeded,
    /// It ended the worker that handled it, more than once.
    Crashed,
    /// The model couldn't be asked.
    ModelUnavailable,
    /// The model or handler took too long.
    Timeout,
    /// Too much is waiting.
    Overloaded,
    /// A fault of the worker's.
    Internal,
}

impl ErrorCode {
    /// The code as written in an error reply.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMessage => "invalid_message",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::PayloadTooLarge => "payload_too_large",
            Self::Unroutable => "unroutable",
            Self::HandlerFailed => "handler_failed",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Crashed => "crashed",
            Self::ModelUnavailable => "model_unavailable",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::ModelUnavailable | Self::Timeout | Self::Overloaded | Self::Internal)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message is in a dead-letter queue: the header `chatbot-dead-reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadReason {
    /// The client is told this too.
    Error(ErrorCode),
    /// `reply_to` names a place where the worker never replies, or one that broke the connection.
    ReplyAddress,
    /// The queue that `reply_to` names refused the reply.
    ReplyRefused,
    /// It is itself a reply or an error reply; answering it could go on for ever.
    NotARequest,
}

impl DeadReason {
    /// The reason as written in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error(code) => code.as_str(),
            Self::ReplyAddress => "reply_address",
            Self::ReplyRefused => "reply_refused",
            Self::NotARequest => "not_a_request",
        }
    }

    /// What the client is told; `None` if it can't or mustn't be.
    pub fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::Error(code) => Some(code),
            Self::ReplyAddress | Self::ReplyRefused | Self::NotARequest => None,
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message is dead-lettered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The machine's word for it.
    pub reason: DeadReason,
    /// A sentence for the reader of the dead letter; never holds the user's text.
    pub message: String,
}

impl From<MessageError> for DeadLetter {
    fn from(error: MessageError) -> Self {
        Self { reason: DeadReason::Error(error.code), message: error.message }
    }
}

/// Where a conversation's answers went last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The queue's name, or a direct reply-to address; checked when a message came with it.
    pub queue: String,
    /// Whether it is RabbitMQ's direct reply-to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
}

/// A request that goes to a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Handed {
    /// The intent whose handlers answer where no person does.
    pub intent: IntentName,
    /// How it was classified; `None` where it wasn't.
    pub classification: Option<Box<Classification>>,
    /// What lets the person's program speak in the conversation.
    pub pass: Pass,
    /// The request, with what was said before it, as JSON.
    pub body: Bytes,
    /// How long it waits for somebody to take it; less where its deadline is nearer.
    pub wait: Duration,
}

/// What becomes of a message. There is no 'requeue', so that a hot loop can't be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Reply(Arc<Reply>),
    /// Hand it to the queue of its intent.
    Forward {
        intent: IntentName,
        /// How it was classified; `None` if the client addressed the intent.
        classification: Option<Box<Classification>>,
        /// What is known by name in its conversation.
        slots: BTreeMap<String, String>,
    },
    /// Hand it to the queue of people.
    Person(Box<Handed>),
    /// Tell the user what a person says, and the person's program what became of it.
    Speak {
        /// Where the user listened last; `None` where nowhere.
        to: Option<Address>,
        spoken: Box<Spoken>,
        /// What of [`Done::delivered`] isn't known before.
        done: Box<Done>,
    },
    /// Tell that what it asks for was done.
    Done(Box<Done>),
    /// Hand it to the queue of its conversation.
    Relay(Lane),
    /// Set it apart with the messages that were there when a worker died, to be started there; or, where it is there,
    /// count one more start before it is made.
    Suspect,
    Retry {
        /// One of the configured delays.
        delay: Duration,
        error: MessageError,
    },
    /// Keep it with the reason, and tell the client.
    DeadLetter(DeadLetter),
    /// Nobody waits for an answer.
    Drop,
}
