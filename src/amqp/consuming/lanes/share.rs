//! A worker's fair share of the lanes: as many as there are for each that consumes.
//!
//! **Invariant:** a lane is left only while nothing of it is held; one in [`PAUSE`], and none in the first [`SETTLING`]. The
//! broker chooses who has it next.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use crate::{
    amqp::{connection::link::Link, consuming::overload::count},
    conversation::Store,
    domain::Lane,
};

/// How often the broker is asked how many consume.
const PERIOD: Duration = Duration::from_secs(10);
/// Between two lanes that are left.
const PAUSE: Duration = Duration::from_secs(2);
/// So long a session keeps what it got.
const SETTLING: Duration = Duration::from_secs(10);

/// The lanes on which a session has consumers.
#[derive(Default)]
pub(crate) struct Places(Mutex<BTreeMap<Lane, Arc<State>>>);

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    leave: Notify,
}

#[derive(Default)]
struct Inner {
    has_delivered: bool,
    held: usize,
}

/// That a session has a consumer on a lane.
pub(crate) struct Place<'a> {
    places: &'a Places,
    lane: Lane,
    state: Arc<State>,
}

impl Places {
    /// A consumer was started on a lane.
    pub(super) fn take(&self, lane: Lane) -> Place<'_> {
        let state = Arc::<State>::default();
        self.lock().insert(lane, state.clone());
        Place { places: self, lane, state }
    }

    /// Has one lane be left where more have delivered than `share`, and nothing of it is held.
    fn leave_one(&self, share: usize) {
        let places = self.lock();
        let mine: Vec<_> = places.values().filter(|state| state.lock().has_delivered).collect();
        if mine.len() > share
            && let Some(state) = mine.into_iter().find(|state| state.lock().held == 0)
        {
            state.leave.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Lane, Arc<State>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The broker hands the lane out to this consumer.
    pub(super) fn has_delivered(&self) {
        self.state.lock().has_delivered = true;
    }

    /// How many of its deliveries are held now.
    pub(super) fn holds(&self, held: usize) {
        self.state.lock().held = held;
    }

    /// Until it is to be left to another.
    pub(super) async fn to_be_left(&self) {
        self.state.leave.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.lock().remove(&self.lane);
    }
}

/// Leaves, for ever, what is more than this worker's share; `requests` is a queue that every worker consumes. Where that
/// can't be asked, all is kept. Where another couldn't go on with a conversation, as `store` is this worker's alone, nothing is
/// left, and that there is another is told.
pub(crate) async fn watch(link: &Link, requests: &str, places: &Places, store: &dyn Store) {
    let (mut channel, mut asked) = (None, None::<Instant>);
    let (mut workers, mut told) = (1, Told::default());
    sleep(SETTLING + jitter()).await;
    loop {
        let is_new = asked.is_none_or(|asked| asked.elapsed() >= PERIOD);
        if is_new {
            asked = Some(Instant::now());
            if channel.is_none() {
                channel = timeout(link.step_limit(), link.channel()).await.ok().and_then(Result::ok);
            }
            workers = match &channel {
                Some(open) => match timeout(link.step_limit(), count(open, requests)).await {
                    Ok(Ok((_, consumers))) => consumers.max(1),
                    Ok(Err(_)) | Err(_) => {
                        channel = None;
                        1
                    }
                },
                None => 1,
            };
        }
        if store.is_shared() {
            places.leave_one(share(workers));
        } else if is_new && told.is_to_be_told(workers) {
            tracing::warn!(
                store = store.name(),
                workers,
                "several workers consume, and conversations are kept in each worker's own store: one that changes its \
                 worker begins anew. Run one worker, or set CHATBOT_CONVERSATION_STORE=redis for all"
            );
        }
        sleep(PAUSE + jitter()).await;
    }
}

/// That several workers were seen, which is told once. Seen twice in a row: a bot that is replaced consumes beside its
/// successor for a moment.
#[derive(Default)]
struct Told {
    was_seen: bool,
    is_told: bool,
}

impl Told {
    fn is_to_be_told(&mut self, workers: u32) -> bool {
        let is_seen = workers > 1;
        let is_due = is_seen && std::mem::replace(&mut self.was_seen, is_seen) && !self.is_told;
        self.was_seen = is_seen;
        self.is_told = is_seen && (self.is_told || is_due);
        is_due
    }
}

/// Of sixteen lanes, each of so many workers' part, rounded up.
fn share(workers: u32) -> usize {
    Lane::ALL.len().div_ceil(usize::try_from(workers).unwrap_or(usize::MAX).max(1))
}

/// Up to half a second, so that workers that started together don't ask together.
fn jitter() -> Duration {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    Duration::from_millis(random % 500)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_share_is_rounded_up() {
        for (workers, expected) in [(0, 16), (1, 16), (2, 8), (3, 6), (15, 2), (16, 1), (100, 1)] {
            assert_eq!(share(workers), expected, "{workers}");
        }
    }

    #[test]
    fn several_workers_are_told_of_once_and_again_when_they_come_back() {
        let mut told = Told::default();
        let seen = [1, 2, 1, 2, 3, 2, 1, 2, 2].map(|workers| told.is_to_be_told(workers));
        assert_eq!(seen, [false, false, false, false, true, false, false, false, true]);
    }

    #[test]
    fn what_is_too_much_is_left_where_nothing_is_held_and_what_never_delivered_is_not_ours() {
        let places = Places::default();
        let taken: Vec<_> = Lane::ALL.into_iter().take(4).map(|lane| places.take(lane)).collect();
        let left = || taken.iter().filter(|place| place.to_be_left().now_or_never().is_some()).count();
        places.leave_one(1);
        assert_eq!(left(), 0, "none has delivered");
        taken.iter().take(2).for_each(Place::has_delivered);
        places.leave_one(2);
        assert_eq!(left(), 0, "that is the share");
        taken[0].holds(1);
        places.leave_one(1);
        assert!(taken[0].to_be_left().now_or_never().is_none() && taken[1].to_be_left().now_or_never().is_some());
        drop(taken);
        assert!(places.lock().is_empty());
    }
}
