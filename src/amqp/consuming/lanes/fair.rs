//! A worker's fair share of the lanes: as many as there are for each that takes them. Pure.
//!
//! **Invariants:** more workers than before count once there were so many for [`SETTLING`], fewer at once: who comes and goes
//! moves no lane. Nothing is left where the broker knows of nobody else: who died is alive to the others for a while.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Lane;

/// How long there have to be more workers than before until lanes are left to them.
const SETTLING: Duration = Duration::from_secs(2);

/// How many workers share the lanes, as it was seen look by look.
pub(super) struct Fair {
    /// So many did lately.
    workers: usize,
    /// Since when there are more, and how many there were at least.
    more: Option<(Instant, usize)>,
}

impl Fair {
    /// Of a worker that just began: it keeps what it gets at first.
    pub(super) fn new() -> Self {
        Self { workers: 1, more: None }
    }

    /// How many of `mine` lanes are to be left before the next look: half of what is more than the share, so that what was
    /// seen wrongly costs little. So many workers are `alive` that take lanes, where that is known; so many are `consuming`
    /// as the broker says, which is asked only where something may have to be left.
    pub(super) async fn look(
        &mut self,
        mine: usize,
        alive: Option<usize>,
        now: Instant,
        consuming: impl Future<Output = usize>,
    ) -> usize {
        // Where it isn't known, there may be as many as the broker says.
        let alive = alive.unwrap_or(usize::MAX);
        if mine <= share(self.settled(alive, now)) {
            return 0;
        }
        let workers = self.settled(alive.min(consuming.await), now);
        mine.saturating_sub(share(workers)).div_ceil(2)
    }

    /// How many workers count at `now`, where so many are seen.
    fn settled(&mut self, seen: usize, now: Instant) -> usize {
        if seen <= self.workers {
            (self.workers, self.more) = (seen, None);
            return seen;
        }
        let (since, least) = self.more.map_or((now, seen), |(since, least)| (since, least.min(seen)));
        if now.saturating_duration_since(since) >= SETTLING {
            (self.workers, self.more) = (least, None);
        } else {
            self.more = Some((since, least));
        }
        self.workers
    }
}

