//! What a language model answered: its words, why it ended, and what it cost.
//!
//! **Invariant:** a thought is never a part of what it says, closed or cut off; nor is a tool call, as none was offered.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Usage,
    thoughts::{Spoken, spoken},
};
use crate::outbound::{Answer, Failure, ServiceError};

/// A chat completion, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    choices: Vec<Choice>,
    /// Of any form: what can't be read isn't told.
    #[serde(default)]
    usage: Value,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    finish_reason: Option<String>,
    /// Of any form: what can't be read is no confidence.
    #[serde(default)]
    logprobs: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    /// A text, or parts.
    #[serde(default)]
    content: Value,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Value,
    #[serde(default)]
    function_call: Value,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was whole, as far as the server says.
    Whole,
    /// It had as many tokens as it may have.
    Length,
    /// The server failed in the middle.
    Error,
}

/// What a language model said.
#[derive(Debug)]
pub struct Said {
    /// Without thoughts and calls of tools; may be empty.
    pub text: String,
    /// The same with them, as it came: what the tokens' probabilities are of.
    pub content: String,
    pub finish: Finish,
    /// What it cost.
    pub usage: Usage,
    /// The tokens' probabilities, of whatever form.
    pub logprobs: Value,
    /// How long the first token took, where the answer came as it was being written.
    pub first_token: Option<Duration>,
    thought: bool,
    called: bool,
    pub(super) answer: Answer,
}

impl Completion {
    /// What an answer says that it cost.
    pub(super) fn usage(&self) -> Option<Usage> {
        Usage::told(&self.usage)
    }

    /// About how many tokens it is, where it doesn't say: all of its text, thoughts included.
    pub(super) fn words(&self) -> String {
        self.choices.iter().map(Choice::content).collect()
    }

    /// What the model said.
    ///
    /// # Errors
    /// [`ServiceError`] where there is no choice, the model refused, or a filter withheld the answer.
    pub(super) fn said(self, answer: Answer, usage: Usage) -> Result<Said, ServiceError> {
        let Some(choice) = self.choices.into_iter().next() else {
            let none = || answer.error(Failure::BadAnswer, "it has no choice");
            return Err(answer.error_within().unwrap_or_else(none));
        };
        let content = choice.content();
        let Choice { message, finish_reason, logprobs } = choice;
        let message = message.unwrap_or_default();
        let refusal = message.refusal.or_else(|| part(&message.content, "refusal"));
        if let Some(refusal) = refusal.filter(|refusal| !refusal.trim().is_empty()) {
            let refused = answer.error(Failure::Refused, "the model refused to answer");
            return Err(ServiceError { said: answer.quoted(&refusal), ..refused });
        }
        let finish = match finish_reason.as_deref().unwrap_or_default() {
            "content_filter" => return Err(answer.error(Failure::Refused, "its content filter withheld the answer")),
            "length" | "max_tokens" => Finish::Length,
            "error" => Finish::Error,
            _ => Finish::Whole,
        };
        let Spoken { text, thought, called } = spoken(&content);
        let calls = [&message.tool_calls, &message.function_call];
        let called =
            called || calls.iter().any(|call| !call.is_null() && call.as_array().is_none_or(|list| !list.is_empty()));
        Ok(Said { text, content, finish, usage, logprobs, first_token: None, thought, called, answer })
    }
}

impl Choice {
    /// The text of the answer: that of its parts, where it has parts, without those that are thoughts.
    fn content(&self) -> String {
        match self.message.as_ref().map(|message| &message.content) {
            Some(Value::String(text)) => text.clone(),
            Some(content @ Value::Array(_)) => {
                part(content, "text").or_else(|| part(content, "output_text")).unwrap_or_default()
            }
            _ => String::new(),
        }
    }
}

impl Said {
    /// What went wrong, where nothing of what it says can be used; `otherwise` where nothing else did.
    pub fn fault(&self, otherwise: &str) -> ServiceError {
        if let Some(within) = self.answer.error_within().filter(|_| self.finish == Finish::Error) {
            return within;
        }
        let reason = match (self.called, self.text.trim().is_empty(), self.thought) {
            (true, ..) => "it called a tool, though none was offered",
            (_, true, true) => "it thought and didn't answer",
            (_, true, false) => "it has no text",
            (_, false, _) => otherwise,
        };
        self.answer.error(Failure::BadAnswer, reason)
    }

    /// Its words for a user, without white space around them.
    ///
    /// # Errors
    /// Where it says nothing, or the server failed in the middle.
    pub fn words(&self) -> Result<&str, ServiceError> {
        match self.text.trim() {
            "" => Err(self.fault("it has no text")),
            _ if self.finish == Finish::Error => Err(self.fault("it ended with an error")),
            text => Ok(text),
        }
    }
}

/// The text of all of an answer's parts of a type.
fn part(content: &Value, kind: &str) -> Option<String> {
    let parts = content.as_array()?.iter().filter(|part| part.get("type").and_then(Value::as_str) == Some(kind));
    let key = if kind == "refusal" { "refusal" } else { "text" };
    let texts: Vec<&str> = parts.filter_map(|part| part.get(key)?.as_str()).collect();
    (!texts.is_empty()).then(|| texts.concat())
}
