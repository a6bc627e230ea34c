//! A language model behind OpenAI's chat completions: messages in; text, what it cost and why it ended out.
//!
//! The form of an answer is asked for as strictly as the server takes it ([`dialect`]); an answer may come whole or as it
//! is being written ([`stream`]); what of it is said is told from what is thought ([`completion`]).
//!
//! **Invariant:** what the server takes is found once; from then on what it refuses is sent again only where it names
//! what of the form it doesn't take. What broke off in the middle is no answer.

mod completion;
mod dialect;
mod events;
mod prompt;
mod stream;
mod thoughts;
mod usage;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::{
    completion::Completion,
    dialect::{Dialect, Wanted},
    events::Events,
    stream::Gathered,
};
pub use self::{
    completion::{Finish, Said},
    dialect::Format,
    prompt::{Follower, Message, Picture, Prompt, Role, Schema},
    usage::{Usage, estimated_tokens},
};
use super::{Answer, Failure, Service, ServiceError, endpoint::Opened, pulse::Pulse};

/// How many of a picture's bytes are kept out of what a server says.
const QUOTABLE: usize = 6 << 10;

/// How a language model is reached.
#[derive(Debug, Clone)]
pub struct ChatSettings {
    /// The model's name at the server.
    pub model: String,
    /// How the form of an answer is asked for, where it has one; none: as strictly as the server takes it.
    pub format: Option<Format>,
    /// More members of each request.
    pub extra: Map<String, Value>,
}

/// A language model.
#[derive(Debug)]
pub struct Chat {
    service: Service,
    url: Url,
    settings: ChatSettings,
    /// What the server takes, once that is known.
    dialect: Mutex<Option<Dialect>>,
}

/// An answer, and how long its first token took.
struct Received {
    answer: Answer,
    first_token: Option<Duration>,
}

impl Chat {
    /// The language model of a service.
    pub fn new(service: Service, settings: ChatSettings) -> Self {
        let url = service.endpoint().with_path("/chat/completions");
        Self { service, url, settings, dialect: Mutex::default() }
    }

    /// The service, within whose bounds [`Self::asked`] is to be called.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What the model says to a prompt, within the service's bounds; one that is being written may take the request's time.
    ///
    /// # Errors
    /// [`ServiceError`], also where it says nothing.
    pub async fn answer(&self, prompt: &Prompt<'_>, deadline: Instant) -> Result<Said, ServiceError> {
        let pulse = &Pulse::default();
        let asked = |deadline| async move {
            let said = self.asked_once(prompt, deadline, pulse).await?;
            said.words()?;
            Ok(said)
        };
        self.service.call_in_parts(deadline, pulse, asked).await
    }

