//! Feedback: what a user thinks of an answer.

/// Whether an answer was of use, as its user says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The reply's id.
    pub in_reply_to: String,
    pub value: Rating,
    /// The reply's intent, as the client says; any text.
    pub intent: Option<String>,
    /// The reply's handler, as the client says; any text.
    pub handler: Option<String>,
}

/// 👍 or 👎.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rating {
    Up,
    Down,
}

impl Rating {
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// The word that messages and metrics have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}
