//! What is told now and then, however often it happens.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const PERIOD: Duration = Duration::from_secs(60);

/// When something was told last.
#[derive(Default)]
pub(super) struct NowAndThen(Mutex<Option<Instant>>);

impl NowAndThen {
    /// Whether it is to be told again, which it then is.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= PERIOD);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}
