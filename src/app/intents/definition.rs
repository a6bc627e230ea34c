//! What an intents file defines: intents, who answers them, documents and catalogues.

use std::num::NonZeroU16;

use super::Position;
use crate::{config::types::Fraction, domain::IntentName, pipeline::Dispatch};

mod conversation;

pub use conversation::{ConversationDefinition, FormDefinition, SlotDefinition, SlotFills, Texts};

/// One intent.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentDefinition {
    /// Its name.
    pub name: IntentName,
    /// What other files and programs call it.
    pub labels: Vec<String>,
    /// What it means, for people and for the model.
    pub description: Option<String>,
    /// What it asks before its handlers are asked; none where it asks nothing.
    pub form: Option<FormDefinition>,
    /// Who answers it, in the order in which they are asked.
    pub handlers: Vec<HandlerDefinition>,
    /// Whether another program consumes its queue, and answers what the handlers don't.
    pub external: bool,
    /// How its messages reach the handlers.
    pub dispatch: Dispatch,
    /// The least confidence with which it answers, where it isn't the bot's.
    pub threshold: Option<Fraction>,
    /// What users say when they mean it; none where only clients address it.
    pub examples: Vec<Example>,
}

/// One of those who answer an intent.
#[derive(Debug, Clone, PartialEq)]
pub enum HandlerDefinition {
    /// Texts; see [`crate::handler::template`].
    Template {
        /// A language's BCP 47 tag and its text each; never empty, the default language first.
        replies: Vec<(String, String)>,
    },
    /// The passage that answers.
    Search {
        /// Where it is looked for.
        knowledge: Name,
    },
    /// What a catalogue has.
    Recommend(RecommendDefinition),
    /// A language model.
    Llm(LlmDefinition),
    /// The text in another language.
    Translate(TranslateDefinition),
    /// Somebody's service.
    Webhook {
        /// Its name.
        service: Name,
    },
}

impl HandlerDefinition {
    /// The name that the file calls it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Template { .. } => "template",
            Self::Search { .. } => "search",
            Self::Recommend(_) => "recommend",
            Self::Llm(_) => "llm",
            Self::Translate(_) => "translate",
            Self::Webhook { .. } => "webhook",
        }
    }
}

/// What a catalogue's handler does.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendDefinition {
    /// Which catalogue.
    pub catalogue: Name,
    /// How many items it recommends at the most.
    pub limit: NonZeroU16,
    /// The column whose larger numbers go first among equals.
    pub prior: Option<Name>,
    /// The column of which it recommends each value once.
    pub group: Option<Name>,
}

/// How a language model answers.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmDefinition {
    /// The service that it is behind.
    pub service: Name,
    /// Instructions: a language's BCP 47 tag and a template each, the default language first.
    pub system: Vec<(String, String)>,
    /// The documents that it answers from, and from nothing else.
    pub knowledge: Option<Name>,
    /// How many turns of what was said before it is told at most.
    pub history: u32,
}

/// How a text is translated.
#[derive(Debug, Clone, PartialEq)]
pub struct TranslateDefinition {
    /// The service.
    pub service: Name,
    /// The language that is meant where the text names none.
    pub to: Option<Name>,
    /// A table of terms, a column a language, relative to the intents file.
    pub glossary: Option<Name>,
}

/// A name of something that is defined elsewhere, and where it stands.
#[derive(Debug, Clone)]
pub struct Name {
    pub name: String,
    pub position: Position,
}

/// The same name in another place is the same.
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Documents that handlers answer from: a table `[knowledge.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct KnowledgeDefinition {
    pub name: Name,
    /// Files and patterns of files, relative to the intents file; never empty.
    pub paths: Vec<Name>,
    /// The service that makes vectors of them.
    pub embeddings: Option<Name>,
}

/// A table of things that can be recommended: a table `[catalogue.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueDefinition {
    pub name: Name,
    /// The file, relative to the intents file.
    pub path: Name,
}

/// What a user might say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The text, without white space at its ends.
    pub text: String,
    /// Its language's BCP 47 tag, where the file tells.
    pub language: Option<String>,
}

impl IntentDefinition {
    /// The texts that it is answered with; none where no template answers it.
    pub fn replies(&self) -> &[(String, String)] {
        let replies = self.handlers.iter().find_map(|handler| match handler {
            HandlerDefinition::Template { replies } => Some(replies.as_slice()),
            _ => None,
        });
        replies.unwrap_or_default()
    }
}
