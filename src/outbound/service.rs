//! A service, and the bounds within which it is asked.
//!
//! From the outside in: metrics and log, the budget, the limit of requests at once, the circuit breaker, the time limit,
//! retries.
//!
//! A service that is used for two things, to classify and to answer, has these bounds for each by itself, as an answer may
//! take longer than a classification; its budget is one.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    num::NonZeroU16,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{Budget, Endpoint, Failure, Judged, ServiceError, Usage, breaker::Breaker, budget::UsedUp, pulse::Pulse};

/// The first pause before a retry; the next is twice as long. Each is up to twice that, at random, so that workers don't
/// come together.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Of a request's time, the part of which less isn't enough for an answer, where it has waited for a place.
const HARDLY_ANY: u32 = 10;

/// What a service is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What a text means.
    Classification,
    /// What a user is answered.
    Answer,
    /// What a user says in a recording.
    Transcription,
}

impl Purpose {
    /// The word that metrics use.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Answer => "answer",
            Self::Transcription => "transcription",
        }
    }

    /// The setting by which it is limited, of the service's own.
    fn limit(self) -> &'static str {
        match self {
            Self::Classification => "TIMEOUT",
            Self::Answer | Self::Transcription => "ANSWER_TIMEOUT",
        }
    }
}

/// Within which bounds a service is asked.
#[derive(Debug, Clone)]
pub struct Limits {
    /// What it is asked for.
    pub purpose: Purpose,
    /// For one answer, with all tries; of one that comes in parts, for the first, and for each pause.
    pub timeout: Duration,
    /// How often it is asked again, where the failure may pass at once.
    pub retries: usize,
    /// Requests under way at once.
    pub concurrency: NonZeroU16,
    /// After how many failures in a row it is left alone.
    pub breaker_failures: NonZeroU16,
    /// For how long.
    pub breaker_pause: Duration,
}

/// A service.
#[derive(Debug)]
pub struct Service {
    endpoint: Endpoint,
    timeout: Duration,
    retries: usize,
    breaker: Breaker,
    places: Semaphore,
    purpose: Purpose,
    budget: Option<Budget>,
    /// When a failure of each kind was told last.
    told: Mutex<HashMap<Failure, Instant>>,
}

impl Service {
    /// The service at an endpoint.
    pub fn new(endpoint: Endpoint, limits: &Limits) -> Self {
        let breaker = Breaker::new(Arc::clone(endpoint.name()), limits);
        let places = Semaphore::new(limits.concurrency.get().into());
        let Limits { purpose, timeout, retries, .. } = *limits;
        Self { endpoint, timeout, retries, breaker, places, purpose, budget: None, told: Mutex::default() }
    }

    /// The same, with no more tokens in a day than a budget has.
    pub fn with_budget(self, budget: Option<Budget>) -> Self {
        Self { budget, ..self }
    }

    /// Counts what an answer of one of its models cost.
    pub(super) fn spend(&self, model: &str, usage: Usage) {
        let (service, model) = (self.name().to_string(), model.to_owned());
        for (direction, tokens) in [("in", usage.input), ("out", usage.output)] {
            let labels = [("service", service.clone()), ("model", model.clone()), ("direction", direction.to_owned())];
            metrics::counter!("chatbot_service_tokens_total", &labels).increment(tokens);
        }
        if let Some(budget) = &self.budget {
            let today = budget.spend(usage.total());
            // For people to look at: that it isn't exact beyond 2^53 tokens doesn't matter.
            metrics::gauge!("chatbot_service_tokens_today", "service" => service).set(today as f64);
        }
    }

    /// The service's name.
    pub fn name(&self) -> &Arc<str> {
        self.endpoint.name()
    }