/// Of sixteen lanes, each of so many workers' part, rounded up.
fn share(workers: usize) -> usize {
    Lane::ALL.len().div_ceil(workers.max(1))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::{
        collections::{BTreeMap, VecDeque},
        future::{pending, ready},
    };

    use futures_util::FutureExt;

    use super::*;

    /// Between two looks.
    const LOOK: Duration = Duration::from_millis(500);

    /// Workers at the broker's lanes: who is first in a lane's line has it, and who leaves it goes to the end.
    struct Fleet {
        lines: Vec<VecDeque<u8>>,
        workers: BTreeMap<u8, Fair>,
        now: Instant,
        /// How often a lane was left.
        left: usize,
    }

    impl Fleet {
        /// Of so many workers, which have their shares.
        fn of(workers: u8) -> Self {
            let lines = vec![VecDeque::new(); Lane::ALL.len()];
            let mut fleet = Self { lines, workers: BTreeMap::new(), now: Instant::now(), left: 0 };
            for worker in 0..workers {
                fleet.comes(worker);
                fleet.looks(20, Some(fleet.workers.len()));
            }
            fleet.left = 0;
            fleet
        }

        fn comes(&mut self, worker: u8) {
            self.workers.insert(worker, Fair::new());
            self.lines.iter_mut().for_each(|line| line.push_back(worker));
        }

        /// As it stops or dies: the broker knows at once.
        fn goes(&mut self, worker: u8) {
            self.workers.remove(&worker);
            self.lines.iter_mut().for_each(|line| line.retain(|waiting| *waiting != worker));
        }

        /// All look so often, and hear so many to be alive.
        fn looks(&mut self, times: usize, alive: Option<usize>) {
            for _ in 0..times {
                self.now += LOOK;
                let consuming = self.workers.len();
                for (worker, fair) in &mut self.workers {
                    let mine = self.lines.iter_mut().filter(|line| line.front() == Some(worker));
                    let mine: Vec<_> = mine.collect();
                    let look = fair.look(mine.len(), alive, self.now, ready(consuming));
                    for line in mine.into_iter().take(look.now_or_never().unwrap()) {
                        line.rotate_left(1);
                        self.left += 1;
                    }
                }
            }
        }

        /// How many lanes each has.
        fn parts(&self) -> Vec<usize> {
            let part = |worker| self.lines.iter().filter(|line| line.front() == Some(worker)).count();
            self.workers.keys().map(part).collect()
        }
    }

    #[test]
    fn a_share_is_rounded_up() {
        for (workers, expected) in [(0, 16), (1, 16), (2, 8), (3, 6), (15, 2), (16, 1), (100, 1), (usize::MAX, 1)] {
            assert_eq!(share(workers), expected, "{workers}");
        }
    }

    #[test]
    fn a_second_worker_has_a_third_after_three_seconds_and_its_share_a_second_later() {
        let mut fleet = Fleet::of(1);
        fleet.comes(1);
        fleet.looks(4, Some(2));
        assert_eq!(fleet.parts(), [16, 0], "it may go again");
        for expected in [[12, 4], [10, 6], [9, 7], [8, 8]] {
            fleet.looks(1, Some(2));
            assert_eq!(fleet.parts(), expected);
        }
        fleet.looks(20, Some(2));
        assert_eq!((fleet.parts(), fleet.left), (vec![8, 8], 8), "no more lanes move than have to");
    }

    /// Some lanes go by the other before they come to the third: who waits longer for one has it first.
    #[test]
    fn a_third_worker_has_its_part_and_then_no_lane_moves() {
        for is_known in [true, false] {
            let mut fleet = Fleet::of(2);
            fleet.comes(2);
            fleet.looks(20, is_known.then_some(3));
            assert_eq!(fleet.parts(), [6, 6, 4], "{is_known}");
            let left = fleet.left;
            fleet.looks(40, is_known.then_some(3));
            assert_eq!(fleet.left, left, "{is_known}");
        }
    }

    #[test]
    fn when_one_of_three_stops_the_others_have_halves() {
        let mut fleet = Fleet::of(3);
        fleet.goes(2);
        fleet.looks(20, Some(2));
        assert_eq!(fleet.parts(), [8, 8]);
    }

    #[test]
    fn for_one_that_died_nothing_is_left_while_it_is_held_for_alive() {
        let mut fleet = Fleet::of(2);
        fleet.goes(1);
        fleet.looks(30, Some(2));
        assert_eq!((fleet.parts(), fleet.left), (vec![16], 0));
        let mut fleet = Fleet::of(3);
        fleet.goes(0);
        fleet.looks(30, Some(3));
        let left = fleet.left;
        assert_eq!(fleet.parts(), [8, 8]);
        fleet.looks(20, Some(2));
        assert_eq!(fleet.left, left);
    }

    #[test]
    fn one_that_comes_and_goes_again_and_again_moves_nothing() {
        let mut fleet = Fleet::of(1);
        for _ in 0..10 {
            fleet.comes(1);
            fleet.looks(3, Some(2));
            fleet.goes(1);
            fleet.looks(1, Some(1));
        }
        assert_eq!((fleet.parts(), fleet.left), (vec![16], 0));
    }

    #[test]
    fn where_nobody_is_heard_of_the_broker_tells_how_many_there_are() {
        let mut fleet = Fleet::of(1);
        fleet.looks(20, None);
        assert_eq!(fleet.left, 0);
        fleet.comes(1);
        fleet.looks(20, None);
        assert_eq!((fleet.parts(), fleet.left), (vec![8, 8], 8));
    }

    #[test]
    fn the_broker_is_not_asked_while_nothing_is_to_be_left() {
        let (mut fair, start) = (Fair::new(), Instant::now());
        assert_eq!(fair.look(16, Some(1), start, pending()).now_or_never(), Some(0));
        assert_eq!(fair.look(8, Some(2), start + LOOK, pending()).now_or_never(), Some(0));
        assert_eq!(fair.look(8, Some(2), start + 2 * SETTLING, pending()).now_or_never(), Some(0));
        assert_eq!(fair.look(9, Some(2), start + 2 * SETTLING, ready(2)).now_or_never(), Some(1));
    }
}
