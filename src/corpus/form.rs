//! What intents ask before they answer, where the data tells it.

/// What an intent asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The intent's label.
    pub of: String,
    /// In the order in which they are asked; at least one.
    pub slots: Vec<Slot>,
}

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name, in any form.
    pub name: String,
    /// What fills it.
    pub filler: Filler,
    /// Its question.
    pub ask: Ask,
    /// Whether the intent is answered without it, too.
    pub optional: bool,
}

/// What fills a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filler {
    /// The entity of this name.
    Entity(String),
    /// Whatever is said after the question.
    Text,
}

/// How a slot is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// By this question, which is no template.
    Text(String),
    /// By one that isn't in the data.
    Missing,
    /// Not at all: it is filled where the user says it unasked.
    Never,
}
