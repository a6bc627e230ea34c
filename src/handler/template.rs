//! Handler `template`: answers an intent with a fixed text, or one that is filled in from the request, in the language
//! that suits the message.
//!
//! **Invariant:** it answers from memory; every text was compiled when the handler was made.

use async_trait::async_trait;

use super::{Answer, Handler, HandlerError, Job};
use crate::domain::{IntentName, language};

mod text;
mod variable;

pub use text::{MAX_LENGTH, RenderError, ReplyText, ReplyTextError, SlotVariable};

/// Answers an intent from its reply texts.
#[derive(Debug)]
pub struct TemplateHandler {
    replies: Vec<Reply>,
}

#[derive(Debug)]
struct Reply {
    language: String,
    text: ReplyText,
}

/// Why an intent's reply texts can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is none.
    #[error("intent '{intent}' has no reply: give it a text in at least one language")]
    NoReply { intent: IntentName },
    /// One of them can't be used.
    #[error("reply.{language} of intent '{intent}': {source}")]
    Reply { intent: IntentName, language: String, source: ReplyTextError },
    /// A question can't be used.
    #[error("{key} of intent '{intent}': {source}")]
    Question { intent: IntentName, key: String, source: ReplyTextError },
}

impl TemplateHandler {
    /// Compiles an intent's replies: a language's BCP 47 tag and its text each, the default language first.
    ///
    /// # Errors
    /// [`TemplateError`] at the first text that can't be used, or where there is none.
    pub fn new(intent: &IntentName, replies: &[(String, String)]) -> Result<Self, TemplateError> {
        if replies.is_empty() {
            return Err(TemplateError::NoReply { intent: intent.clone() });
        }
        let compile = |(language, source): &(String, String)| match ReplyText::compile(source) {
            Ok(text) => Ok(Reply { language: language.clone(), text }),
            Err(source) => Err(TemplateError::Reply { intent: intent.clone(), language: language.clone(), source }),
        };
        Ok(Self { replies: replies.iter().map(compile).collect::<Result<_, _>>()? })
    }
}

#[async_trait]
impl Handler for TemplateHandler {
    fn name(&self) -> &'static str {
        "template"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let failed = |reason| HandlerError::Failed { intent: job.intent.clone(), reason };
        let request = job.request;
        let reply = language::choose(&self.replies, |reply| &reply.language, request.locale.as_deref(), &request.text)
            .ok_or_else(|| failed("it has no reply".to_owned()))?;
        let text = reply
            .text
            .render(job, &reply.language)
            .map_err(|error| failed(format!("reply.{}: {error}", reply.language)))?;
        Ok(Some(Answer::text(text, Some(reply.language.clone()))))
    }
}

#[cfg(test)]
mod tests;
