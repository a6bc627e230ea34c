//! Request → outcome: seen before?, classify, route, handle.
//!
//! **Invariant:** no channel, no queue, no settings source; it returns data. A panic in a model or a handler is an error
//! like any other.

mod answering;
mod attachments;
mod conversations;
mod dialogue;
mod documents;
mod errors;
mod feedback;
mod handover;
mod job;
mod pace;
mod route;
#[cfg(test)]
mod tests;
mod turn;
mod words;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use metrics::{Histogram, histogram};
use tokio::time::{Instant, timeout, timeout_at};

use self::{
    attachments::Attached,
    errors::{model_error, panicked, timed_out},
    pace::Pace,
    turn::Talk,
};
pub use self::{
    attachments::Attachments,
    conversations::{Conversations, Taken},
    dialogue::{Dialogue, Questions, Texts},
    errors::deadline_exceeded,
    handover::{Desk, Incoming, Purpose},
    job::{Job, Stage},
    route::{Dispatch, Route},
    turn::{Handover, Turned},
};
use crate::{
    answered::{Answers, Found, Sharing},
    domain::{ChoiceRule, Classification, Entity, IntentName, MessageError, Outcome, Request},
    entity::Extractor,
    handler::{self, Answer, Handlers},
    model::{ModelClient, Query, prepared},
    retry::RetryPolicy,
    sharing::{Pool, Share},
};

pub struct Parts {
    pub model: Arc<dyn ModelClient>,
    pub routes: HashMap<IntentName, Route>,
    /// Which intent answers; its intents are those of the routes.
    pub choice: ChoiceRule,
    /// How it speaks in its conversations; `None` if its intents ask nothing and it has none.
    pub dialogue: Option<Dialogue>,
    /// Finds the entities of a text; `None` if the bot has no entities.
    pub extractor: Option<Extractor>,
    pub model_timeout: Duration,
    pub handler_timeout: Duration,
    pub retry: RetryPolicy,
    /// What inline handlers of requests may hold.
    pub inline: InlineLimit,
    /// What deals with attachments of requests.
    pub attachments: Attachments,
}

/// What the inline handlers of all requests in work may hold together, so that one that hangs leaves the others some.
#[derive(Debug, Clone, Copy)]
pub struct InlineLimit {
    /// The bytes of requests: texts, metadata, attachments.
    pub bytes: usize,
    /// How many requests there are at most.
    pub requests: usize,
}

pub struct Pipeline {
    parts: Parts,
    inline: HashMap<IntentName, Inline>,
    /// What the fallback answers from documents; none where it doesn't.
    searching: Option<Handlers>,
    may_be_stopped: bool,
    answers: Option<Arc<Answers>>,
    conversations: Option<Conversations>,
    /// Looked up once, not for each message.
    model_seconds: Histogram,
    handler_seconds: Histogram,
}

/// What an intent's handler takes of those that classify.
struct Inline {
    /// Its share of [`Parts::inline`].
    share: Arc<Share>,
    pace: Pace,
}

impl Pipeline {
    pub fn new(parts: Parts) -> Self {
        let pool = Pool::new(parts.inline.bytes);
        let inline = |intent: &IntentName| (intent.clone(), Inline { share: pool.share(), pace: Pace::default() });
        let inline = parts.routes.keys().map(inline).collect();
        let may_be_stopped =
            parts.routes.values().any(|route| route.handlers.iter().any(|handler| handler.may_be_stopped()));
        let fallback = parts.routes.get(&parts.choice.fallback);
        let searching = fallback.and_then(|route| documents::searching(&route.handlers));
        Self {
            parts,
            inline,
            searching,
            may_be_stopped,
            answers: None,
            conversations: None,
            model_seconds: histogram!("chatbot_model_seconds"),
            handler_seconds: histogram!("chatbot_handler_seconds"),
        }
    }

    /// The same, remembering its answers: a request that comes again isn't worked on again.
    pub fn remembering(self, answers: Arc<Answers>) -> Self {
        Self { answers: Some(answers), ..self }
    }

    /// The same with conversations.
    pub fn conversing(self, conversations: Conversations) -> Self {
        Self { conversations: Some(conversations), ..self }
    }

    /// The bot's conversations, where it has them.
    pub fn conversations(&self) -> Option<&Conversations> {
        self.conversations.as_ref()
    }

    pub fn is_remembering(&self) -> bool {
        self.answers.is_some()
    }

