//! Handler `llm`: a language model answers, by the author's instructions; with knowledge, only from passages that were
//! found, citing them.
//!
//! With knowledge: where nothing answers, which the [`Retriever`] decides, it has no answer and the model isn't asked.
//! Else the model answers from the passages, and its answer is held against them ([`grounding`]); one that doesn't rest on
//! them is replaced by the passage itself, where that surely answers, and else is none. Every answer has to pass the [`guard`]s.
//!
//! **Invariant:** what a user, a client or a document says is data. It stands in messages of its own ([`prompt`]) and
//! changes neither intent, tools, addresses nor the form of the answer; an answer is a text and nothing else.

mod following;
mod grounding;
pub(super) mod guard;
#[cfg(test)]
mod injections;
mod prompt;
#[cfg(test)]
mod tests;
mod wording;

use std::{num::NonZeroU16, sync::Arc};

use async_trait::async_trait;

use self::{following::Following, prompt::NO_ANSWER};
use super::{
    Answer, Handler, HandlerError, Job, Retrieved, Retriever, Takes,
    claims::Said as SaidOf,
    template::{ReplyText, ReplyTextError},
};
use crate::{
    domain::{Attachment, AttachmentKind, Details, Role, Source, Usage, language},
    outbound::{
        ServiceError,
        chat::{Chat, Finish, Picture, Prompt, Said},
    },
};

/// How a language model answers for an intent.
pub struct LlmSettings {
    /// Instructions: a language's BCP 47 tag and a template each, the default language first.
    pub system: Vec<(String, String)>,
    /// Where passages come from; none: it answers by its instructions alone.
    pub knowledge: Option<Arc<dyn Retriever>>,
    /// How many turns of what was said before it is told at most.
    pub history: usize,
    /// The longest answer, in tokens.
    pub max_tokens: NonZeroU16,
    /// Whether the model looks at pictures.
    pub images: bool,
}

/// Answers by a language model.
pub struct LlmHandler {
    chat: Arc<Chat>,
    system: Vec<(String, ReplyText)>,
    knowledge: Option<Arc<dyn Retriever>>,
    history: usize,
    max_tokens: NonZeroU16,
    images: bool,
}

/// Why an intent's instructions can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    #[error("system is missing: write the instructions, such as llm.system.en = \"…\"")]
    NoSystem,
    #[error("system.{language}: {source}")]
    System { language: String, source: ReplyTextError },
    /// They would hold what a user wrote, who could then write them.
    #[error(
        "system.{language} reads '{variable}', which is what the user wrote: the model is told that anyway, as data"
    )]
    ReadsText { language: String, variable: &'static str },
}

/// What comes of an answer of the model's.
enum Verdict {
    /// It may be said, and rests on these.
    Said(String, Vec<Source>),
    /// There is none.
    None(&'static str),
    /// It doesn't rest on what was found.
    Ungrounded(&'static str),
}

impl LlmHandler {
    /// The handler of a language model. Nothing is sent yet.
    ///
    /// # Errors
    /// [`LlmError`] at the first instructions that can't be used.
    pub fn new(chat: Arc<Chat>, settings: LlmSettings) -> Result<Self, LlmError> {
        let LlmSettings { system, knowledge, history, max_tokens, images } = settings;
        if system.is_empty() {
            return Err(LlmError::NoSystem);
        }
        let compile = |(language, source): (String, String)| {
            let text = match ReplyText::compile(&source) {
                Ok(text) => text,
                Err(source) => return Err(LlmError::System { language, source }),
            };
            match ["text", "entities"].into_iter().find(|variable| text.reads(variable)) {
                Some(variable) => Err(LlmError::ReadsText { language, variable }),
                None => Ok((language, text)),
            }
        };
        let system = system.into_iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { chat, system, knowledge, history, max_tokens, images })
    }

    /// The passages for a request: for what it says, else for that behind what was said last, as a follow-up alone may
    /// name nothing. None where nothing answers.
    async fn find(&self, knowledge: &dyn Retriever, job: &Job<'_>) -> Option<Retrieved> {
        let text = &job.request.text;
        let found = knowledge.find(text, job.deadline).await;
        let last = job.history.iter().rfind(|turn| turn.role == Role::User).filter(|_| self.history > 0);
        let (Some(last), false) = (last, found.as_ref().is_some_and(|found| found.is_sure)) else { return found };
        let behind = knowledge.find(&format!("{}\n{text}", last.text), job.deadline).await;
        match (found, behind) {
            (Some(found), Some(behind)) if !behind.is_sure => Some(found),
            (found, behind) => behind.or(found),
        }
    }

    /// The pictures that the model is shown.
    fn pictures(&self, attachments: &[Attachment]) -> Vec<Picture> {
        let shown = attachments.iter().filter(|it| self.takes(it) == Takes::Content);
        shown.filter_map(|it| Some(Picture { media_type: it.media_type.clone(), bytes: it.bytes()?.clone() })).collect()
    }

    fn verdict(&self, said: &Said, author: &str, language: &str, found: Option<&[Source]>, job: &Job<'_>) -> Verdict {
        match said.finish {
            Finish::Length => Verdict::None("it was cut off"),
            _ => self.verdict_of(said.text.trim(), author, language, found, job),
        }
    }

    /// The same of an answer's words.
    fn verdict_of(
        &self,
        answer: &str,
        author: &str,
        language: &str,
        found: Option<&[Source]>,
        job: &Job<'_>,
    ) -> Verdict {
        if answer.contains(NO_ANSWER) {
            return Verdict::None("the model found no answer");
        }
        let known = || {
            let passages: String = found.unwrap_or_default().iter().map(|it| format!("{}\n", it.text)).collect();
            SaidOf::of(&format!("{author}\n{passages}"))
        };
        if let Err(reason) = guard::passes(answer, &prompt::ALL_RULES, known) {
            return Verdict::None(reason);
        }
        if !guard::is_in_language(answer, Some(language), &job.request.text) {
            return Verdict::None("it is in another language");
        }
        match found.map(|found| grounding::grounded(answer, &job.request.text, found)) {
            None => Verdict::Said(answer.to_owned(), Vec::new()),
            Some(Ok(grounded)) => Verdict::Said(grounded.text, grounded.sources),
            Some(Err(reason)) => Verdict::Ungrounded(reason),
        }
    }
}

#[async_trait]
impl Handler for LlmHandler {
    fn name(&self) -> &'static str {
        "llm"
    }

