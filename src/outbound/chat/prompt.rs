//! What is asked of a language model, and who follows its answer.

use bytes::Bytes;
use serde_json::Value;

use super::estimated_tokens;

/// What a picture costs, where the server doesn't say: about as much as most models count for a small one.
const PICTURE_TOKENS: u64 = 1000;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The bot's author.
    System,
    /// The user.
    User,
    /// The model itself, earlier.
    Assistant,
}

/// A message to a language model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub text: String,
}

/// A picture that a message comes with.
#[derive(Debug, Clone)]
pub struct Picture {
    pub media_type: String,
    pub bytes: Bytes,
}

/// The form that an answer has to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// What it is called.
    pub name: &'static str,
    /// A JSON schema.
    pub schema: Value,
}

/// What is asked of a language model.
#[derive(Clone)]
pub struct Prompt<'a> {
    pub messages: Vec<Message>,
    /// What the last message comes with.
    pub pictures: Vec<Picture>,
    pub schema: Option<Schema>,
    /// Whether the probability of each token is asked for.
    pub logprobs: bool,
    /// The longest answer, in tokens; none: as the server has it.
    pub max_tokens: Option<u16>,
    /// Whether the answer is asked for as it is being written.
    pub stream: bool,
    /// Who follows the answer as it is being written, where it comes so.
    pub follower: Option<&'a dyn Follower>,
    /// What of it a user wrote, or stands in a document: no error tells it.
    pub private: Vec<&'a str>,
}

/// Who follows an answer as it is being written.
pub trait Follower: Send + Sync {
    /// Whether it wants to know now how far the answer has come.
    fn is_due(&self) -> bool;
    /// What the model has said so far, from the beginning: no thought, and no mark that may yet become one.
    fn so_far(&self, said: &str);
}

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl Prompt<'_> {
    /// About how many tokens it is.
    pub(super) fn tokens(&self) -> u64 {
        let of = |message: &Message| estimated_tokens(&message.text).saturating_add(4);
        let text: u64 = self.messages.iter().map(of).map(|tokens| tokens as u64).sum();
        text + PICTURE_TOKENS * self.pictures.len() as u64
    }
}
