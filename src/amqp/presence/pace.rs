//! When a worker tells of itself: every so often, and soon after something changed or somebody asked. Pure.
//!
//! **Invariant:** however often other workers ask, it speaks no more often than its pauses allow, and these grow as long as it is
//! asked on: workers that start together ask each other all at once. Who asks from outside is answered whatever the pause
//! is, as that one listens for a moment only; at most every [`LEAST_OUTSIDE`].

use std::time::{Duration, Instant};

use super::BEAT;

/// The shortest pause between two beats.
const LEAST: Duration = Duration::from_millis(100);
/// The same where somebody outside asks: well below what that one listens for.
const LEAST_OUTSIDE: Duration = Duration::from_millis(200);

/// When the next beat is due.
#[derive(Debug)]
pub(super) struct Pace {
    last: Option<Instant>,
    /// The least that has to lie between the last beat and the next.
    pause: Duration,
    /// Whether the next has to wait for that, as it was asked for too soon.
    waits: bool,
    due: Instant,
}

impl Pace {
    /// The first beat is due at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { last: None, pause: LEAST, waits: false, due: now }
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// It is to be told soon, as something has changed or somebody asks.
    pub(super) fn soon(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| last + self.pause).max(now);
        self.waits |= earliest > now;
        self.due = self.due.min(earliest);
    }

    /// It is to be told now, as somebody asks from outside.
    pub(super) fn at_once(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| last + LEAST_OUTSIDE).max(now);
        self.due = self.due.min(earliest);
    }

    /// One was told at `now`. `jitter` is from 0 to 1: workers that started together don't tell together.
    pub(super) fn told(&mut self, now: Instant, jitter: f64) {
        self.pause = if std::mem::take(&mut self.waits) { (2 * self.pause).min(BEAT) } else { LEAST };
        self.last = Some(now);
        self.due = now + BEAT.mul_f64(0.8 + 0.3 * jitter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many beats there are in so long, when somebody asks every `between`.
    fn beats(between: Duration, lasts: Duration) -> usize {
        let start = Instant::now();
        let (mut pace, mut now, mut beats) = (Pace::new(start), start, 0);
        while now < start + lasts {
            if now >= pace.due() {
                pace.told(now, 0.5);
                beats += 1;
            }
            pace.soon(now);
            now += between;
        }
        beats
    }

    #[test]
    fn it_is_told_every_five_seconds_with_some_jitter() {
        let start = Instant::now();
        for (jitter, millis) in [(0.0, 4_000), (1.0, 5_500)] {
            let mut pace = Pace::new(start);
            assert_eq!(pace.due(), start);
            pace.told(start, jitter);
            assert_eq!(pace.due(), start + Duration::from_millis(millis));
        }
    }

    #[test]
    fn who_asks_after_a_while_is_answered_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.told(start, 0.5);
        for _ in 0..3 {
            let asked = pace.last.unwrap_or(start) + Duration::from_secs(3);
            pace.soon(asked);
            assert_eq!(pace.due(), asked);
            pace.told(asked, 0.5);
        }
        let asked = pace.last.unwrap_or(start) + Duration::from_millis(1);
        pace.soon(asked);
        assert_eq!(pace.due(), asked + Duration::from_millis(99), "one right after the other waits a moment");
    }

    #[test]
    fn a_storm_of_questions_is_answered_less_and_less() {
        let asked = Duration::from_millis(1);
        let (ten, hundred) = (beats(asked, Duration::from_secs(10)), beats(asked, Duration::from_secs(100)));
        assert!((5..=10).contains(&ten), "{ten}");
        assert!(hundred <= 45, "{hundred}");
    }

    #[test]
    fn who_asks_from_outside_is_answered_within_a_moment_whatever_the_pause_is() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        // A rollout: one worker after the other asks too soon, until the pause is the longest.
        for _ in 0..10 {
            pace.told(now, 0.5);
            pace.soon(now);
            now = pace.due();
        }
        pace.told(now, 0.5);
        pace.soon(now);
        assert!(pace.due() > now + Duration::from_secs(4));
        pace.at_once(now + Duration::from_millis(50));
        assert_eq!(pace.due(), now + LEAST_OUTSIDE);
        let asked = now + Duration::from_secs(1);
        pace.told(now, 0.5);
        pace.at_once(asked);
        assert_eq!(pace.due(), asked);
    }

    #[test]
    fn a_storm_of_questions_from_outside_is_answered_five_times_a_second() {
        let start = Instant::now();
        let (mut pace, mut beats) = (Pace::new(start), 0);
        for millisecond in 0..1_000 {
            let now = start + Duration::from_millis(millisecond);
            if now >= pace.due() {
                pace.told(now, 0.5);
                beats += 1;
            }
            pace.at_once(now);
        }
        assert_eq!(beats, 5);
    }
}
