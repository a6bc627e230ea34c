//! What is scarce, shared so that nobody who takes and doesn't give back leaves the others without.
//!
//! The rule is that of dynamic thresholds in shared-memory switches (Choudhury and Hahne, IEEE/ACM Transactions on
//! Networking 6(2), 1998), with α = 1: a share may take as long as it then holds no more than what is left. One that hoards
//! gets half, two get a third each, and *n* of them leave the (*n* + 1)th part to everybody else.
//!
//! **Invariant:** no more is taken than there is; a share that holds nothing may always take what is left.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// So much of something, in any unit.
pub struct Pool {
    total: usize,
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    free: usize,
    waiting: usize,
}

/// One of those who share a pool.
pub struct Share {
    pool: Arc<Pool>,
    /// Changed only while the pool's state is held.
    taken: AtomicUsize,
    /// Whether it may take all that is left.
    unbounded: bool,
}

/// What was taken; given back when dropped.
pub struct Room {
    share: Arc<Share>,
    amount: usize,
}

impl Pool {
    /// A pool of so much, 1 at least.
    pub fn new(total: usize) -> Arc<Self> {
        let total = total.max(1);
        Arc::new(Self { total, state: Mutex::new(State { free: total, waiting: 0 }), freed: Notify::new() })
    }

    /// One more share.
    pub fn share(self: &Arc<Self>) -> Arc<Share> {
        Arc::new(Share { pool: self.clone(), taken: AtomicUsize::new(0), unbounded: false })
    }

    /// A share that may take all that is left: for one that is bounded otherwise.
    pub fn unbounded_share(self: &Arc<Self>) -> Arc<Share> {
        Arc::new(Share { pool: self.clone(), taken: AtomicUsize::new(0), unbounded: true })
    }
}

impl Share {
    /// Takes so much, as far as there is so much in all; `None` if the share may not now.
    pub fn try_take(self: &Arc<Self>, amount: usize) -> Option<Room> {
        self.take_of(&mut self.pool.state.lock().unwrap_or_else(PoisonError::into_inner), amount)
    }

    /// The same, waiting until it may.
    pub async fn take(self: &Arc<Self>, amount: usize) -> Room {
        loop {
            let mut freed = std::pin::pin!(self.pool.freed.notified());
            {
                let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(room) = self.take_of(&mut state, amount) {
                    return room;
                }
                state.waiting += 1;
                freed.as_mut().enable();
            }
            freed.await;
        }
    }

    fn take_of(self: &Arc<Self>, state: &mut State, amount: usize) -> Option<Room> {
        let amount = amount.min(self.pool.total);
        let left = state.free.checked_sub(amount)?;
        let taken = self.taken.load(Ordering::Relaxed);
        if taken > 0 && taken + amount > left && !self.unbounded {
            return None;
        }
        state.free = left;
        self.taken.store(taken + amount, Ordering::Relaxed);
        Some(Room { share: self.clone(), amount })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let pool = &self.share.pool;
        let mut state = pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free += self.amount;
        self.share.taken.fetch_sub(self.amount, Ordering::Relaxed);
        // Whoever waits looks again, and counts itself again; a count that is too high wakes nobody once too often.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        if waiting > 0 {
            pool.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use futures_util::FutureExt;

    use super::*;

    /// Takes one after the other, as many as it may.
    fn hoard(share: &Arc<Share>) -> Vec<Room> {
        std::iter::from_fn(|| share.try_take(1)).collect()
    }

    #[test]
    fn those_who_hoard_leave_as_much_again() {
        let pool = Pool::new(120);
        let first = hoard(&pool.share());
        assert_eq!(first.len(), 60);
        let second = hoard(&pool.share());
        assert_eq!(second.len(), 30);
        let late = pool.share();
        assert_eq!(late.try_take(30).map(|room| room.amount), Some(30), "who holds nothing may take what is left");
        assert!(late.try_take(31).is_none());
        drop(first);
        assert_eq!(hoard(&late).len(), 45);
    }

    #[test]
    fn an_unbounded_share_takes_what_is_left_and_no_more() {
        let pool = Pool::new(10);
        let _hoarded = hoard(&pool.share());
        let share = pool.unbounded_share();
        assert_eq!(hoard(&share).len(), 5);
        assert!(pool.share().try_take(1).is_some(), "all was given back");
    }

    #[test]
    fn what_is_more_than_the_pool_takes_all_of_it() {
        let pool = Pool::new(10);
        let share = pool.share();
        let room = share.try_take(99).unwrap();
        assert!(share.try_take(1).is_none() && pool.share().try_take(1).is_none());
        drop(room);
        assert!(share.try_take(10).is_some());
    }

    #[test]
    fn whoever_waits_is_woken_when_something_is_given_back() {
        let pool = Pool::new(2);
        let (one, other) = (pool.share(), pool.share());
        let held = one.try_take(2).unwrap();
        let mut waiting = std::pin::pin!(other.take(2));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(held);
        assert!(waiting.now_or_never().is_some());
    }
}