    /// The same for a single try, outside of the service's bounds; what it says may be nothing. Asks in the server's
    /// dialect, or in one after the other until the server takes one.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn asked(&self, prompt: &Prompt<'_>, deadline: Instant) -> Result<Said, ServiceError> {
        self.asked_once(prompt, deadline, &Pulse::default()).await
    }

    async fn asked_once(&self, prompt: &Prompt<'_>, deadline: Instant, pulse: &Pulse) -> Result<Said, ServiceError> {
        let wanted = self.wanted(prompt);
        let known = *self.dialect.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dialect = known.unwrap_or_else(|| Dialect::first(wanted));
        // The strictest that was refused without a word on why.
        let mut unclear = None;
        let received = loop {
            let received = self.post(prompt, dialect, deadline, pulse).await?;
            let answer = &received.answer;
            if !may_be_the_form(answer) {
                break received;
            }
            let named = dialect.without_what_is_named(&answer.lower(), wanted);
            // Once a dialect was taken, a refusal is an answer: it is this text that isn't taken.
            let next = named.or_else(|| match known {
                None if matches!(answer.status(), 400 | 415 | 422 | 501) && !answer.is_too_long() => {
                    unclear.get_or_insert(dialect);
                    dialect.next(wanted)
                }
                _ => None,
            });
            match next {
                Some(next) => dialect = next,
                // With pictures it may well be: a picture can be broken.
                None if known.is_none() && unclear.is_some() && prompt.pictures.is_empty() => {
                    // No text was taken yet, in no form: that isn't this text's fault.
                    let error = answer.fault();
                    let reason = format!("{}, in whatever form it was asked", error.reason);
                    return Err(ServiceError { failure: Failure::Denied, reason, ..error });
                }
                None => break received,
            }
        };
        let Received { answer, first_token } = received;
        if answer.status() < 300 {
            pulse.beat();
        }
        let completion: Completion = answer.read()?;
        let usage = self.spend(&completion, prompt);
        if known != Some(dialect) {
            let end = deadline.min(Instant::now() + self.service.timeout());
            self.learn(self.confirmed(unclear, dialect, prompt, end).await);
        }
        if let Some(first) = first_token {
            self.count_first_token(first);
        }
        let mut said = completion.said(answer, usage)?;
        said.first_token = first_token;
        Ok(said)
    }

    fn wanted(&self, prompt: &Prompt<'_>) -> Wanted {
        Wanted {
            format: self.settings.format,
            schema: prompt.schema.is_some(),
            logprobs: prompt.logprobs,
            stream: prompt.stream,
        }
    }

    /// The request's JSON.
    fn request(&self, prompt: &Prompt<'_>, dialect: Dialect) -> Value {
        let message = |message: &Message| json!({"role": message.role.as_str(), "content": message.text});
        let mut messages: Vec<Value> = prompt.messages.iter().map(message).collect();
        if let (Some(last), false) = (messages.last_mut(), prompt.pictures.is_empty()) {
            last["content"] = with_pictures(&last["content"], &prompt.pictures);
        }
        let mut request = json!({"model": self.settings.model, "messages": messages});
        dialect.add_to(&mut request, prompt.schema.as_ref(), prompt.max_tokens);
        if let Value::Object(members) = &mut request {
            members.extend(self.settings.extra.clone());
        }
        request
    }

    /// The request's JSON as a server that takes everything gets it, for tests of what is sent.
    #[cfg(test)]
    pub(crate) fn first_request(&self, prompt: &Prompt<'_>) -> Value {
        self.request(prompt, Dialect::first(self.wanted(prompt)))
    }

    async fn post(
        &self,
        prompt: &Prompt<'_>,
        dialect: Dialect,
        deadline: Instant,
        pulse: &Pulse,
    ) -> Result<Received, ServiceError> {
        let asked = Instant::now();
        let body = self.request(prompt, dialect).to_string().into_bytes();
        // Of a picture, what a server may quote is its beginning.
        let begins =
            |picture: &Picture| BASE64_STANDARD.encode(picture.bytes.get(..QUOTABLE).unwrap_or(&picture.bytes));
        let pictures: Vec<String> = prompt.pictures.iter().map(begins).collect();
        let private: Vec<&str> = prompt.private.iter().copied().chain(pictures.iter().map(String::as_str)).collect();
        let opened = self.service.endpoint().open(&self.url, body, &[], &private, deadline).await?;
        // One that ignores that a stream was asked for answers with plain JSON, and some stream unasked.
        if opened.status().is_success() && opened.is_event_stream() {
            return self.gather(opened, prompt, asked, pulse).await;
        }
        let answer = opened.whole().await?;
        let text = answer.body.trim_ascii_start();
        if dialect.streams() && answer.status.is_success() && (text.starts_with(b"data:") || text.starts_with(b":")) {
            // A stream that doesn't say that it is one.
            let (mut events, mut gathered) = (Events::default(), Gathered::default());
            events.push(&answer.body).iter().for_each(|data| gathered.push(data));
            return self.whole(gathered, events, prompt, |body| Answer { body, ..answer }, None);
        }
        Ok(Received { answer, first_token: None })
    }

    /// Reads an answer as it is being written, to its end.
    async fn gather(
        &self,
        mut opened: Opened<'_>,
        prompt: &Prompt<'_>,
        asked: Instant,
        pulse: &Pulse,
    ) -> Result<Received, ServiceError> {
        let (mut events, mut first_token) = (Events::default(), None);
        let mut paid = Paid { chat: self, prompt, gathered: Gathered::default() };
        let gathered = &mut paid.gathered;
        while !gathered.is_done() {
            let chunk = match opened.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                // Some close the connection roughly behind the last piece.
                Err(error) if error.failure == Failure::Unreachable && gathered.is_whole() => break,
                Err(error) => return Err(error),
            };
            let before = gathered.pieces;
            events.push(&chunk).iter().for_each(|data| gathered.push(data));
            if gathered.pieces > before {
                pulse.beat();
            }
            if let Some(follower) = prompt.follower.filter(|follower| follower.is_due()) {
                follower.so_far(&thoughts::spoken_so_far(gathered.content()));
            }
            if gathered.begun && first_token.is_none() {
                first_token = Some(asked.elapsed());
            }
        }
        let gathered = std::mem::take(gathered);
        self.whole(gathered, events, prompt, |body| opened.with_body(body), first_token)
    }

    /// What a stream that has ended comes to.
    fn whole(
        &self,
        mut gathered: Gathered,
        mut events: Events,
        prompt: &Prompt<'_>,
        answer: impl FnOnce(Vec<u8>) -> Answer,
        first_token: Option<Duration>,
    ) -> Result<Received, ServiceError> {
        if let Some(data) = events.end() {
            gathered.push(&data);
        }
        if !gathered.is_whole() {
            self.spend_broken(prompt, &gathered);
            return Err(self.service.endpoint().error(Failure::Unreachable, "its answer broke off in the middle"));
        }
        Ok(Received { answer: answer(gathered.completion().to_string().into_bytes()), first_token })
    }

    /// What to remember of a server that took `dialect` after it had refused `unclear` without a word on why. Where it
    /// now takes the same text in the same form, it was chance, such as a content filter's: then the stricter is kept.
    async fn confirmed(
        &self,
        unclear: Option<Dialect>,
        dialect: Dialect,
        prompt: &Prompt<'_>,
        deadline: Instant,
    ) -> Option<Dialect> {
        let Some(refused) = unclear else { return Some(dialect) };
        // The answer is there already: it doesn't wait for longer than it can.
        let soon = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
        match timeout_at(soon, self.post(prompt, refused, soon, &Pulse::default())).await {
            Ok(Ok(Received { answer, .. })) if answer.status() < 300 => Some(refused),
            Ok(Ok(Received { answer, .. })) if may_be_the_form(&answer) => Some(dialect),
            // It isn't known; the next text finds out.
            _ => None,
        }
    }

    fn learn(&self, dialect: Option<Dialect>) {
        let Some(dialect) = dialect else { return };
        let before = self.dialect.lock().unwrap_or_else(PoisonError::into_inner).replace(dialect);
        // Of many that found it out at the same time one tells.
        if before != Some(dialect) {
            tracing::info!(model = &**self.service.name(), takes = %dialect, "found what the server takes");
        }
    }

    /// Counts what an answer cost, whatever it is worth.
    fn spend(&self, completion: &Completion, prompt: &Prompt<'_>) -> Usage {
        let estimate =
            || Usage { input: prompt.tokens(), output: estimated_tokens(&completion.words()) as u64, estimated: true };
        let usage = completion.usage().unwrap_or_else(estimate);
        self.service.spend(&self.settings.model, usage);
        usage
    }

    /// The same for one that broke off, which is paid for as well.
    fn spend_broken(&self, prompt: &Prompt<'_>, gathered: &Gathered) {
        if gathered.begun {
            let output = estimated_tokens(gathered.content()) as u64;
            self.service.spend(&self.settings.model, Usage { input: prompt.tokens(), output, estimated: true });
        }
    }

    fn count_first_token(&self, after: Duration) {
        let (service, model) = (self.service.name().to_string(), self.settings.model.clone());
        metrics::histogram!("chatbot_service_first_token_seconds", "service" => service, "model" => model)
            .record(after);
    }
}

