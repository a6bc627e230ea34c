//! The messages of the public contract: a request, a reply, an error reply.
//!
//! These types hold what a message says; how it is written as bytes is [`super::codec`]'s business.

use serde_json::value::RawValue;

use super::{Attachment, Classification, Command, Details, Entity, ErrorCode, Feedback, IntentName, Turn};

/// The `type` of a request that names none.
pub const REQUEST_TYPE: &str = "chat.request";
pub const REPLY_TYPE: &str = "chat.reply";
pub const ERROR_TYPE: &str = "chat.error";
/// A part of an answer that is being written.
pub const PART_TYPE: &str = "chat.reply.part";
/// The client wants no answer any more.
pub const CANCEL_TYPE: &str = "chat.cancel";
/// Word that a command was done.
pub const DONE_TYPE: &str = "chat.done";

pub const SENDER: &str = "chatbot";
/// The longest `id`, `type`, `sender` and `receiver`, in bytes: AMQP's short string.
pub const MAX_SHORT: usize = 255;

/// A user's message: natural-language text and the header that says from whom it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The message's type; [`REQUEST_TYPE`] where the client names none.
    pub kind: Option<String>,
    /// The client's name for this message.
    pub id: Option<String>,
    pub sender: Option<String>,
    pub receiver: Option<String>,
    /// The conversation that it belongs to.
    pub conversation: Option<String>,
    /// The user's language, as a BCP 47 tag.
    pub locale: Option<String>,
    /// The client's own data, a JSON object, handed back byte for byte.
    pub metadata: Option<Box<RawValue>>,
    /// What was said before, the oldest first, where the client tells it along.
    pub history: Vec<Turn>,
    /// What it holds beside its text.
    pub attachments: Vec<Attachment>,
    /// Whether its answer is wanted in parts as it is being written, before it comes as a whole.
    pub stream: bool,
    /// What is thought of an answer; there where its type says that this is told, and only there.
    pub feedback: Option<Box<Feedback>>,
    /// Fields that were passed over, as they have another form than here.
    pub ignored: Vec<&'static str>,
    /// The user's text; never empty or only white space, unless there are attachments.
    pub text: String,
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub id: String,
    /// The id of the request.
    pub in_reply_to: Option<String>,
    /// The sender of the request.
    pub receiver: Option<String>,
    /// The request's conversation.
    pub conversation: Option<String>,
    /// The request's metadata, byte for byte.
    pub metadata: Option<Box<RawValue>>,
    pub text: String,
    /// The language of the text chosen.
    pub locale: Option<String>,
    /// What the request was taken to mean.
    pub intent: IntentName,
    /// How it was classified; `None` if the client addressed the intent itself.
    pub classification: Option<Classification>,
    /// What the request's text names, in its order.
    pub entities: Vec<Entity>,
    /// What the answer holds beside its text.
    pub details: Details,
}

/// What is sent where no answer can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    pub id: String,
    /// The id of the request, where it could be read.
    pub in_reply_to: Option<String>,
    pub error: MessageError,
}

/// What went wrong with one message, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MessageError {
    /// The machine's word for it.
    pub code: ErrorCode,
    /// A sentence for a person; never holds the user's text.
    pub message: String,
}

impl MessageError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Request {
    /// The message's type, [`REQUEST_TYPE`] where it named none.
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or(REQUEST_TYPE)
    }

    /// What it asks for, where its type isn't that of a user's text.
    pub fn command(&self) -> Option<Command> {
        Command::of(self.kind())
    }

    /// Whether it says anything in words.
    pub fn has_text(&self) -> bool {
        !self.text.trim().is_empty()
    }

    /// The memory that it takes, in bytes: text, metadata, history and attachments.
    pub fn size(&self) -> usize {
        let history = self.history.iter().map(|turn| turn.text.len()).sum::<usize>();
        let attachments = self.attachments.iter().map(Attachment::size).sum::<usize>();
        self.text.len() + raw(&self.metadata).map_or(0, str::len) + history + attachments
    }
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        (&self.kind, &self.id, &self.sender, &self.receiver, &self.conversation, &self.locale, &self.text)
            == (&other.kind, &other.id, &other.sender, &other.receiver, &other.conversation, &other.locale, &other.text)
            && raw(&self.metadata) == raw(&other.metadata)
            && (&self.history, &self.attachments, self.stream, &self.feedback)
                == (&other.history, &other.attachments, other.stream, &other.feedback)
    }
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, &self.in_reply_to, &self.receiver, &self.conversation, &self.text, &self.locale, &self.intent)
            == (
                &other.id,
                &other.in_reply_to,
                &other.receiver,
                &other.conversation,
                &other.text,
                &other.locale,
                &other.intent,
            )
            && (&self.classification, &self.entities, &self.details)
                == (&other.classification, &other.entities, &other.details)
            && raw(&self.metadata) == raw(&other.metadata)
    }
}

fn raw(value: &Option<Box<RawValue>>) -> Option<&str> {
    value.as_deref().map(RawValue::get)
}
