//! What can be wrong with an intents file, each with its mend.

use super::ConversationFault;
use crate::{
    app::services::ServiceFault,
    corpus::Slip,
    domain::InvalidName,
    entity::{InvalidPattern, MAX_LENGTH},
    excerpt::excerpt,
    handler::{llm::LlmError, template::ReplyTextError},
    utf8::NotText,
};

/// What can be wrong with an intents file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file system doesn't hand the file out.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// Larger than [`super::super::MAX_SIZE`].
    #[error("it is larger than 16 MiB: it must be smaller")]
    TooLarge,
    /// A charset other than UTF-8.
    #[error("it isn't UTF-8 from here on: save it as UTF-8")]
    NotUtf8,
    /// A file that holds no UTF-8 text at all.
    #[error("it {0}")]
    NotText(NotText),
    /// A file of another format that can't be read.
    #[error("{0}")]
    Corpus(String),
    /// A warning: what was changed on the way from another format.
    #[error("{0}")]
    Imported(String),
    /// Not TOML.
    #[error("this isn't valid TOML{}: {message}", excerpt_at(.at))]
    Syntax {
        /// What stands there, if anything.
        at: String,
        /// The parser's words, and a mend where one is known.
        message: String,
    },
    /// Another format.
    #[error(
        "this looks like YAML, and an intents file is TOML: write a table [intents.NAME] for each intent, and below it \
         key = value, such as examples.en = [\"…\", \"…\"] and reply.en = \"…\". Of Rasa's files `chatbot-worker import` \
         makes one"
    )]
    Yaml,
    /// A key that means nothing.
    #[error("there is no key '{}': {hint}", excerpt(.key))]
    UnknownKey {
        /// The key.
        key: String,
        /// What to do.
        hint: String,
    },
    /// A value of another type than its key takes.
    #[error("{} must be {expected}, and this is {found}", excerpt(.key))]
    WrongType {
        /// The key.
        key: String,
        /// What it takes.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A word that isn't one of a key's words.
    #[error("there is no {key} '{}': {hint}", excerpt(.word))]
    UnknownWord {
        /// The key.
        key: &'static str,
        /// The word.
        word: String,
        /// What to do.
        hint: String,
    },
    /// No fallback.
    #[error(
        "there is no fallback: write at the top of the file which intent answers when the model is sure of none, such \
         as fallback = \"help_info\""
    )]
    NoFallback,
    /// No intents at all.
    #[error("there are no intents: write each as [intents.NAME], with examples and a reply")]
    NoIntents,
    /// Nothing to choose between.
    #[error("the model needs at least two intents with examples, and there are {0}: write examples.en = [\"…\"]")]
    TooFewTrained(usize),
    /// A name that can't be part of a queue's name.
    #[error("'{}' is no valid name: use 1 to 64 of the characters A-Z a-z 0-9 _ -", excerpt(&.0.0))]
    InvalidName(InvalidName),
    /// Not an expression.
    #[error("{0}")]
    Pattern(InvalidPattern),
    /// An entity that nothing can be.
    #[error("the entity has nothing to be found by: give it values = [\"…\"], patterns = ['…'], or a kind")]
    EmptyEntity,
    /// An entity that isn't there.
    #[error("{key} reads entities.{}, and there is no such entity: {hint}", excerpt(.entity))]
    UnknownEntity {
        /// The template.
        key: String,
        /// The entity.
        entity: String,
        /// What to do.
        hint: String,
    },
    /// A warning: a mark that makes an entity, where another was likely meant.
    #[error(
        "the entity '{}' is known from marks alone: did you mean '{nearest}'? Where you didn't, write a table \
         [entities.{}], too",
        excerpt(.entity),
        excerpt(.entity)
    )]
    NearMark {
        /// The entity.
        entity: String,
        /// The one that has a table.
        nearest: String,
    },
    /// What users say, for two values.
    #[error(
        "'{}' is said for two values, '{}' and '{}': a text can mean only one, so take it out of one of them",
        excerpt(.text),
        excerpt(.first),
        excerpt(.second)
    )]
    TextOfTwo {
        /// What is said.
        text: String,
        /// The value that has it first.
        first: String,
        /// The other.
        second: String,
    },
    /// A value that can't be handed on.
    #[error("'{}' can't be a value: it takes 1 to {MAX_LENGTH} characters", excerpt(.0))]
    EntityValue(String),
    /// Not a language.
    #[error("'{}' is no language tag: {hint}", excerpt(.tag))]
    LanguageTag {
        /// What stands in its place.
        tag: String,
        /// What to do.
        hint: String,
    },
    /// One language twice.
    #[error("'{tag}' and '{other}' are the same language: keep one of them")]
    SameLanguage {
        /// The second.
        tag: String,
        /// The first.
        other: String,
    },
    /// One label for two intents.
    #[error(
        "the label '{}' is also that of intent '{other}', on line {first}: what other files call so can be only one \
         intent, so take it out of one of them",
        excerpt(.label)
    )]
    LabelInTwo {
        /// The label.
        label: String,
        /// The intent that has it first, as a label or as its name.
        other: String,
        /// The line of the first.
        first: usize,
    },
    /// A label that nothing can have.
    #[error("a label is empty: write what other files call the intent, or take it out")]
    EmptyLabel,
    /// Nothing to say.
    #[error("it has no reply: write what the bot answers, such as reply.en = \"…\"")]
    NoReply,
    /// A reply that can't be used.
    #[error("reply.{language}: {error}")]
    Reply {
        /// Its language.
        language: String,
        /// Why not.
        error: ReplyTextError,
    },
    /// A reply whose template is at fault right at the finding's position.
    #[error("reply.{language} isn't a valid template here: {reason}")]
    Template {
        /// Its language.
        language: String,
        /// What is wrong.
        reason: String,
    },
    /// A text that nobody says.
    #[error(
        "none of its handlers is a template, so nobody says this: take it out, or add \"template\" to the handlers"
    )]
    ReplyWithoutTemplate,
    /// Nobody to answer.
    #[error("the list of handlers is empty: write such as [\"search\", \"template\"]")]
    NoHandlers,
    #[error("the handler '{handler}' is there twice: take one out")]
    HandlerTwice {
        /// Its name.
        handler: String,
    },
    /// A warning: a handler that nobody asks.
    #[error(
        "the template before '{handler}' answers every text, so '{handler}' is asked of none: put \"template\" last"
    )]
    Unreached {
        /// The first of those behind the template.
        handler: String,
    },
    /// A warning: a fallback that may have no answer.
    #[error(
        "it is the fallback, and none of its handlers is a template: where these have no answer, users get an error. \
         Write \"template\" as the last, and a reply"
    )]
    SilentFallback,
    /// What a handler has to know.
    #[error("the handler '{handler}' needs {key}: write it into the intent")]
    HandlerNeeds {
        /// The handler.
        handler: String,
        /// What is missing.
        key: String,
    },
    /// A table that no handler reads.
    #[error("none of its handlers is '{handler}': take this out, or add \"{handler}\" to the handlers")]
    TableWithoutHandler {
        /// The handler that would.
        handler: String,
    },
    /// The other program takes what is in the queue.
    #[error("\"external\" has to be the last of the handlers: what reaches the other program doesn't come back")]
    ExternalNotLast,
    /// The queue is the other program's.
    #[error(
        "another program takes what is in the intent's queue, so its handlers here are asked before: take out dispatch"
    )]
    ExternalQueue,
    /// A key that has to be there.
    #[error("{key} is missing: write such as {example}")]
    Needs {
        /// The key.
        key: String,
        /// How it is written.
        example: &'static str,
    },
    /// A name without a letter.
    #[error("{key} is empty: write a name, or take it out")]
    EmptyName {
        /// The key.
        key: String,
    },
    /// A number that a key doesn't take.
    #[error("{key} takes a whole number from {least} to {most}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// The smallest.
        least: u32,
        /// The largest.
        most: u32,
    },
    /// Instructions that can't be used.
    #[error("{key}: {error}")]
    Instructions {
        /// Which.
        key: String,
        /// Why not.
        error: ReplyTextError,
    },
    /// A service that isn't there, or isn't of the kind that is needed.
    #[error("{0}")]
    Service(ServiceFault),
    /// Instructions that a language model can't be given.
    #[error("llm.{0}")]
    Llm(LlmError),
    /// A language that isn't known by name.
    #[error("translate.to: '{}' is none of the languages that a translation can be asked in: write such as en or zh", excerpt(.0))]
    UnspokenLanguage(String),
    /// A glossary that can't be used.
    #[error("translate.glossary: {0}")]
    Glossary(String),
    /// Conversations.
    #[error("{0}")]
    Conversation(ConversationFault),
    /// Documents that can't be used.
    #[error("{0}")]
    Knowledge(String),
    /// A catalogue that can't be used.
    #[error("{0}")]
    Catalogue(String),
    /// Two programs would answer.
    #[error("another program answers it, as handler = \"external\" says: take out the reply, or the handler")]
    ExternalReply,
    /// Another program can't run inside the worker.
    #[error("another program answers it, and takes it from its queue: take out dispatch, or write \"queue\"")]
    ExternalInline,
    /// No share of right answers.
    #[error("threshold must be a number from 0 to 1, such as 0.8")]
    Threshold,
    /// An example without a word.
    #[error("an example is empty: write what a user would say, or take it out")]
    EmptyExample,
    /// What looks like a mark and isn't one.
    #[error(
        "an example has what looks like a mark and isn't one, as {0}: mend it, or write \\\\[ for a bracket that is text"
    )]
    Mark(Slip),
    /// One example twice in an intent.
    #[error("the example '{}' is there twice, first on line {first}: take one out", excerpt(.example))]
    ExampleTwice {
        /// The example.
        example: String,
        /// The line of the first.
        first: usize,
    },
    /// One example in two intents.
    #[error(
        "the example '{}' is also one of intent '{other}', on line {first}: a sentence can train only one intent, so \
         take it out of one of them",
        excerpt(.example)
    )]
    ExampleInTwo {
        /// The example.
        example: String,
        /// The intent that has it first.
        other: String,
        /// The line of the first.
        first: usize,
    },
    /// A warning: the model never chooses it.
    #[error("it has no examples, so the model never chooses it: write some, unless only clients address it")]
    NoExamples,
    /// A warning: the model won't learn it.
    #[error("it has only {0} of the 5 examples that the model needs at the least: write more, better 20 a language")]
    FewExamples(usize),
    /// A warning: not what users write.
    #[error("this example has {0} characters, and the model learns little from more than 500: shorten it")]
    LongExample(usize),
}

impl Problem {
    /// Whether the file can be used nevertheless.
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::Imported(_)
                | Self::NoExamples
                | Self::FewExamples(_)
                | Self::LongExample(_)
                | Self::NearMark { .. }
                | Self::Unreached { .. }
                | Self::SilentFallback
        )
    }
}

fn excerpt_at(text: &str) -> String {
    if text.trim().is_empty() { String::new() } else { format!(" at '{}'", excerpt(text.trim())) }
}