/// An answer that is being read. Dropped in the middle, as whoever asked gave up or the service did, what has come of it is
/// paid for as well.
struct Paid<'a> {
    chat: &'a Chat,
    prompt: &'a Prompt<'a>,
    gathered: Gathered,
}

impl Drop for Paid<'_> {
    fn drop(&mut self) {
        self.chat.spend_broken(self.prompt, &self.gathered);
    }
}

/// A message's content in parts, as OpenAI has it: its text, where there is any, and pictures as `data:` addresses.
fn with_pictures(text: &Value, pictures: &[Picture]) -> Value {
    let text = text.as_str().filter(|text| !text.is_empty()).map(|text| json!({"type": "text", "text": text}));
    let pictures = pictures.iter().map(|Picture { media_type, bytes }| {
        let mut url = format!("data:{media_type};base64,");
        BASE64_STANDARD.encode_string(bytes, &mut url);
        json!({"type": "image_url", "image_url": {"url": url}})
    });
    Value::Array(text.into_iter().chain(pictures).collect())
}

/// Whether a server may have refused how the answer's form was asked for, and not the text. Gateways say with 404 that
/// none of their providers has a parameter.
fn may_be_the_form(answer: &Answer) -> bool {
    matches!(answer.status(), 400 | 404 | 415 | 422 | 500 | 501) && !answer.is_filtered()
}
