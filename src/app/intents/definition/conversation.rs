//! What an intents file says of conversations: who steers them, and what intents ask.

use super::{super::Position, Name};

/// Texts by language: a BCP 47 tag and a template each, the default language first.
pub type Texts = Vec<(String, String)>;

/// That the bot has conversations, and which intents steer them: the table `[conversation]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConversationDefinition {
    pub yes: Option<Name>,
    pub no: Option<Name>,
    pub cancel: Option<Name>,
    pub person: Option<Name>,
}

/// What an intent asks before its handlers are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct FormDefinition {
    /// In the order in which they are asked.
    pub slots: Vec<SlotDefinition>,
    /// The question whether it is right so; empty where it isn't asked.
    pub confirm: Texts,
    /// The intent that answers where a question wasn't answered; else the fallback.
    pub give_up: Option<Name>,
    /// Where it begins.
    pub position: Position,
}

/// A slot.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotDefinition {
    pub name: String,
    pub fills: SlotFills,
    /// Whether the intent is answered without it.
    pub optional: bool,
    /// The question; empty where it isn't asked.
    pub ask: Texts,
    /// The question after the first wasn't answered; empty where it is the first again.
    pub again: Texts,
    /// How often it is asked in all.
    pub attempts: u32,
}

/// What fills a slot.
#[derive(Debug, Clone, PartialEq)]
pub enum SlotFills {
    /// An entity of the bot's.
    Entity(Name),
    /// One of these: a value, and what users say for it.
    Choices(Vec<(String, Vec<String>)>),
    /// Whatever is said right after the question.
    Text,
}
