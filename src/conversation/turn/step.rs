//! What the bot does at a turn.

use crate::{
    conversation::{Slots, state::Asked},
    domain::IntentName,
};

/// What the bot does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It asks.
    Ask(Question),
    /// An intent's handlers answer.
    Run(Box<Run>),
    /// A person gets it.
    Person(IntentName),
}

/// An intent's handlers answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub intent: IntentName,
    /// Why it is this one.
    pub why: Why,
    /// The slots that its handlers are told.
    pub slots: Slots,
    /// What is asked behind the answer.
    pub then: Option<Question>,
    /// What came to its end by it.
    pub ended: Option<Ended>,
}

/// Why an intent answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The text means it, or nothing that is known.
    Heard,
    /// It asked, and has all that it needs.
    Filled,
    /// A question wasn't answered.
    GaveUp,
    /// Documents answer what was said in place of an answer.
    InBetween,
}

/// What came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The intent has what it needs, and its handlers are asked.
    Done(IntentName),
    /// It isn't asked any more.
    Cancelled(IntentName),
}

/// A question of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub intent: IntentName,
    pub asked: Asked,
    /// Whether it was asked, and not answered.
    pub again: bool,
    /// Whether the intent asks because the text means it, and hasn't asked before.
    pub opens: bool,
    /// What the slot held before, which may be meant.
    pub before: Option<String>,
    /// The values of which it asks to choose one, as the user said several.
    pub said: Vec<String>,
}
