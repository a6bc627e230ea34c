//! The lanes on which a session has consumers, and that those beyond a worker's [fair share](Fair) are left.
//!
//! **Invariant:** for the share a lane is left only while nothing of it is held, which its own task decides: what has come
//! is worked off first. The broker chooses who has it next. Where no lane may be taken any more, all are left at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lapin::Channel;
use tokio::{
    sync::{Notify, watch as watched},
    time::{Instant, sleep, timeout},
};

use super::fair::Fair;
use crate::{
    amqp::{connection::link::Link, consuming::overload::count},
    domain::Lane,
};

/// Between two looks, where nobody comes or goes.
const PAUSE: Duration = Duration::from_millis(500);

/// The lanes on which a session has consumers.
pub(crate) struct Places {
    there: Mutex<BTreeMap<Lane, Arc<State>>>,
    /// Whether lanes may be taken.
    gate: watched::Receiver<bool>,
    /// How many are still to be left.
    surplus: watched::Sender<usize>,
    /// That others are taken, or handed out to it, than before.
    changed: Notify,
}

#[derive(Default)]
struct State(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Whether it is handed out here, as far as that shows; no longer once it is left for the share.
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
        Self { there: Mutex::default(), gate, surplus: watched::Sender::new(0), changed: Notify::new() }
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

    /// So many of those that have delivered are to be left, each once nothing of it is held.
    fn leave(&self, surplus: usize) {
        self.surplus.send_if_modified(|left| {
            *left = surplus;
            surplus > 0
        });
    }

    /// Takes one off those that are to be left, where there are any.
    fn leaves_one(&self) -> bool {
        let mut leaves = false;
        self.surplus.send_if_modified(|left| {
            leaves = *left > 0;
            *left = left.saturating_sub(1);
            false
        });
        leaves
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Lane, Arc<State>>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Until no lane may be taken any more.
    pub(super) async fn to_be_left(&self) {
        self.places.until_gate(false).await;
    }

    /// Until it is beyond this worker's share; from then on it counts as left. To be asked only while nothing of it is held.
    pub(super) async fn is_too_much(&self) {
        let mut surplus = self.places.surplus.subscribe();
        while !self.makes_room() {
            // Its sender lives as long as this.
            if surplus.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    fn makes_room(&self) -> bool {
        let mut inner = self.state.lock();
        let leaves = inner.has_delivered && self.places.leaves_one();
        inner.has_delivered &= !leaves;
        leaves
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.lock().remove(&self.lane);
        self.places.changed.notify_one();
    }
}

/// Has what is more than this worker's share be left, for ever. `alive` is how many workers take lanes, where that is known;
/// `requests` a queue that every worker consumes. Where that can't be asked, all is kept.
pub(crate) async fn watch(link: &Link, requests: &str, places: &Places, mut alive: watched::Receiver<Option<usize>>) {
    let (mut fair, mut channel) = (Fair::new(), None);
    loop {
        let known = *alive.borrow_and_update();
        let mine = places.delivering().count();
        let surplus = fair.look(mine, known, Instant::now(), consuming(link, requests, &mut channel)).await;
        places.leave(surplus);
        tokio::select! {
            () = sleep(PAUSE + jitter()) => {}
            Ok(()) = alive.changed() => {}
        }
    }
}

/// How many workers the broker knows. A lane's own consumers it doesn't tell: those that wait for it aren't counted.
async fn consuming(link: &Link, requests: &str, channel: &mut Option<Channel>) -> usize {
    if channel.is_none() {
        *channel = timeout(link.step_limit(), link.channel()).await.ok().and_then(Result::ok);
    }
    let Some(open) = channel.as_ref() else { return 1 };
    let counted = timeout(link.step_limit(), count(open, requests)).await;
    match counted {
        Ok(Ok((_, consumers))) => usize::try_from(consumers).unwrap_or(usize::MAX).max(1),
        Ok(Err(_)) | Err(_) => {
            *channel = None;
            1
        }
    }
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

    /// How many of these are left as nothing of them is held.
    fn left(taken: &[Place<'_>]) -> usize {
        let idle = taken.iter().filter(|place| place.state.lock().held == 0);
        idle.filter(|place| place.is_too_much().now_or_never().is_some()).count()
    }

    #[test]
    fn so_many_lanes_are_left_as_are_too_much_and_what_never_delivered_is_not_ours() {
        let (gate, is_open) = watched::channel(true);
        let places = Places::new(is_open);
        let taken: Vec<_> = Lane::ALL.into_iter().take(4).map(|lane| places.take(lane)).collect();
        places.leave(1);
        assert_eq!(left(&taken), 0, "none has delivered");
        taken.iter().take(3).for_each(Place::has_delivered);
        places.leave(0);
        assert_eq!(left(&taken), 0, "nothing is too much");
        assert_eq!((places.delivering().collect::<Vec<_>>(), places.held()), (Lane::ALL[..3].to_vec(), 0));
        taken[0].holds(1);
        assert_eq!(places.held(), 1);
        places.leave(1);
        assert_eq!(left(&taken), 1, "and no more");
        assert_eq!(places.delivering().collect::<Vec<_>>(), [Lane::ALL[0], Lane::ALL[2]], "it counts as left");
        places.leave(2);
        assert_eq!((left(&taken), places.delivering().count()), (1, 1), "one holds something");
        taken[0].holds(0);
        assert_eq!((left(&taken), places.delivering().count()), (1, 0), "it is left as soon as it doesn't");
        assert!(places.may_be_taken().now_or_never().is_some());
        let closed = || taken.iter().filter(|place| place.to_be_left().now_or_never().is_some()).count();
        assert_eq!(closed(), 0);
        gate.send_replace(false);
        assert_eq!(closed(), 4, "no lane may be taken");
        assert!(places.may_be_taken().now_or_never().is_none());
        drop(taken);
        assert!(places.lock().is_empty());
    }

    #[tokio::test]
    async fn a_lane_that_waits_hears_that_it_is_too_much() {
        let (_gate, is_open) = watched::channel(true);
        let places = Places::new(is_open);
        let place = places.take(Lane::ALL[0]);
        place.has_delivered();
        tokio::join!(place.is_too_much(), async { places.leave(1) });
        assert_eq!(places.delivering().count(), 0);
    }
}