    fn takes(&self, attachment: &Attachment) -> Takes {
        // What OpenAI's models look at, and others like them.
        const LOOKED_AT: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
        let is_seen = self.images && attachment.kind == AttachmentKind::Image;
        if is_seen && LOOKED_AT.contains(&&*attachment.media_type) { Takes::Content } else { Takes::Nothing }
    }

    async fn prepare(&self) -> Result<(), ServiceError> {
        match &self.knowledge {
            Some(knowledge) => knowledge.prepare().await,
            None => Ok(()),
        }
    }

    fn may_be_stopped(&self) -> bool {
        true
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let request = job.request;
        let failed = |reason: String| HandlerError::Failed { intent: job.intent.clone(), reason };
        let chosen = language::choose(&self.system, |(tag, _)| tag, request.locale.as_deref(), &request.text);
        let (language, system) = chosen.ok_or_else(|| failed("it has no instructions".to_owned()))?;
        let author = system.render(job, language).map_err(|error| failed(format!("system.{language}: {error}")))?;
        let found = match &self.knowledge {
            Some(knowledge) => match self.find(&**knowledge, job).await {
                Some(found) => Some((prompt::that_fit(found.passages), found.is_sure)),
                None => return Ok(None),
            },
            None => None,
        };
        let (found, is_sure) = found.unzip();
        let rules = prompt::rules(language, found.is_some());
        let history = &job.history[job.history.len().saturating_sub(self.history)..];
        let mut private: Vec<&str> = vec![&request.text];
        private.extend(history.iter().map(|turn| turn.text.as_str()));
        private.extend(found.iter().flatten().map(|passage| passage.text.as_str()));
        let following = job.listener.map(|listener| Following {
            listener,
            handler: self,
            author: &author,
            language,
            found: found.as_deref(),
            job,
        });
        let prompt = Prompt {
            messages: prompt::messages(
                format!("{author}\n\n{rules}"),
                language,
                history,
                found.as_deref(),
                &request.text,
            ),
            pictures: self.pictures(&request.attachments),
            schema: None,
            logprobs: false,
            max_tokens: Some(self.max_tokens.get()),
            stream: true,
            follower: following.as_ref().map(|following| following as _),
            private,
        };
        let said = self.chat.answer(&prompt, job.deadline).await;
        let said = said.map_err(|error| HandlerError::Service { intent: job.intent.clone(), error })?;
        let usage = Some(Usage { input_tokens: said.usage.input, output_tokens: said.usage.output });
        let details = |sources| Details { sources, usage, ..Details::default() };
        match self.verdict(&said, &author, language, found.as_deref(), job) {
            Verdict::Said(text, sources) => {
                Ok(Some(Answer { details: details(sources), ..Answer::text(text, Some(language.clone())) }))
            }
            Verdict::None(reason) => {
                tracing::debug!(intent = %job.intent, reason, "a language model's answer isn't used");
                Ok(None)
            }
            Verdict::Ungrounded(reason) => {
                tracing::debug!(intent = %job.intent, reason, "what a language model says rests on nothing that was found");
                let best = found.into_iter().flatten().next().filter(|_| is_sure == Some(true));
                Ok(best.map(|best| Answer { details: details(vec![best.clone()]), ..Answer::text(best.text, None) }))
            }
        }
    }
}
