//! What a worker knows of the others, from session to session, and whether it takes lanes.
//!
//! **Invariant:** where its store is its own, it takes lanes only while it knows of nobody else who has them; and before it
//! takes them, all that it keeps begins anew where somebody else may have gone on with it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use metrics::{Gauge, gauge};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Alive, Beat,
    claim::{Claim, claim, is_another},
};
use crate::{
    amqp::{WorkQueue, consuming::delivery::Shared, objects::problem::Problem, values::truncated},
    conversation::Store,
    domain::Lane,
};

/// The longest of the worker's name that its own begins with, in bytes.
const NAME: usize = 200;

/// What a worker knows of the others.
pub(crate) struct Presence {
    /// No other worker has it, nor this one when it starts again.
    pub(super) name: String,
    known: Mutex<Known>,
    /// Whether lanes may be taken now.
    takes: watch::Sender<bool>,
    /// How many workers take lanes, this one among them, where that is known.
    takers: watch::Sender<Option<usize>>,
    /// Whether they aren't, for another worker.
    waiting: Gauge,
}

#[derive(Default)]
struct Known {
    alive: Alive,
    /// Whether another worker had conversations, or waited for them, since this one took lanes: what is kept may be behind.
    doubtful: bool,
    is_wait_told: bool,
    is_denial_told: bool,
    is_fault_told: bool,
}

/// The store of a worker that takes lanes, of this bot; none where it takes none in any case.
pub(super) fn store(shared: &Shared) -> Option<&dyn Store> {
    let takes = shared.settings.consume.work(&WorkQueue::Conversation(Lane::ALL[0]));
    shared.pipeline.conversations().filter(|_| takes).map(|all| all.store())
}

impl Presence {
    /// Of a worker that has heard of nobody. `worker` is its name for people.
    pub(crate) fn new(worker: &str) -> Self {
        let (_, random) = Uuid::now_v7().as_u64_pair();
        Self {
            name: format!("{}-{:08x}", truncated(worker, NAME), random as u32),
            known: Mutex::default(),
            takes: watch::Sender::new(false),
            takers: watch::Sender::new(None),
            waiting: gauge!("chatbot_conversation_waiting"),
        }
    }

    /// Whether a session of this bot may begin with its lanes: where others may share its store, or it serves in the place of
    /// a session that had them.
    pub(crate) fn begins_with_lanes(&self, shared: &Shared) -> bool {
        store(shared).is_some_and(|store| store.is_shared() || self.takes())
    }

    /// Whether lanes may be taken, for a session of this bot that serves from now on.
    pub(crate) fn gate(&self, shared: &Shared) -> watch::Receiver<bool> {
        match store(shared) {
            None => _ = self.takes.send_replace(false),
            Some(store) if store.is_shared() => _ = self.takes.send_replace(true),
            Some(_) => {}
        }
        self.takes.subscribe()
    }

    /// The session was lost, and its lanes with it: another may have them before the next.
    pub(crate) fn session_lost(&self) {
        self.takes.send_replace(false);
    }

    pub(super) fn takes(&self) -> bool {
        *self.takes.borrow()
    }

    /// How many workers take lanes, this one among them, where that is known.
    pub(crate) fn takers(&self) -> watch::Receiver<Option<usize>> {
        self.takers.subscribe()
    }

    /// Counts those that take lanes at `now`.
    pub(super) fn count_takers(&self, now: Instant) {
        let takers = self.known().alive.takers(&self.name, now);
        self.takers.send_if_modified(|known| std::mem::replace(known, takers) != takers);
    }

    /// Nobody is heard any more.
    pub(super) fn deaf(&self) {
        self.takers.send_if_modified(|known| known.take().is_some());
    }