    /// Prepares the model and the handlers, as long as that takes.
    pub async fn prepare(&self) {
        let handlers = self.parts.routes.values().flat_map(|route| route.handlers.iter());
        let handlers = join_all(handlers.map(|handler| handler::prepared(handler.as_ref())));
        tokio::join!(prepared(self.parts.model.as_ref()), handlers);
    }

    /// Prepares the model and the handlers once, as far as they can be; tells what couldn't.
    pub async fn prepare_once(&self) -> Vec<String> {
        let handlers = self.parts.routes.values().flat_map(|route| route.handlers.iter());
        let handlers = join_all(handlers.map(|handler| handler.prepare()));
        let (model, handlers) = tokio::join!(self.parts.model.prepare(), handlers);
        let mut failed: Vec<String> =
            handlers.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
        failed.extend(model.err().map(|error| error.to_string()));
        failed.dedup();
        failed
    }

    /// The intent that answers what isn't understood.
    pub(crate) fn fallback(&self) -> &IntentName {
        &self.parts.choice.fallback
    }

    /// The delays after which a retry may come.
    pub fn retry(&self) -> &RetryPolicy {
        &self.parts.retry
    }

    /// How long a request's recordings, model and handler may take together.
    pub fn longest(&self) -> Duration {
        let hearing = if self.parts.attachments.hears() { self.parts.handler_timeout } else { Duration::ZERO };
        hearing + self.parts.model_timeout + self.parts.handler_timeout
    }

    /// The intents, and how each is answered.
    pub fn routes(&self) -> &HashMap<IntentName, Route> {
        &self.parts.routes
    }

    /// Whether the handler of an intent is slow now.
    pub fn is_slow(&self, intent: &IntentName) -> bool {
        self.inline.get(intent).is_some_and(|inline| inline.pace.is_slow())
    }

    /// What becomes of a request, and its answer on its way to where it is shared. One that comes again gets the outcome of
    /// the first time, where that is known.
    pub async fn run(&self, job: &Job) -> (Outcome, Sharing) {
        let started = Instant::now();
        let claim = match (&self.answers, &job.identity) {
            (Some(answers), Some(identity)) if identity.repeated => {
                // Boxed, as it is rare: a delivery's task is as large as its largest branch.
                let look_up = Box::pin(answers.look_up(identity.key));
                match within(job.time_left, look_up).await {
                    Some(Found::Outcome(outcome)) => return (outcome, Sharing::default()),
                    Some(Found::Nothing(claim)) => Some(claim),
                    None => return (self.failed(deadline_exceeded(), job, started), Sharing::default()),
                }
            }
            (Some(answers), Some(identity)) => answers.claim(identity.key),
            _ => None,
        };
        let outcome = self.outcome(job, started).await.unwrap_or_else(|error| self.failed(error, job, started));
        // Who sends it again from elsewhere, as its connection broke, wants the whole.
        let claim = claim.filter(|_| job.listener.as_ref().is_none_or(|listener| !listener.is_gone()));
        let sharing = claim.map(|claim| claim.finish(&outcome)).unwrap_or_default();
        (outcome, sharing)
    }

    fn failed(&self, error: MessageError, job: &Job, started: Instant) -> Outcome {
        self.parts.retry.decide(error, job.attempt, left(job, started))
    }

    async fn outcome(&self, job: &Job, started: Instant) -> Result<Outcome, MessageError> {
        if let Some(feedback) = &job.request.feedback {
            return Ok(self.rated(job, feedback));
        }
        if let Some(outcome) = self.cancelled(job) {
            return Ok(outcome);
        }
        if job.request.attachments.is_empty() {
            return self.decided(&mut Work::new(job, started, None)).await;
        }
        // Boxed, as it is rare: a delivery's task is as large as its largest branch.
        let attached = Box::new(Box::pin(self.heard(job, started)).await?);
        Box::pin(self.decided(&mut Work::new(job, started, Some(attached)))).await
    }

    /// What becomes of a request whose client wants no answer any more before it is begun.
    fn cancelled(&self, job: &Job) -> Option<Outcome> {
        job.listener.as_ref().filter(|listener| listener.is_cancelled())?;
        let (intent, classification) = match &job.stage {
            Stage::Handle { intent, classification } => (intent.clone(), classification.as_deref().cloned()),
            Stage::Classify => {
                let classification = Classification { fallback: true, ..Classification::default() };
                (self.parts.choice.fallback.clone(), Some(classification))
            }
        };
        let answer = Answer::stopped(String::new(), Vec::new());
        Some(Outcome::Reply(Arc::new(answering::reply(&job.request, answer, intent, classification, Vec::new()))))
    }

