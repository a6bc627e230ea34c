//! The circuit breaker: leaves a service alone that fails again and again, and one that asks for it.
//!
//! Closed: every request is made. After so many failures in a row, or a 429 or 503 that says when to come back, open: for
//! a while none is. Then half open: one is made as a probe; if it succeeds, closed, else open again.
//!
//! **Invariant:** only what [counts](super::Failure) opens it. A probe that tells nothing, or that nobody waits for any
//! more, leaves its place to another, and one place more each time: so neither a lost probe nor a trickle of requests
//! with too little time keeps the service from those that would succeed.

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Failure, Judged, Limits, ServiceError};

#[derive(Debug)]
pub(super) struct Breaker {
    service: Arc<str>,
    purpose: &'static str,
    most: u16,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u16,
    /// Open until then, and half open from then on.
    open_until: Option<Instant>,
    /// How many probes are under way, and how many ended without telling anything.
    probing: u32,
    inconclusive: u32,
    /// How often it has opened or closed: a probe of an earlier time has no say.
    changes: u64,
}

impl Breaker {
    pub(super) fn new(service: Arc<str>, limits: &Limits) -> Self {
        let Limits { purpose, breaker_failures, breaker_pause: pause, .. } = *limits;
        let breaker =
            Self { service, purpose: purpose.as_str(), most: breaker_failures.get(), pause, state: Mutex::default() };
        breaker.tell(false);
        breaker
    }

    /// Whether a request might be made now.
    pub(super) fn look(&self) -> Result<(), ServiceError> {
        self.state().admits().map_err(|left| self.is_open(left))
    }

    /// Makes a request, unless the service is left alone.
    pub(super) async fn guard<T, E: Judged>(&self, request: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let probe = self.enter()?;
        let answer = request.await;
        match &answer {
            Ok(_) => self.succeeded(),
            Err(error) if error.failure().counts() => self.failed(&probe, error),
            Err(_) => {}
        }
        answer
    }

    fn enter(&self) -> Result<Probe<'_>, ServiceError> {
        let mut state = self.state();
        state.admits().map_err(|left| self.is_open(left))?;
        let change = state.open_until.is_some().then_some(state.changes);
        state.probing += u32::from(change.is_some());
        Ok(Probe { breaker: self, change })
    }

    fn succeeded(&self) {
        let mut state = self.state();
        let was_open = state.open_until.is_some();
        *state = State { changes: state.changes + u64::from(was_open), ..State::default() };
        drop(state);
        if was_open {
            self.tell(false);
            tracing::info!(service = &*self.service, "a service answers again");
        }
    }

    fn failed(&self, probe: &Probe<'_>, error: &impl Judged) {
        let (now, retry_after) = (Instant::now(), error.retry_after());
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let is_probe = probe.change == Some(state.changes);
        let pause = match (state.open_until, retry_after) {
            (_, Some(pause)) => pause,
            (None, None) if state.failures >= self.most => self.pause,
            (Some(_), None) if is_probe => self.pause,
            // What was under way when it opened tells nothing new.
            _ => return,
        };
        let was_open = state.open_until.is_some();
        let open_until = state.open_until.max(Some(now + pause));
        *state = State { failures: state.failures, open_until, changes: state.changes + 1, ..State::default() };
        drop(state);
        if !was_open {
            self.tell(true);
            let (reason, seconds) = (error.to_string(), pause.as_secs_f64());
            tracing::warn!(service = &*self.service, reason, seconds, "a service fails and is left alone for a while");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self, left: Duration) -> ServiceError {
        let reason = match left.is_zero() {
            true => "it is being tried".to_owned(),
            false => format!("for another {} ms", left.as_millis()),
        };
        ServiceError::new(&self.service, Failure::Open, reason)
    }

    fn tell(&self, open: bool) {
        let service = self.service.to_string();
        metrics::gauge!("chatbot_backend_breaker_open", "model" => service, "use" => self.purpose).set(u8::from(open));
    }
}

impl State {
    /// Whether a request may be made; else how long it stays open, or zero where enough probes are under way.
    fn admits(&self) -> Result<(), Duration> {
        let Some(until) = self.open_until else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() && self.probing <= self.inconclusive { Ok(()) } else { Err(left) }
    }
}

/// A request under way. Where it is a probe and the breaker hasn't changed when it ends, or is given up, it told nothing.
struct Probe<'b> {
    breaker: &'b Breaker,
    change: Option<u64>,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.state();
        if self.change == Some(state.changes) {
            state.probing = state.probing.saturating_sub(1);
            state.inconclusive = state.inconclusive.saturating_add(1);
        }
    }
}
