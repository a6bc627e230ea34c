//! The lanes on which a session has consumers, and a worker's fair share of them: as many as there are for each that consumes.
//!
//! **Invariant:** for the share a lane is left only while nothing of it is held; one in [`PAUSE`], and none in the first
//! [`SETTLING`]. The broker chooses who has it next. Where no lane may be taken any more, all are left at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch as watched},
    time::{Instant, sleep, timeout},
};

use crate::{
    amqp::{connection::link::Link, consuming::overload::count},
    domain::Lane,
};

/// How often the broker is asked how many consume.
const PERIOD: Duration = Duration::from_secs(2);
/// Between two lanes that are left.
const PAUSE: Duration = Duration::from_millis(500);
/// So long a session keeps what it got.
const SETTLING: Duration = Duration::from_secs(10);

/// The lanes on which a session has consumers.
pub(crate) struct Places {
    there: Mutex<BTreeMap<Lane, Arc<State>>>,
    /// Whether lanes may be taken.
    gate: watched::Receiver<bool>,
    /// That others are taken, or handed out to it, than before.
    changed: Notify,
}

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
    /// None yet; they may be taken while `gate` holds so.
    pub(crate) fn new(gate: watched::Receiver<bool>) -> Self {
        Self { there: Mutex::default(), gate, changed: Notify::new() }
    }

    /// The lanes that the broker hands out to this session.
    pub(crate) fn delivering(&self) -> impl Iterator<Item = Lane> {
        let places = self.lock();
        let mine = places.iter().filter(|(_, state)| state.lock().has_delivered).map(|(lane, _)| *lane);
        mine.collect::<Vec<_>>().into_iter()
    }

    /// How many deliveries of lanes are held.
    pub(crate) fn held(&self) -> usize {
        self.lock().values().map(|state| state.lock().held).sum()
    }

    /// Until other lanes are handed out than before.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Until lanes may be taken.
    pub(super) async fn may_be_taken(&self) {
        self.until_gate(true).await;
    }

    async fn until_gate(&self, open: bool) {
        // Nobody opens or closes it any more where its worker is gone.
        if self.gate.clone().wait_for(|gate| *gate == open).await.is_err() {
            std::future::pending().await
        }
    }

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
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
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
        if !std::mem::replace(&mut self.state.lock().has_delivered, true) {
            self.places.changed.notify_one();
        }
    }

    /// How many of its deliveries are held now.
    pub(super) fn holds(&self, held: usize) {
        self.state.lock().held = held;
    }

    /// Until it is to be left to another.
    pub(super) async fn to_be_left(&self) {
        tokio::select! {
            () = self.state.leave.notified() => {}
            () = self.places.until_gate(false) => {}
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.lock().remove(&self.lane);
        self.places.changed.notify_one();
    }
}

/// Leaves, for ever, what is more than this worker's share; `requests` is a queue that every worker consumes. Where that
/// can't be asked, all is kept.
pub(crate) async fn watch(link: &Link, requests: &str, places: &Places) {
    let (mut channel, mut asked) = (None, None::<Instant>);
    let mut workers = 1;
    sleep(SETTLING + jitter()).await;
    loop {
        if asked.is_none_or(|asked| asked.elapsed() >= PERIOD) {
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
        places.leave_one(share(workers));
        sleep(PAUSE + jitter()).await;
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
    fn what_is_too_much_is_left_where_nothing_is_held_and_what_never_delivered_is_not_ours() {
        let (gate, is_open) = watched::channel(true);
        let places = Places::new(is_open);
        let taken: Vec<_> = Lane::ALL.into_iter().take(4).map(|lane| places.take(lane)).collect();
        let left = || taken.iter().filter(|place| place.to_be_left().now_or_never().is_some()).count();
        places.leave_one(1);
        assert_eq!(left(), 0, "none has delivered");
        taken.iter().take(2).for_each(Place::has_delivered);
        places.leave_one(2);
        assert_eq!(left(), 0, "that is the share");
        assert_eq!((places.delivering().collect::<Vec<_>>(), places.held()), (Lane::ALL[..2].to_vec(), 0));
        taken[0].holds(1);
        assert_eq!(places.held(), 1);
        places.leave_one(1);
        assert!(taken[0].to_be_left().now_or_never().is_none() && taken[1].to_be_left().now_or_never().is_some());
        assert!(places.may_be_taken().now_or_never().is_some());
        gate.send_replace(false);
        assert_eq!(left(), 4, "no lane may be taken");
        assert!(places.may_be_taken().now_or_never().is_none());
        drop(taken);
        assert!(places.lock().is_empty());
    }
}
