//! How often each may ask: a token bucket for each key, or key and address (as GCRA, in one number each).
//!
//! **Invariant:** bounded memory, whatever addresses come. The state that was used the longest ago goes first; one that was
//! not used for a minute says nothing any more.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
/// After so long a bucket is full again, and needn't be kept.
const KEPT: Duration = Duration::from_secs(70);

/// What is counted by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    /// A key, by its hash, wherever it is used.
    Key([u8; 32]),
    /// A key at one address.
    KeyAt([u8; 32], IpAddr),
    Address(IpAddr),
}

/// Buckets, each of which holds a minute's requests when it is full.
pub(super) struct Limits {
    /// For each, when it is full again: nanoseconds since the beginning.
    full_at: Cache<Counted, Arc<AtomicU64>>,
    beginning: Instant,
}

impl Limits {
    /// For so many at the most.
    pub(super) fn new(most: u64) -> Self {
        // By their age alone: who comes for the first time has to be counted too, however many others there are.
        let full_at =
            Cache::builder().max_capacity(most).time_to_idle(KEPT).eviction_policy(EvictionPolicy::lru()).build();
        Self { full_at, beginning: Instant::now() }
    }

    /// Takes one of `rate` requests a minute.
    ///
    /// # Errors
    /// How long it has to wait, where there are none left.
    pub(super) fn take(&self, key: Counted, rate: NonZeroU32) -> Result<(), Duration> {
        let full_at = self.full_at.get_with(key, Arc::default);
        let now = self.now();
        let take = |full_at| taken(full_at, now, rate).ok();
        let taken_from = full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken_from.map(|_| ()).map_err(|full_at| taken(full_at, now, rate).err().unwrap_or_default())
    }

    /// How long to wait for the next; `None` if there is one.
    pub(super) fn wait(&self, key: &Counted, rate: NonZeroU32) -> Option<Duration> {
        let full_at = self.full_at.get(key)?.load(Ordering::Relaxed);
        taken(full_at, self.now(), rate).err()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.beginning.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.full_at.run_pending_tasks();
        self.full_at.entry_count()
    }
}

/// When a bucket is full again after one more was taken; how long to wait where it is empty.
fn taken(full_at: u64, now: u64, rate: NonZeroU32) -> Result<u64, Duration> {
    let minute = u64::try_from(MINUTE.as_nanos()).unwrap_or(u64::MAX);
    let each = minute / u64::from(rate.get());
    let then = full_at.max(now).saturating_add(each);
    match then.saturating_sub(now).saturating_sub(minute) {
        0 => Ok(then),
        wait => Err(Duration::from_nanos(wait)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use tokio::time::advance;

    use super::*;

    fn key(number: u32) -> Counted {
        Counted::Address(IpAddr::from(number.to_be_bytes()))
    }

    fn rate(a_minute: u32) -> NonZeroU32 {
        NonZeroU32::new(a_minute).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_minutes_requests_at_once_and_then_as_they_come_back() {
        for a_minute in [1, 2, 30, 7, 1_000_000] {
            let limits = Limits::new(10);
            let at_once = a_minute.min(1000);
            for i in 0..at_once {
                assert_eq!(limits.take(key(1), rate(a_minute)), Ok(()), "{i} of {a_minute}");
            }
            if at_once < a_minute {
                continue;
            }
            let each = Duration::from_secs(60) / a_minute;
            let wait = limits.take(key(1), rate(a_minute)).unwrap_err();
            assert!(wait <= each && wait > each / 2, "{a_minute}: {wait:?}");
            assert_eq!(limits.wait(&key(1), rate(a_minute)), Some(wait));
            // What was refused costs nothing, and another isn't meant.
            assert_eq!(limits.take(key(2), rate(a_minute)), Ok(()));
            advance(wait).await;
            assert_eq!(limits.wait(&key(1), rate(a_minute)), None);
            assert_eq!(limits.take(key(1), rate(a_minute)), Ok(()));
            assert!(limits.take(key(1), rate(a_minute)).is_err());
            advance(MINUTE).await;
            for i in 0..a_minute {
                assert_eq!(limits.take(key(1), rate(a_minute)), Ok(()), "{i} of {a_minute}");
            }
            assert!(limits.take(key(1), rate(a_minute)).is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_that_is_changed_holds_from_the_next_request_on() {
        let limits = Limits::new(10);
        (0..10).for_each(|_| assert_eq!(limits.take(key(1), rate(10)), Ok(())));
        assert!(limits.take(key(1), rate(1)).unwrap_err() <= MINUTE);
        assert!(limits.take(key(1), rate(1000)).unwrap_err() <= MINUTE);
    }

    #[test]
    fn memory_is_bounded_and_newcomers_are_counted() {
        let limits = Limits::new(100);
        // All places are taken, by those who ask often.
        (0..20).for_each(|_| (0..100).for_each(|of| assert_eq!(limits.take(key(of), rate(1000)), Ok(()))));
        for of in 100..1000 {
            assert_eq!(limits.take(key(of), rate(1)), Ok(()));
            assert!(limits.count() <= 100);
            assert!(limits.take(key(of), rate(1)).is_err(), "{of} is counted though others have the places");
        }
    }
}
