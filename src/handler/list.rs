//! An intent's handlers, asked in turn: the next where one has no answer, or fails.
//!
//! **Invariant:** a handler that isn't the last leaves a fifth of the time to those behind it. A panic is a failure of
//! the handler that panicked. The list fails only where every one failed.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use metrics::{Counter, counter};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Answer, Handler, HandlerError, Job};
use crate::{
    listener::{Listener, Unwanted},
    outbound::Failure,
};

/// How much of what is left of the time a handler may take that isn't the last.
pub const SHARE: f64 = 0.8;

/// An intent's handlers, in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Handlers(Vec<Counted>);

#[derive(Clone)]
struct Counted {
    handler: Arc<dyn Handler>,
    answered: Counter,
    none: Counter,
    failed: Counter,
}

impl Handlers {
    /// These handlers, asked in this order.
    pub fn new(handlers: impl IntoIterator<Item = Arc<dyn Handler>>) -> Self {
        Self(handlers.into_iter().map(Counted::new).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The handlers.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Handler>> {
        self.0.iter().map(|counted| &counted.handler)
    }

    /// The first answer that there is; none where no handler has one. Who takes none of its attachments isn't asked of a
    /// request without a text: there is nothing that it could answer.
    ///
    /// # Errors
    /// Where every handler failed: the first error that may pass, else the first. That a service refused this text, or said
    /// what can't be used, is no answer rather than an error: somebody else may have one.
    pub async fn ask(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let mut failed: Option<HandlerError> = None;
        let mut all_failed = true;
        for (at, counted) in self.0.iter().enumerate() {
            if job.is_nothing_to(&*counted.handler) {
                continue;
            }
            let is_last = at + 1 == self.0.len();
            match counted.ask(job, is_last).await {
                Ok(Some(answer)) => return Ok(Some(answer)),
                Ok(None) => all_failed = false,
                Err(error) => {
                    if !is_last {
                        tracing::debug!(%error, "the next handler is asked");
                    }
                    let may_pass = |error: &HandlerError| error.code().is_retryable();
                    if failed.as_ref().is_none_or(|first| !may_pass(first) && may_pass(&error)) {
                        failed = Some(error);
                    }
                }
            }
        }
        match failed {
            Some(error) if all_failed && !is_of_this_text(&error) => Err(error),
            _ => Ok(None),
        }
    }
}

/// Prepares a handler, again and again until it succeeds; told once.
pub async fn prepared(handler: &dyn Handler) {
    /// Between two tries.
    const PAUSE: Duration = Duration::from_secs(5);
    let mut told = false;
    while let Err(error) = handler.prepare().await {
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(handler = handler.name(), %error, "a handler can't be prepared yet; it is tried again");
        }
        sleep(PAUSE).await;
    }
    if told {
        tracing::info!(handler = handler.name(), "the handler is prepared");
    }
}

/// Whether it is this text, or what a service made of it, that can't be used. The service has told the log.
fn is_of_this_text(error: &HandlerError) -> bool {
    matches!(error, HandlerError::Service { error, .. } if matches!(error.failure, Failure::Refused | Failure::BadAnswer))
}

impl Counted {
    fn new(handler: Arc<dyn Handler>) -> Self {
        let count = |result| counter!("chatbot_handler_answers_total", "handler" => handler.name(), "result" => result);
        Self { answered: count("answered"), none: count("none"), failed: count("failed"), handler }
    }

    /// What there is of an answer that nobody wants any more. Its work has been dropped, and with it the connection to
    /// whatever service was answering.
    fn stopped(&self, listener: &Listener, why: Unwanted) -> Answer {
        counter!("chatbot_answers_stopped_total", "handler" => self.handler.name(), "why" => why.as_str()).increment(1);
        let (text, sources) = listener.said_so_far();
        let mut answer = Answer::stopped(text, sources);
        answer.details.handler = Some(Cow::Borrowed(self.handler.name()));
        answer
    }

    async fn ask(&self, job: &Job<'_>, is_last: bool) -> Result<Option<Answer>, HandlerError> {
        let now = Instant::now();
        let left = job.deadline.saturating_duration_since(now);
        let limit = if is_last { left } else { left.mul_f64(SHARE) };
        let job = Job { deadline: now + limit, ..*job };
        let intent = || job.intent.clone();
        let listener = job.listener.filter(|_| self.handler.may_be_stopped());
        // Nobody pays for an answer that nobody waits for.
        if let Some(listener) = listener
            && let Some(why) = listener.unwanted_now().await
        {
            return Ok(Some(self.stopped(listener, why)));
        }
        let unwanted = async {
            match listener {
                Some(listener) => (listener, listener.unwanted().await),
                None => std::future::pending().await,
            }
        };
        let handling = timeout_at(job.deadline, AssertUnwindSafe(self.handler.handle(&job)).catch_unwind());
        let handled = tokio::select! {
            biased;
            handled = handling => handled,
            (listener, why) = unwanted => return Ok(Some(self.stopped(listener, why))),
        };
        let result = match handled {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(HandlerError::Panicked { intent: intent() }),
            Err(_) => Err(HandlerError::TimedOut { intent: intent(), limit }),
        };
        match &result {
            Ok(Some(_)) => &self.answered,
            Ok(None) => &self.none,
            Err(_) => &self.failed,
        }
        .increment(1);
        Ok(result?.map(|mut answer| {
            answer.details.handler = Some(Cow::Borrowed(self.handler.name()));
            answer
        }))
    }
}