    /// This worker's name: no other has it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Looks at who is alive.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Alive) -> T) -> T {
        look(&self.known().alive)
    }

    pub(super) fn hear(&self, beat: Beat, now: Instant) {
        self.known().alive.hear(beat, now);
    }

    /// While the broker takes nothing from anybody, nobody is gone for having said nothing.
    pub(super) fn hold(&self, now: Instant) {
        self.known().alive.hold(now);
    }

    /// Decides whether lanes are taken, where `store` is this worker's own; `me` is what it tells of itself. Before it has
    /// `listened` to the others it takes none. Whether that changed.
    pub(super) async fn decide(&self, me: &Beat, store: &dyn Store, listened: bool, now: Instant) -> bool {
        let (claim, is_doubtful) = {
            let mut known = self.known();
            known.doubtful |= is_another(me, &known.alive, now);
            (claim(me, &known.alive, now), known.doubtful)
        };
        match claim {
            Claim::Take if me.waits && listened => self.take(store, is_doubtful).await,
            Claim::Take => false,
            Claim::Wait(other) => {
                self.waiting.set(1.0);
                if !std::mem::replace(&mut self.known().is_wait_told, true) {
                    tracing::warn!(
                        store = store.name(),
                        other,
                        "another worker has conversations, and this one's store is its own: it takes no queue of \
                         conversations while that one lives. Run one worker, or set CHATBOT_CONVERSATION_STORE=redis for all"
                    );
                }
                self.takes.send_if_modified(std::mem::take)
            }
        }
    }

    async fn take(&self, store: &dyn Store, is_doubtful: bool) -> bool {
        if is_doubtful {
            if let Err(error) = store.begin_anew().await {
                if !std::mem::replace(&mut self.known().is_fault_told, true) {
                    tracing::error!(%error, "no queue of conversations is taken, as what is kept of them can't be dropped");
                }
                return false;
            }
            tracing::warn!("conversations begin anew, as another worker may have gone on with them");
        }
        let mut known = self.known();
        (known.doubtful, known.is_wait_told, known.is_fault_told) = (false, false, false);
        drop(known);
        tracing::info!(store = store.name(), "this worker takes the queues of conversations");
        self.take_lanes();
        true
    }

    /// Lanes are taken, whoever else is there.
    pub(super) fn take_lanes(&self) {
        self.waiting.set(0.0);
        self.takes.send_replace(true);
    }

    /// Tells, once, that the broker denies what it takes to know of others.
    pub(super) fn denied(&self, problem: &Problem) {
        if !std::mem::replace(&mut self.known().is_denial_told, true) {
            tracing::warn!(
                object = problem.object,
                broker = problem.broker,
                "this worker knows of no others, nor they of it, and clients can't have its answers stopped: {}",
                problem.mend
            );
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::time::Duration;

    use super::{
        super::{GONE, StoreKind, beat::tests::beat},
        *,
    };
    use crate::{
        conversation::{Bounds, MemoryStore, Stored},
        domain::Key,
    };

    fn key() -> Key {
        Key::of([Some(b"c".as_slice())])
    }

    struct One {
        presence: Presence,
        store: MemoryStore,
        now: Instant,
    }

    impl One {
        fn new() -> Self {
            let bounds = Bounds { most: 10, bytes: 1 << 20, expires: Duration::from_secs(3_600) };
            let presence = Presence { name: "b".to_owned(), ..Presence::new("test") };
            Self { presence, store: MemoryStore::new(bounds, ""), now: Instant::now() }
        }

        fn hear(&self, name: &str, waits: bool, leaves: bool) {
            let beat = Beat { store: Some(StoreKind::Memory), waits, leaves, ..beat(name) };
            self.presence.hear(beat, self.now);
        }

        async fn decide(&self, listened: bool) -> bool {
            let me = Beat { store: Some(StoreKind::Memory), waits: !self.presence.takes(), ..beat("b") };
            self.presence.decide(&me, &self.store, listened, self.now).await;
            self.presence.takes()
        }

        /// Keeps what would show that all began anew: its bytes would be read as a record.
        async fn say(&self) {
            let record = crate::conversation::Record::begin(crate::conversation::Who {
                user_id: None,
                sender: None,
                conversation: "c".to_owned(),
            });
            let outcome = bytes::Bytes::from_static(b"1");
            let stored = record.after(key(), Default::default(), outcome, 1).stored().unwrap();
            self.store.put(&key(), stored).await.unwrap();
        }

        async fn is_anew(&self) -> bool {
            let stored: Stored = self.store.get(&key()).await.unwrap().unwrap();
            crate::conversation::Record::read(&key(), &stored).unwrap().state.expired
        }
    }

    #[tokio::test]
    async fn alone_it_takes_lanes_once_it_has_listened_and_keeps_its_state_whatever_is_lost() {
        let one = One::new();
        one.say().await;
        assert!(!one.decide(false).await);
        assert!(one.decide(true).await);
        one.presence.session_lost();
        assert!(!one.presence.takes());
        assert!(one.decide(true).await);
        assert!(!one.is_anew().await);
    }

    #[tokio::test]
    async fn while_another_has_lanes_it_takes_none_and_begins_anew_when_that_one_leaves_or_is_gone() {
        for leaves in [true, false] {
            let mut one = One::new();
            one.say().await;
            one.hear("c", false, false);
            assert!(!one.decide(true).await);
            if leaves {
                one.hear("c", false, true);
            } else {
                one.now += GONE - Duration::from_millis(1);
                assert!(!one.decide(true).await);
                one.presence.hold(one.now);
                one.now += GONE - Duration::from_millis(1);
                assert!(!one.decide(true).await, "nothing could be heard");
                one.now += Duration::from_millis(1);
            }
            assert!(one.decide(true).await);
            assert!(one.is_anew().await);
        }
    }

    #[tokio::test]
    async fn one_that_had_lanes_while_another_waited_begins_anew_after_its_session_was_lost() {
        let one = One::new();
        assert!(one.decide(true).await);
        one.say().await;
        one.hear("c", true, false);
        assert!(one.decide(true).await, "who has lanes keeps them");
        assert!(!one.is_anew().await);
        one.presence.session_lost();
        one.hear("c", true, true);
        assert!(one.decide(true).await);
        assert!(one.is_anew().await);
    }

    #[tokio::test]
    async fn of_two_that_took_lanes_the_later_name_leaves_them() {
        let one = One::new();
        assert!(one.decide(true).await);
        one.hear("c", false, false);
        assert!(one.decide(true).await);
        one.hear("a", false, false);
        assert!(!one.decide(true).await);
    }

    #[test]
    fn who_waits_for_the_number_of_takers_hears_only_of_changes() {
        let (one, now) = (One::new(), Instant::now());
        let mut takers = one.presence.takers();
        let mut told = |is_deaf: bool| {
            if is_deaf {
                one.presence.deaf()
            } else {
                one.presence.count_takers(now)
            }
            let has_changed = takers.has_changed().unwrap();
            has_changed.then(|| *takers.borrow_and_update())
        };
        assert_eq!(told(false), None, "it doesn't hear itself");
        one.presence.hear(beat("b"), now);
        assert_eq!((told(false), told(false)), (Some(Some(1)), None));
        one.presence.hear(beat("c"), now);
        assert_eq!((told(false), told(true), told(true)), (Some(Some(2)), Some(None), None));
    }

    #[test]
    fn no_two_workers_have_the_same_name() {
        let (a, b) = (Presence::new("host-1"), Presence::new(&"x".repeat(300)));
        assert!(a.name.starts_with("host-1-") && b.name.len() <= 255);
        assert_ne!(a.name, Presence::new("host-1").name);
    }
}
