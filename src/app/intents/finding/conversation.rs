//! What is wrong with what an intents file says of conversations.

use crate::excerpt::excerpt;

/// What can be wrong with conversations, slots and questions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConversationFault {
    /// The operator's.
    #[error(
        "{key} is a setting of whoever runs the bot, and not of this file: set CHATBOT_CONVERSATION_{}, or write it \
         into the section [conversation] of the file that CHATBOT_CONFIG names",
        .key.to_uppercase()
    )]
    Setting {
        /// The key.
        key: String,
    },
    /// One intent that means two things.
    #[error("conversation.{key} and conversation.{other} are the same intent '{}': each needs one of its own", excerpt(.intent))]
    SteersTwice {
        /// The second key.
        key: &'static str,
        /// The first key.
        other: &'static str,
        /// The intent.
        intent: String,
    },
    /// A name that a template can't read.
    #[error("'{}' can't be the name of a slot: use letters, digits and _, a letter first, 64 at the most", excerpt(.0))]
    SlotName(String),
    /// More than anybody answers.
    #[error("it has more than {0} slots: nobody answers so many questions")]
    TooManySlots(usize),
    /// Nothing that a slot could hold.
    #[error(
        "slots.{slot} has to say what fills it, by one of: entity = \"…\", choices = [\"…\"], or text = true for \
         whatever the user says"
    )]
    Fills {
        /// The slot.
        slot: String,
    },
    /// Two that fill one slot.
    #[error("slots.{slot} has {given}, and only one can fill it: take out the others")]
    FillsTwice {
        /// The slot.
        slot: String,
        /// What is given.
        given: String,
    },
    /// `text = false`.
    #[error("slots.{slot}.text can only be true: take it out, or write what else fills the slot")]
    NotText {
        /// The slot.
        slot: String,
    },
    /// No choices.
    #[error("slots.{slot}.choices is empty: write such as choices = [\"small\", \"large\"]")]
    NoChoices {
        /// The slot.
        slot: String,
    },
    /// Something that has to be known, and isn't asked.
    #[error("slots.{slot} has no question: write such as ask.en = \"…\", or optional = true")]
    NoQuestion {
        /// The slot.
        slot: String,
    },
    /// A second question without a first.
    #[error("slots.{slot}.again is asked after a first question, and there is none: write such as ask.en = \"…\"")]
    AgainWithoutAsk {
        /// The slot.
        slot: String,
    },
    /// A question that can't be used.
    #[error("{key}: {error}")]
    Question {
        /// Which.
        key: String,
        /// Why not.
        error: crate::handler::template::ReplyTextError,
    },
    /// Nobody who understands the answer.
    #[error(
        "confirm is answered by yes or no, and the bot doesn't know them: write a table [conversation] with \
         yes = \"…\" and no = \"…\", the names of two intents"
    )]
    ConfirmWithoutYes,
    /// An intent that leads out, and asks itself.
    #[error("it is {role}, and so can't ask anything itself: take out its slots and its confirm")]
    Asks {
        /// What it is: `the fallback`, `conversation.yes`.
        role: String,
    },
    /// A way out of nothing.
    #[error("give_up is for an intent that asks, and this one has neither slots nor confirm: take it out")]
    GiveUpWithoutQuestion,
    /// A slot that isn't there.
    #[error("{key} reads {}, and no intent has such a slot: {hint}", excerpt(.slot))]
    UnknownSlot {
        /// The template.
        key: String,
        /// The variable.
        slot: String,
        /// What to do.
        hint: String,
    },
    /// What a user can write would be an instruction.
    #[error(
        "{key} reads {slot}, which can hold what a user wrote: instructions may read, by its name, only a slot whose \
         values this file lists (an entity that has values and nothing else, or choices)"
    )]
    FreeInstruction {
        /// The template.
        key: String,
        /// The variable.
        slot: String,
    },
}
