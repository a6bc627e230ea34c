//! A service, and the bounds within which it is asked.
//!
//! From the outside in: metrics, the circuit breaker, the time limit, the limit of requests at once, retries.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{Endpoint, Failure, Judged, ServiceError, breaker::Breaker};

/// The first pause before a retry; the next is twice as long. Each is up to twice that, at random, so that workers don't
/// come together.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Within which bounds a service is asked.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For one answer, with all tries.
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
}

impl Service {
    /// The service at an endpoint.
    pub fn new(endpoint: Endpoint, limits: &Limits) -> Self {
        let breaker = Breaker::new(Arc::clone(endpoint.name()), limits.breaker_failures, limits.breaker_pause);
        let places = Semaphore::new(limits.concurrency.get().into());
        Self { endpoint, timeout: limits.timeout, retries: limits.retries, breaker, places }
    }

    /// The service's name.
    pub fn name(&self) -> &Arc<str> {
        self.endpoint.name()
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
        let asked = Instant::now();
        let answer = self.breaker.guard(self.timed(deadline, request)).await;
        let service = self.name().to_string();
        let result = answer.as_ref().map_or_else(|error| error.failure().as_str(), |_| "ok");
        metrics::counter!("chatbot_backend_requests_total", "model" => service.clone(), "result" => result)
            .increment(1);
        if answer.as_ref().map_or_else(|error| error.failure().was_asked(), |_| true) {
            metrics::histogram!("chatbot_backend_seconds", "model" => service).record(asked.elapsed());
        }
        answer
    }

    async fn timed<T, E, F>(&self, deadline: Instant, request: impl Fn(Instant) -> F) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        let end = deadline.min(Instant::now() + self.timeout);
        timeout_at(end, self.limited(end, request))
            .await
            .unwrap_or_else(|_| Err(self.error(Failure::Timeout, "no answer in time")))
    }

    async fn limited<T, E, F>(&self, end: Instant, request: impl Fn(Instant) -> F) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        match timeout_at(end, self.places.acquire()).await {
            Ok(Ok(_place)) => self.retried(end, request).await,
            _ => Err(self.error(Failure::Busy, "none of them ended in time")),
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

    fn error<E: Judged>(&self, failure: Failure, reason: &str) -> E {
        ServiceError::new(self.name(), failure, reason).into()
    }
}