    /// Whether an answer may be stopped while it is made.
    pub fn may_be_stopped(&self) -> bool {
        self.may_be_stopped
    }

    /// The request with what is said in its recordings.
    async fn heard(&self, job: &Job, started: Instant) -> Result<Attached, MessageError> {
        let carried = match &job.stage {
            Stage::Handle { classification: Some(classification), .. } => classification.transcript.as_deref(),
            _ => None,
        };
        let deadline = Instant::now() + self.limit(self.parts.handler_timeout, left(job, started))?;
        let heard = self.parts.attachments.heard(&job.request, carried, deadline).await;
        heard.map_err(|error| if left(job, started) == Some(Duration::ZERO) { deadline_exceeded() } else { error })
    }

    async fn decided(&self, work: &mut Work<'_>) -> Result<Outcome, MessageError> {
        let (intent, classification) = self.understood(work).await?;
        if self.asks(&intent) {
            // Boxed, as it is rare: a delivery's task is as large as its largest branch.
            return Box::pin(self.one_turn(work, intent, classification)).await;
        }
        self.answered(work, intent, classification).await
    }

    async fn classify(&self, work: &Work<'_>) -> Result<(IntentName, Classification), MessageError> {
        self.classified(work, &work.request().text).await
    }

    /// What a text means that a request says.
    async fn classified(&self, work: &Work<'_>, text: &str) -> Result<(IntentName, Classification), MessageError> {
        let (model, job, started) = (&self.parts.model, work.job, work.started);
        let asked = Instant::now();
        let limit = self.limit(self.parts.model_timeout, left(job, started))?;
        let locale = work.request().locale.as_deref();
        let query = Query { text, locale, deadline: asked + limit };
        let classified = timeout_at(query.deadline, AssertUnwindSafe(model.classify(&query)).catch_unwind()).await;
        self.model_seconds.record(asked.elapsed());
        let prediction = match classified {
            Ok(Ok(Ok(prediction))) => prediction,
            Ok(Ok(Err(_))) if left(job, started) == Some(Duration::ZERO) => return Err(deadline_exceeded()),
            Ok(Ok(Err(error))) => return Err(model_error(&error)),
            Ok(Err(_)) => return Err(panicked(&format!("the model '{}'", model.name()))),
            Err(_) => return Err(timed_out(job, started, &format!("the model '{}'", model.name()), limit)),
        };
        Ok(self.parts.choice.choose(prediction))
    }

    fn limit(&self, configured: Duration, left: Option<Duration>) -> Result<Duration, MessageError> {
        match left {
            Some(Duration::ZERO) => Err(deadline_exceeded()),
            Some(left) => Ok(configured.min(left)),
            None => Ok(configured),
        }
    }
}

/// What `work` yields within the time that is left, if it does.
async fn within<T>(left: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match left {
        Some(left) => timeout(left, work).await.ok(),
        None => Some(work.await),
    }
}

/// The time left to a job's deadline.
fn left(job: &Job, started: Instant) -> Option<Duration> {
    job.time_left.map(|left| left.saturating_sub(started.elapsed()))
}

/// A request that is worked on.
struct Work<'a> {
    job: &'a Job,
    started: Instant,
    /// What became of its attachments; none where it has none.
    attached: Option<Box<Attached>>,
    /// The request with the language of the answer before, where it has none of its own.
    localized: Option<Box<Request>>,
    /// What is known of its conversation; none where its intent asks nothing and it is in none.
    talk: Option<Box<Talk>>,
    /// What its text names, once that was looked for.
    entities: OnceLock<Vec<Entity>>,
}

impl<'a> Work<'a> {
    /// What is said in its attachments is its text.
    fn new(job: &'a Job, started: Instant, attached: Option<Box<Attached>>) -> Self {
        Self { job, started, attached, localized: None, talk: None, entities: OnceLock::new() }
    }

    /// The request, with what is said in its recordings.
    fn request(&self) -> &Request {
        let attached = self.attached.as_ref().map(|attached| &attached.request);
        attached.or(self.localized.as_deref()).unwrap_or(&self.job.request)
    }
}

/// What an intent's handlers gave.
enum Given {
    Outcome(Outcome),
    /// No handler has an answer: back are the intent, and how the request was classified.
    Nothing(IntentName, Option<Box<Classification>>),
}
