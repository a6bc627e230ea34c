//! How long an intent's handler takes.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// From here on a handler is slow: beside it, what going by way of a queue takes is nothing.
const SLOW: Duration = Duration::from_millis(100);

/// The time that a handler takes, smoothed as TCP smooths its round-trip time (RFC 6298, α = 1/8).
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    /// The handler took so long, or was given up after so long.
    pub(super) fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 8);
        let smooth = |mean: u64| Some(if mean == 0 { micros } else { mean - mean / 8 + micros / 8 });
        let _ = self.0.fetch_update(Relaxed, Relaxed, smooth);
    }

    /// Whether the handler is slow now.
    pub(super) fn is_slow(&self) -> bool {
        u128::from(self.0.load(Relaxed)) > SLOW.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_slow_as_long_as_it_mostly_is() {
        let pace = Pace::default();
        let after = |times: usize, millis: u64| {
            (0..times).for_each(|_| pace.took(Duration::from_millis(millis)));
            pace.is_slow()
        };
        assert!(!after(0, 0) && !after(1, 1));
        assert!(!after(1, 500), "once is nothing");
        assert!(after(10, 500));
        assert!(after(5, 1));
        assert!(!after(20, 1));
        // Nothing that a clock could say makes it panic.
        pace.took(Duration::MAX);
        assert!(pace.is_slow());
        pace.took(Duration::MAX);
        assert!(!after(400, 1));
    }
}
