//! Leaves a model alone that fails again and again, and one that asks for it.
//!
//! Closed: every text is asked. After so many failures in a row, or a 429 or 503 that says when to come back, open: for
//! a while none is. Then half open: one text is asked; if that succeeds, closed, else open again.
//!
//! **Invariant:** an answer that nobody waits for any more counts as a failure, so that a probe can't be lost and leave
//! the breaker half open for ever.

use std::{
    num::NonZeroU16,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Failure, Judged, ServiceError};

#[derive(Debug)]
pub(super) struct Breaker {
    service: Arc<str>,
    most: u16,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u16,
    /// Open until then, and half open from then on.
    open_until: Option<Instant>,
    probing: bool,
}

impl Breaker {
    pub(super) fn new(service: Arc<str>, failures: NonZeroU16, pause: Duration) -> Self {
        let breaker = Self { service, most: failures.get(), pause, state: Mutex::default() };
        breaker.tell(false);
        breaker
    }

    /// Makes a request, unless the service is left alone.
    pub(super) async fn guard<T, E: Judged>(&self, request: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.enter()?;
        let mut asked = Asked(Some(self));
        let answer = request.await;
        asked.0 = None;
        match &answer {
            Ok(_) => self.succeeded(),
            Err(error) if error.failure().was_asked() => self.failed(&error.to_string(), error.retry_after()),
            // It says nothing of the service.
            Err(_) => self.state().probing = false,
        }
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, open: bool) {
        let model = self.service.to_string();
        metrics::gauge!("chatbot_backend_breaker_open", "model" => model).set(u8::from(open));
    }

    /// Whether the service may be asked now.
    fn enter(&self) -> Result<(), ServiceError> {
        let mut state = self.state();
        let Some(until) = state.open_until else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if state.probing || !left.is_zero() {
            let reason = format!("for another {} ms", left.as_millis());
            return Err(ServiceError::new(&self.service, Failure::Open, reason));
        }
        state.probing = true;
        Ok(())
    }

    fn succeeded(&self) {
        let mut state = self.state();
        let was_open = state.open_until.is_some();
        *state = State::default();
        drop(state);
        if was_open {
            self.tell(false);
            tracing::info!(model = &*self.service, "a model answers again");
        }
    }

    fn failed(&self, reason: &str, retry_after: Option<Duration>) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let half_open = std::mem::take(&mut state.probing);
        if !half_open && retry_after.is_none() && state.failures < self.most {
            return;
        }
        let was_open = state.open_until.is_some();
        let pause = retry_after.unwrap_or(self.pause);
        state.open_until = Some(Instant::now() + pause).max(state.open_until);
        drop(state);
        if !was_open {
            self.tell(true);
            let seconds = pause.as_secs_f64();
            tracing::warn!(model = &*self.service, reason, seconds, "a model fails and is left alone for a while");
        }
    }
}

/// Sees to it that an answer which is waited for no more is counted.
struct Asked<'b>(Option<&'b Breaker>);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(breaker) = self.0 {
            breaker.failed("its answer was waited for no more", None);
        }
    }
}