    /// For how long an answer is waited for, or its next part.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where it is, for what is asked outside of its bounds too.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Has a request made within the service's bounds: `request` is called for each try, with the time until when an
    /// answer is of use.
    ///
    /// # Errors
    /// The request's own, or why it wasn't made or didn't end.
    pub async fn call<T, E, F>(&self, deadline: Instant, request: impl Fn(Instant) -> F) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        self.measured(deadline, None, request).await
    }

    /// The same of an answer that may come in parts, as the `pulse` tells: the service's time is for the first of them, and for
    /// each pause, and the whole has the request's time. One that is written steadily is no failure, however long it is.
    ///
    /// # Errors
    /// As of [`Self::call`].
    pub(super) async fn call_in_parts<T, E, F>(
        &self,
        deadline: Instant,
        pulse: &Pulse,
        request: impl Fn(Instant) -> F,
    ) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        self.measured(deadline, Some(pulse), request).await
    }

    async fn measured<T, E, F>(
        &self,
        deadline: Instant,
        pulse: Option<&Pulse>,
        request: impl Fn(Instant) -> F,
    ) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        let asked = Instant::now();
        let answer = self.bounded(deadline, pulse, request).await;
        let (service, purpose) = (self.name().to_string(), self.purpose.as_str());
        let result = answer.as_ref().map_or_else(|error| error.failure().as_str(), |_| "ok");
        let labels = [("model", service.clone()), ("use", purpose.to_owned()), ("result", result.to_owned())];
        metrics::counter!("chatbot_backend_requests_total", &labels).increment(1);
        if answer.as_ref().map_or_else(|error| error.failure().was_asked(), |_| true) {
            metrics::histogram!("chatbot_backend_seconds", "model" => service, "use" => purpose)
                .record(asked.elapsed());
        }
        if let Err(error) = &answer {
            self.tell(error);
        }
        answer
    }

    async fn bounded<T, E, F>(
        &self,
        deadline: Instant,
        pulse: Option<&Pulse>,
        request: impl Fn(Instant) -> F,
    ) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        self.afford()?;
        // Looked at before the wait for a place, which may be long just because the service hangs, and after it.
        self.breaker.look()?;
        let began = Instant::now();
        let end = deadline.min(began + self.timeout);
        let Ok(Ok(_place)) = timeout_at(end, self.places.acquire()).await else {
            return Err(self.error(Failure::Busy, "none of them ended in time"));
        };
        // What is asked then is paid for, and comes too late.
        if end.saturating_duration_since(Instant::now()) < end.saturating_duration_since(began) / HARDLY_ANY {
            return Err(self.error(Failure::Busy, "the first of them ended when hardly any time was left"));
        }
        let parts = pulse.map(|pulse| (pulse, deadline));
        self.breaker.guard(self.timed(end, parts, request)).await
    }

    /// Whether the budget has anything left. That it hasn't is told once a day.
    fn afford(&self) -> Result<(), ServiceError> {
        let Some(UsedUp { most, is_news }) = self.budget.as_ref().and_then(|budget| budget.look().err()) else {
            return Ok(());
        };
        if is_news {
            tracing::warn!(
                service = &**self.name(),
                tokens_a_day = most,
                "a service has used up its tokens for today and isn't asked until the next day begins, by UTC"
            );
        }
        Err(ServiceError::new(self.name(), Failure::Budget, format!("{most} are all that it may have")))
    }

    /// Asks until `end`; of an answer that may come in `parts`, as a pulse tells, for as long as it goes on, at most until the
    /// request's deadline. It is the service that took too long only where it had its time: a request's deadline, or its wait for
    /// a place, may have left less.
    async fn timed<T, E, F>(
        &self,
        mut end: Instant,
        parts: Option<(&Pulse, Instant)>,
        request: impl Fn(Instant) -> F,
    ) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        let began = Instant::now();
        let last_part = || parts.and_then(|(pulse, _)| pulse.last());
        let mut asking = pin!(self.retried(parts.map_or(end, |(_, deadline)| deadline), request));
        let answer = loop {
            if let Ok(answer) = timeout_at(end, asking.as_mut()).await {
                break answer;
            }
            let goes_on = parts.zip(last_part()).map(|((_, deadline), last)| deadline.min(last + self.timeout));
            match goes_on.filter(|later| *later > end) {
                Some(later) => end = later,
                None => break Err(self.error(Failure::Timeout, "no answer in time")),
            }
        };
        let (had, waited) =
            (end.saturating_duration_since(began), end.saturating_duration_since(last_part().unwrap_or(began)));
        match answer {
            // A tenth is left for what passes between two looks at the clock.
            Err(error) if error.failure() == Failure::Timeout && waited < self.timeout.mul_f64(0.9) => {
                let reason = format!("no answer in the {} ms that the request had left", had.as_millis());
                Err(self.error(Failure::OutOfTime, &reason))
            }
            Err(error) if error.failure() == Failure::Timeout => {
                let what = if last_part().is_some() { "nothing more of an answer" } else { "no whole answer" };
                let reason = format!("{what} within its {} of {:?}", self.purpose.limit(), self.timeout);
                Err(self.error(Failure::Timeout, &reason))
            }
            answer => answer,
        }
    }

    async fn retried<T, E, F>(&self, end: Instant, request: impl Fn(Instant) -> F) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(PAUSE)
            .with_max_delay(MAX_PAUSE)
            .with_max_times(self.retries)
            .with_jitter();
        (|| request(end))
            .retry(pauses)
            .when(|error: &E| error.failure().may_pass_at_once())
            .adjust(|_, pause| pause.filter(|pause| *pause < end.saturating_duration_since(Instant::now())))
            .await
    }

    /// Tells the operator of a failure, each kind once a minute: the breaker tells only of what counts, and only once.
    fn tell(&self, error: &impl Judged) {
        const PAUSE: Duration = Duration::from_secs(60);
        let kind = error.failure();
        if !kind.was_asked() || kind == Failure::OutOfTime {
            return;
        }
        let (now, mut told) = (Instant::now(), self.told.lock().unwrap_or_else(PoisonError::into_inner));
        let last = told.insert(kind, now);
        match last.filter(|last| now.duration_since(*last) < PAUSE) {
            Some(last) => _ = told.insert(kind, last),
            None => tracing::warn!(service = &**self.name(), %error, "a service didn't answer"),
        }
    }

    fn error<E: Judged>(&self, failure: Failure, reason: &str) -> E {
        ServiceError::new(self.name(), failure, reason).into()
    }
}
