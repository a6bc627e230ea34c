//! What was told of a Redis, so that the log says each thing that is wrong with it once, and how long it lasted.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How often the same is told.
pub(super) const AGAIN: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Told(Mutex<State>);

#[derive(Default)]
struct State {
    /// When each cause was told last, for [`AGAIN`].
    told: BTreeMap<String, Instant>,
    away: Option<Away>,
    /// The operations that are refused, and since when.
    refused: BTreeMap<&'static str, Instant>,
}

struct Away {
    since: Instant,
    /// What was told last of why.
    cause: String,
}

impl Told {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to tell that it can't be used: when that begins, and when it has another cause than the one that was told, but
    /// the same one not twice a minute.
    pub(super) fn fails(&self, cause: &str) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        let is_due = state.is_due(cause, now);
        match &mut state.away {
            Some(away) if away.cause == cause || !is_due => return false,
            Some(away) => cause.clone_into(&mut away.cause),
            None => state.away = Some(Away { since: now, cause: cause.to_owned() }),
        }
        state.told.insert(cause.to_owned(), now);
        true
    }

    /// Whether to tell that it refuses an operation: once a minute for each and each cause.
    pub(super) fn refuses(&self, operation: &'static str, cause: &str) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        let cause = format!("{operation} {cause}");
        let is_due = state.is_due(&cause, now);
        if is_due {
            state.told.insert(cause, now);
            state.refused.entry(operation).or_insert(now);
        }
        is_due
    }

    /// It works: for how long it didn't, where that was told.
    pub(super) fn works(&self) -> Option<Duration> {
        self.state().away.take().map(|away| away.since.elapsed())
    }

    /// It has carried out an operation: for how long it refused that, where that was told.
    pub(super) fn carries_out(&self, operation: &str) -> Option<Duration> {
        self.state().refused.remove(operation).map(|since| since.elapsed())
    }
}

impl State {
    /// Whether a cause wasn't told within [`AGAIN`]. What was told before that is forgotten, so that there are never many.
    fn is_due(&mut self, cause: &str, now: Instant) -> bool {
        self.told.retain(|_, at| now.saturating_duration_since(*at) < AGAIN);
        !self.told.contains_key(cause)
    }
}
