//! Whether the broker blocks any of this process's connections, as a metric.

use std::sync::{Mutex, PoisonError};

use metrics::gauge;

/// How many the broker blocks. Several are blocked at once: that for replies, that for all else, a door's.
static BLOCKED: Count = Count(Mutex::new(0));

struct Count(Mutex<usize>);

/// One connection is blocked, until this is dropped.
pub(super) struct Blocking(&'static Count);

impl Blocking {
    pub(super) fn begin() -> Self {
        Self::of(&BLOCKED)
    }

    fn of(count: &'static Count) -> Self {
        count.change(|blocked| blocked.saturating_add(1));
        Self(count)
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.0.change(|blocked| blocked.saturating_sub(1));
    }
}

/// The metric is there from the first connection on, so that one who looks finds 0.
pub(super) fn count() {
    BLOCKED.change(|blocked| blocked);
}

impl Count {
    fn change(&self, change: impl FnOnce(usize) -> usize) {
        let mut blocked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *blocked = change(*blocked);
        // Under the lock, as two that change it at once would else leave the first one's value.
        gauge!("chatbot_blocked").set(if *blocked > 0 { 1.0 } else { 0.0 });
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn it_is_1_while_any_connection_is_blocked() {
        static OWN: Count = Count(Mutex::new(0));
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let is = |value: &str| {
            let text = handle.render();
            assert!(text.lines().any(|line| line == format!("chatbot_blocked {value}")), "{value}: {text}");
        };
        metrics::with_local_recorder(&recorder, || {
            OWN.change(|blocked| blocked);
            is("0");
            let forward = Blocking::of(&OWN);
            let reply = Blocking::of(&OWN);
            is("1");
            drop(forward);
            is("1");
            drop(reply);
            is("0");
        });
    }
}
