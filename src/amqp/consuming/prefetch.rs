//! How many deliveries of one queue the broker may hand out at a time, by how large they are.
//!
//! What is handed out lies in memory as it came (lapin's buffer has no bound), whether it is worked on or waits for the
//! memory budget. AMQP counts messages and not bytes, and only for a new consumer. So a queue's consumer begins with as
//! few as fit if all are as large as can be, and another takes its place, with as many of the size seen last as fit,
//! where that is far from what it has.
//!
//! **Invariant:** pure; never more than is configured, never less than one.

/// The size is the mean of so many deliveries, or of as many as are handed out at a time.
const SAMPLE: usize = 16;
/// After each time that fewer had to be handed out, so many more deliveries have to be small before it is more again: twice
/// as many each time, as a queue whose bodies take turns would else get another consumer at each …
const FIRST_WAIT: usize = SAMPLE;
/// … up to so many, …
const MOST_WAIT: usize = 1024;
/// … and half as many again, each time that so many came without it.
const CALM: usize = 4096;
/// How many times as many may be handed out next: the few that were seen may have been the small ones.
const GROWTH: u16 = 8;

/// The prefetch of one queue's consumer.
#[derive(Debug)]
pub(crate) struct Prefetch {
    current: u16,
    most: u16,
    /// What may be handed out, in bytes.
    bytes: usize,
    seen: usize,
    seen_bytes: usize,
    /// How many small deliveries have to come before more are handed out.
    wait: usize,
    /// How many have come, one after the other.
    small: usize,
    /// How many deliveries came since fewer had to be handed out.
    calm: usize,
}

impl Prefetch {
    /// Of a consumer that begins: at most so many deliveries, of so many bytes together, of bodies up to `max_body`.
    pub(crate) fn new(most: u16, bytes: usize, max_body: usize) -> Self {
        let current = fitting(bytes, max_body, most);
        Self { current, most, bytes, seen: 0, seen_bytes: 0, wait: 0, small: 0, calm: 0 }
    }

    /// As many as the broker may hand out now.
    pub(crate) fn get(&self) -> u16 {
        self.current
    }

    /// A delivery of so many bytes came; tells whether another consumer has to take over, as [`Self::get`] has changed.
    pub(crate) fn changes(&mut self, size: usize) -> bool {
        self.seen += 1;
        self.seen_bytes = self.seen_bytes.saturating_add(size);
        // What alone is as much as may be handed out isn't waited for.
        if self.seen < SAMPLE.min(self.current.into()) && self.seen_bytes < self.bytes {
            return false;
        }
        let fitting = fitting(self.bytes, self.seen_bytes / self.seen, self.most);
        let seen = std::mem::take(&mut self.seen);
        self.seen_bytes = 0;
        let wanted = fitting.min(self.current.saturating_mul(GROWTH));
        // Halves and doubles are worth it, and all of what is configured.
        if wanted <= self.current / 2 {
            self.wait = (self.wait * 2).clamp(FIRST_WAIT, MOST_WAIT);
            (self.current, self.small, self.calm) = (wanted, 0, 0);
            return true;
        }
        self.calm += seen;
        if self.calm >= CALM {
            (self.wait, self.calm) = (self.wait / 2, 0);
        }
        let is_more = wanted / 2 >= self.current || (wanted == self.most && wanted > self.current);
        self.small = if is_more { self.small + seen } else { 0 };
        if !is_more || self.small < self.wait {
            return false;
        }
        (self.current, self.small) = (wanted, 0);
        true
    }
}

/// How many of a size fit.
fn fitting(bytes: usize, size: usize, most: u16) -> u16 {
    u16::try_from(bytes / size.max(1)).unwrap_or(u16::MAX).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    /// The prefetch after so many deliveries of one size, and how often another consumer took over.
    fn after(prefetch: &mut Prefetch, deliveries: usize, size: usize) -> (u16, usize) {
        let changes = (0..deliveries).filter(|_| prefetch.changes(size)).count();
        (prefetch.get(), changes)
    }

    #[test]
    fn small_bodies_get_all_that_is_configured_and_large_ones_what_fits() {
        let mut prefetch = Prefetch::new(128, 8 * MIB, MIB);
        assert_eq!(prefetch.get(), 8);
        assert_eq!(after(&mut prefetch, 8, 500), (64, 1));
        assert_eq!(after(&mut prefetch, 992, 500), (128, 1));
        assert_eq!(after(&mut prefetch, 96, 64 * KIB), (128, 0));
        assert_eq!(after(&mut prefetch, 8, MIB), (8, 1), "nothing more is waited for");
        assert_eq!(after(&mut prefetch, 96, MIB), (8, 0));
        assert_eq!(after(&mut prefetch, 1, 100 * MIB), (1, 1));
        assert_eq!(after(&mut prefetch, 100, 500), (128, 3));
    }

    #[test]
    fn what_is_configured_is_never_exceeded() {
        for most in [1, 2, 15, 16, 17, 24, 65535] {
            let mut prefetch = Prefetch::new(most, 8 * MIB, MIB);
            assert_eq!(after(&mut prefetch, 1000, 1).0, most);
            assert_eq!(after(&mut prefetch, 1000, usize::MAX).0, 1);
            assert_eq!(Prefetch::new(most, 0, MIB).get(), 1);
        }
    }

    #[test]
    fn sizes_that_differ_a_little_change_nothing() {
        let mut prefetch = Prefetch::new(128, 8 * MIB, MIB);
        after(&mut prefetch, 100, 200 * KIB);
        let before = prefetch.get();
        for size in [150 * KIB, 250 * KIB, 200 * KIB] {
            assert_eq!(after(&mut prefetch, 64, size), (before, 0));
        }
    }

    /// With many intents each queue's part is small, and a few large bodies among small ones change it again and again.
    #[test]
    fn sizes_that_take_turns_change_it_less_and_less_often() {
        let mut prefetch = Prefetch::new(32, MIB, MIB);
        let turns = |prefetch: &mut Prefetch, rounds| {
            let round = |_| after(prefetch, 100, 500).1 + after(prefetch, 2, MIB).1;
            (0..rounds).map(round).sum::<usize>()
        };
        turns(&mut prefetch, 20);
        let changes = turns(&mut prefetch, 200);
        assert!(changes <= 12, "{changes} of 20,000 deliveries: twice in as many as count as calm");
        // What has calmed down is as quick again, in the end.
        after(&mut prefetch, 100_000, 500);
        assert_eq!(after(&mut prefetch, 1, MIB).0, 1);
        assert_eq!(after(&mut prefetch, 200, 500).0, 32);
    }
}
