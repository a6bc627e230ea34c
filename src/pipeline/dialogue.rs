//! What a bot says in its conversations of its own accord: its questions, and what can be clicked to answer them.

use std::collections::HashMap;

use crate::{
    conversation::{Labels, Script, labels::in_words, script::Fills, state::Asked, turn::Question},
    domain::{Choice, ErrorCode, IntentName, MessageError, language},
    handler::{Job, template::ReplyText},
};

/// The most values of a slot that are offered.
const OFFERED: usize = 10;

/// A template in each language, the default one first.
pub type Texts = Vec<(String, ReplyText)>;

/// How a bot speaks in its conversations.
#[derive(Debug)]
pub struct Dialogue {
    pub script: Script,
    /// Whether a conversation is remembered; else each request is one of its own.
    pub remembers: bool,
    /// The questions of the intents that ask.
    pub questions: HashMap<IntentName, Questions>,
    /// What templates call the values of slots.
    pub labels: Labels,
    /// What means yes, and what means no: a text of each language.
    pub yes: Vec<(String, String)>,
    pub no: Vec<(String, String)>,
}

/// The questions of an intent.
#[derive(Debug, Default)]
pub struct Questions {
    /// Of each slot that is asked: the first, and the next.
    pub slots: HashMap<String, [Texts; 2]>,
    pub confirm: Texts,
}

/// A question as it is said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) locale: Option<String>,
    pub(super) choices: Vec<Choice>,
}

impl Dialogue {
    /// A question in the user's language; `locale` is the one to ask in where the request says none.
    pub(super) fn said(&self, question: &Question, locale: Option<&str>, job: &Job<'_>) -> Result<Said, MessageError> {
        let failed = |reason: String| {
            MessageError::new(ErrorCode::HandlerFailed, format!("a question of '{}' failed: {reason}", question.intent))
        };
        let none = || failed("it has no text".to_owned());
        let of_intent = self.questions.get(&question.intent).ok_or_else(none)?;
        let (texts, choices) = match &question.asked {
            Asked::Confirmation => (&of_intent.confirm, None),
            Asked::Slot(name) => {
                let [ask, again] = of_intent.slots.get(name).ok_or_else(none)?;
                (if question.again && !again.is_empty() { again } else { ask }, Some(name))
            }
        };
        let locale = job.request.locale.as_deref().or(locale);
        let (tag, text) = language::choose(texts, |(tag, _)| tag, locale, &job.request.text).ok_or_else(none)?;
        let text = text.render(job, tag).map_err(|error| failed(format!("its text in {tag}: {error}")))?;
        let choices = match choices {
            Some(slot) => self.values(question, slot, tag),
            None => {
                let said = |texts| language::choose(texts, |(tag, _): &(String, String)| tag, Some(tag), "");
                [&self.yes, &self.no].into_iter().filter_map(|texts| said(texts).map(|(_, it)| choice(it))).collect()
            }
        };
        Ok(Said { text, locale: Some(tag.clone()), choices })
    }

    /// The values of a slot: of which the user said several, these; all, where they are few; else what it held before.
    fn values(&self, question: &Question, name: &str, tag: &str) -> Vec<Choice> {
        let label = |value: &String| choice(&self.labels.label(name, value, tag));
        if !question.said.is_empty() {
            return question.said.iter().take(OFFERED).map(label).collect();
        }
        let slot = self.script.forms.get(&question.intent).and_then(|form| form.slot(name));
        match slot.map(|slot| &slot.fills).and_then(Fills::listed) {
            Some(listed) if listed.len() <= OFFERED => {
                listed.iter().map(|(value, said)| choice(in_words(value, said, tag))).collect()
            }
            _ => question.before.iter().map(label).collect(),
        }
    }
}

fn choice(text: &str) -> Choice {
    Choice { title: text.to_owned(), value: text.to_owned() }
}
