//! Messages that aren't a user's text, by their type: what a person's program says and does, and forgetting; and what is
//! sent for them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a message of a type of its own asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A person says something to the user.
    #[serde(rename = "chat.message")]
    Message,
    /// A person gives the conversation back to the bot.
    #[serde(rename = "chat.release")]
    Release,
    /// A user has a conversation forgotten.
    #[serde(rename = "chat.forget")]
    Forget,
    /// A user says whether an answer was of use. No turn of a conversation.
    #[serde(rename = "chat.feedback")]
    Feedback,
}

/// The types that begin so are the contract's.
const RESERVED: &str = "chat.";

impl Command {
    pub const ALL: [Self; 4] = [Self::Message, Self::Release, Self::Forget, Self::Feedback];

    /// The command of a type; `None` where it is another type.
    pub fn of(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.as_str() == kind)
    }

    /// Its type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "chat.message",
            Self::Release => "chat.release",
            Self::Forget => "chat.forget",
            Self::Feedback => "chat.feedback",
        }
    }

    /// Whether it says something in words.
    pub fn has_text(self) -> bool {
        self == Self::Message
    }

    /// Why a type is none that may be used, in a sentence: one of the contract's that isn't known.
    pub fn refused(kind: &str) -> Option<String> {
        let known = [super::REQUEST_TYPE, super::CANCEL_TYPE];
        let is_unknown = kind.starts_with(RESERVED) && !known.contains(&kind) && Self::of(kind).is_none();
        is_unknown.then(|| {
            let known = known.into_iter().chain(Self::ALL.map(Self::as_str)).collect::<Vec<_>>().join(", ");
            format!("types that begin with {RESERVED} are reserved, and this one isn't known; those that are: {known}")
        })
    }
}

/// Word that what a command asked for was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub id: String,
    /// The command's id.
    pub in_reply_to: Option<String>,
    pub command: Command,
    /// The conversation's id, as its client chose it; `None` where there is none.
    pub conversation: Option<String>,
    /// Of [`Command::Forget`]: whether anything was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<bool>,
    /// Of [`Command::Message`]: whether the user's queue has it.
    pub delivered: Option<Delivered>,
}

/// What became of a message to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivered {
    Yes,
    /// There is no such queue any more, or it takes nothing.
    No,
    /// It was handed to a direct reply-to, which tells nobody.
    Unknown,
}

/// What a person says to a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spoken {
    pub id: String,
    /// The user, as its client calls it.
    pub receiver: Option<String>,
    pub conversation: String,
    pub text: String,
    pub locale: Option<String>,
    /// The person's program's own data, byte for byte.
    pub metadata: Option<Box<RawValue>>,
}

impl PartialEq for Spoken {
    fn eq(&self, other: &Self) -> bool {
        let raw = |data: &Option<Box<RawValue>>| data.as_deref().map(|data| data.get().to_owned());
        (&self.id, &self.receiver, &self.conversation, &self.text, &self.locale)
            == (&other.id, &other.receiver, &other.conversation, &other.text, &other.locale)
            && raw(&self.metadata) == raw(&other.metadata)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_type_is_known_free_or_refused() {
        for kind in ["chat.request", "chat.message", "chat.release", "chat.forget", "chat.cancel", "ask", "chat", ""] {
            assert_eq!(Command::refused(kind), None, "{kind}");
        }
        for kind in ["chat.", "chat.forge", "chat.Forget", "chat.message "] {
            let why = Command::refused(kind).unwrap_or_default();
            assert!(
                why.ends_with("chat.request, chat.cancel, chat.message, chat.release, chat.forget, chat.feedback"),
                "{why}"
            );
        }
        assert_eq!(Command::of("chat.forget"), Some(Command::Forget));
        assert_eq!(Command::of("chat.cancel"), None);
        for command in Command::ALL {
            assert_eq!(serde_json::to_value(command).ok(), Some(command.as_str().into()));
        }
    }

    #[test]
    fn what_was_kept_before_it_was_told_whether_anything_was_forgotten_is_read() {
        let kept = r#"{"id":"i","in_reply_to":null,"command":"chat.forget","conversation":"c","delivered":null}"#;
        let mut done: Done = serde_json::from_str(kept).unwrap();
        assert_eq!((done.command, done.forgotten), (Command::Forget, None));
        assert_eq!(serde_json::to_string(&done).unwrap(), kept);
        done.forgotten = Some(true);
        assert_eq!(serde_json::from_str::<Done>(&serde_json::to_string(&done).unwrap()).unwrap(), done);
    }
}
