//! A service, and the bounds within which it is asked.
//!
//! From the outside in: metrics and log, the limit of requests at once, the circuit breaker, the time limit, retries.

use std::{
    collections::HashMap,
    num::NonZeroU16,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

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
    /// When a failure of each kind was told last.
    told: Mutex<HashMap<Failure, Instant>>,
}

impl Service {
    /// The service at an endpoint.
    pub fn new(endpoint: Endpoint, limits: &Limits) -> Self {
        let breaker = Breaker::new(Arc::clone(endpoint.name()), limits.breaker_failures, limits.breaker_pause);
        let places = Semaphore::new(limits.concurrency.get().into());
        Self { endpoint, timeout: limits.timeout, retries: limits.retries, breaker, places, told: Mutex::default() }
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
        let answer = self.bounded(deadline, request).await;
        let service = self.name().to_string();
        let result = answer.as_ref().map_or_else(|error| error.failure().as_str(), |_| "ok");
        metrics::counter!("chatbot_backend_requests_total", "model" => service.clone(), "result" => result)
            .increment(1);
        if answer.as_ref().map_or_else(|error| error.failure().was_asked(), |_| true) {
            metrics::histogram!("chatbot_backend_seconds", "model" => service).record(asked.elapsed());
        }
        if let Err(error) = &answer {
            self.tell(error);
        }
        answer
    }

    async fn bounded<T, E, F>(&self, deadline: Instant, request: impl Fn(Instant) -> F) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        // Looked at before the wait for a place, which may be long just because the service hangs, and after it.
        self.breaker.look()?;
        let end = deadline.min(Instant::now() + self.timeout);
        let Ok(Ok(_place)) = timeout_at(end, self.places.acquire()).await else {
            return Err(self.error(Failure::Busy, "none of them ended in time"));
        };
        self.breaker.guard(self.timed(end, request)).await
    }

    /// Asks until `end`. It is the service that took too long only where it had its time: a request's deadline, or its
    /// wait for a place, may have left less.
    async fn timed<T, E, F>(&self, end: Instant, request: impl Fn(Instant) -> F) -> Result<T, E>
    where
        E: Judged,
        F: Future<Output = Result<T, E>>,
    {
        let left = end.saturating_duration_since(Instant::now());
        let answer = timeout_at(end, self.retried(end, request)).await;
        let answer = answer.unwrap_or_else(|_| Err(self.error(Failure::Timeout, "no answer in time")));
        match answer {
            // A tenth is left for what passes between two looks at the clock.
            Err(error) if error.failure() == Failure::Timeout && left < self.timeout.mul_f64(0.9) => {
                let reason = format!("no answer in the {} ms that the request had left", left.as_millis());
                Err(self.error(Failure::OutOfTime, &reason))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::{
        future::pending,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures_util::{FutureExt, future::join_all};

    use super::*;
    use crate::outbound::tests::{limits, nowhere_within};

    type Outcome = Result<&'static str, ServiceError>;

    fn service(limits: &Limits) -> Service {
        nowhere_within("x", limits)
    }

    fn within(time: Duration) -> Instant {
        Instant::now() + time
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_service_that_took_its_time_failed_and_a_request_that_had_less_did_not_let_it() {
        async fn check(left: Duration, expected: Failure, opens: bool) {
            let service = service(&limits());
            for _ in 0..3 {
                let started = Instant::now();
                let error = service.call(within(left), |_| pending::<Outcome>()).await.unwrap_err();
                assert_eq!(error.failure, expected, "{left:?}");
                assert_eq!(started.elapsed().as_secs(), left.min(limits().timeout).as_secs());
            }
            assert_eq!(service.breaker.look().is_err(), opens, "{left:?}");
        }
        check(Duration::from_millis(50), Failure::OutOfTime, false).await;
        check(2 * SECOND, Failure::OutOfTime, false).await;
        check(3 * SECOND, Failure::Timeout, true).await;
        check(60 * SECOND, Failure::Timeout, true).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_request_itself_takes_for_a_time_out_is_judged_alike() {
        let service = service(&limits());
        let by_itself = |end: Instant| async move {
            tokio::time::sleep_until(end - Duration::from_millis(1)).await;
            Outcome::Err(ServiceError::new(&"x".into(), Failure::Timeout, "no whole answer in time"))
        };
        let ended = service.call(within(SECOND), by_itself).await.unwrap_err();
        assert_eq!(ended.failure, Failure::OutOfTime);
        assert_eq!(service.call(within(9 * SECOND), by_itself).await.unwrap_err().failure, Failure::Timeout);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_place_is_no_failure_and_ends_when_the_breaker_opens() {
        let one = Limits { concurrency: NonZeroU16::MIN, ..limits() };
        let service = service(&one);
        let (hangs, waits) = tokio::join!(
            service.call(within(60 * SECOND), |_| pending::<Outcome>()),
            service.call(within(SECOND), |_| pending::<Outcome>()),
        );
        assert_eq!((hangs.unwrap_err().failure, waits.unwrap_err().failure), (Failure::Timeout, Failure::Busy));

        let service = Service::new(service.endpoint, &Limits { breaker_failures: NonZeroU16::MIN, ..one });
        let asked = AtomicUsize::new(0);
        let fail = |_| async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(SECOND).await;
            Outcome::Err(ServiceError::new(&"x".into(), Failure::Server, "500"))
        };
        let answers = join_all((0..5).map(|_| service.call(within(60 * SECOND), fail))).await;
        let open = answers.iter().filter(|answer| answer.as_ref().unwrap_err().failure == Failure::Open).count();
        assert_eq!((open, asked.load(Ordering::SeqCst)), (4, 1), "those that waited don't try it one after the other");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_leaves_gives_its_place_back() {
        let service = service(&Limits { concurrency: NonZeroU16::MIN, ..limits() });
        for _ in 0..5 {
            let left = service.call(within(SECOND), |_| pending::<Outcome>()).now_or_never();
            assert!(left.is_none());
        }
        assert!(service.call(within(SECOND), |_| async { Outcome::Ok("yes") }).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again_and_only_while_there_is_time() {
        async fn tries(failure: Failure, left: Duration) -> usize {
            let (service, tries) = (service(&Limits { retries: 2, ..limits() }), AtomicUsize::new(0));
            let fail = |_| async {
                tries.fetch_add(1, Ordering::SeqCst);
                Outcome::Err(ServiceError::new(&"x".into(), failure, "why"))
            };
            service.call(within(left), fail).await.unwrap_err();
            tries.load(Ordering::SeqCst)
        }
        for failure in Failure::ALL {
            let again = matches!(failure, Failure::Unreachable | Failure::Server);
            assert_eq!(tries(failure, 60 * SECOND).await, if again { 3 } else { 1 }, "{failure:?}");
        }
        assert_eq!(tries(Failure::Server, Duration::from_millis(10)).await, 1);
    }
}
