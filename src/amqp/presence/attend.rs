//! What a session does to be known and to know: it tells of its worker, hears the others, and has lanes taken or left.
//!
//! **Invariant:** a line that is lost is opened anew, with pauses, and ends no session. One that was replaced tells nothing
//! any more, as another speaks for its worker; both still hear what clients have stopped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{sleep, sleep_until};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle, task::TaskTracker};

use super::{
    BEAT, Beat, GONE, Lanes, StoreKind,
    bot::BotTold,
    line::{Heard, Line},
    pace::Pace,
    present::{Presence, store},
};
use crate::amqp::{
    connection::link::Link,
    consuming::{delivery::Shared, ending::Ending, lanes::Places},
    objects::ask::AskError,
    publishing::{connections::Connections, settle::Settler},
};

/// How long a worker with a store of its own hears the others before it takes lanes: they answer at once.
const LISTENS: Duration = Duration::from_millis(500);
/// How often it is looked who is gone; and in the first moments.
const LOOKS: Duration = Duration::from_secs(1);
const LOOKS_AT_FIRST: Duration = Duration::from_millis(50);
/// The longest pause before a line is opened anew; and that before an exchange is looked for that isn't there: each look
/// leaves an error in the broker's log.
const MAX_PAUSE: Duration = Duration::from_secs(10);
const MISSING_PAUSE: Duration = Duration::from_secs(60);

/// A session, as far as presence needs it.
pub(crate) struct Here {
    pub(crate) shared: Arc<Shared>,
    /// It hears on this connection, and speaks on that for forwards: an alarm of the broker blocks those that publish.
    pub(crate) hears: Arc<Link>,
    pub(crate) settler: Arc<Settler<Connections>>,
    pub(crate) places: Arc<Places>,
    /// Its deliveries, but those of lanes.
    pub(crate) tasks: TaskTracker,
    pub(crate) draining: CancellationToken,
    pub(crate) retired: CancellationToken,
    pub(crate) ending: Arc<Ending>,
}

/// A session's presence, in a task of its own.
pub(crate) struct Attending {
    over: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Attending {
    /// Ends it.
    pub(crate) async fn end(self) {
        self.over.cancel();
        // A panic in it has ended the session.
        let _ = self.task.await;
    }
}

impl Presence {
    /// Is present, in a task of its own, until that is [ended](Attending::end).
    pub(crate) fn attend(self: &Arc<Self>, here: Here) -> Attending {
        let (presence, over) = (self.clone(), CancellationToken::new());
        let is_over = over.clone();
        let task = tokio::spawn(async move {
            let ending = here.ending.clone();
            ending.unless_it_panics("the task of presence", presence.attended(&here, &is_over)).await;
        });
        Attending { over, task: AbortOnDropHandle::new(task) }
    }

    async fn attended(&self, here: &Here, over: &CancellationToken) {
        let mut line = None;
        tokio::select! {
            () = self.known_to_others(here, &mut line) => {}
            () = here.draining.cancelled() => {}
            () = over.cancelled() => {}
        }
        let Some(mut line) = line else { return };
        let ends_in_order = here.draining.is_cancelled() && !here.ending.token.is_cancelled();
        if ends_in_order && !here.retired.is_cancelled() && !self.speaks(here).is_blocked() {
            line.say(&Beat { leaves: true, ..self.beat(here) }).await;
        }
        // What is in work still may have to be stopped.
        let hearing = async {
            while let Some(heard) = line.heard().await {
                match heard {
                    Heard::Cancel(word) => here.shared.cancels.heed(word),
                    Heard::Beat(beat) => self.hear(beat, Instant::now()),
                    Heard::Question { .. } | Heard::Asked(_) | Heard::Nothing => {}
                }
            }
        };
        tokio::select! {
            () = hearing => {}
            () = over.cancelled() => {}
        }
    }

    /// Tells and hears, for ever, on one line after the other.
    async fn known_to_others(&self, here: &Here, line: &mut Option<Line>) {
        let (mut pauses, mut is_told, mut deaf_since) = (pauses(), false, Instant::now());
        let own_store = store(&here.shared).filter(|store| !store.is_shared());
        loop {
            let why = match Line::open(&here.hears, self.speaks(here), &here.shared.settings.names, true).await {
                Ok(opened) => {
                    if std::mem::replace(&mut is_told, false) {
                        tracing::info!("this worker and the others know of each other again");
                    }
                    let opened_at = Instant::now();
                    self.on_line(here, line.insert(opened)).await;
                    self.deaf();
                    if opened_at.elapsed() >= BEAT {
                        pauses = self::pauses();
                    }
                    deaf_since = Instant::now();
                    "its channel was lost".to_owned()
                }
                Err(AskError::Refused(problem)) => {
                    self.denied(&problem);
                    if own_store.is_some() {
                        self.take_lanes();
                    }
                    if !problem.missing {
                        // What an administrator changes is seen by the next session.
                        return std::future::pending().await;
                    }
                    sleep(MISSING_PAUSE).await;
                    continue;
                }
                Err(AskError::Lost(why)) => why,
                Err(blocked @ AskError::Blocked(_)) => blocked.to_string(),
            };
            *line = None;
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(why, "this worker knows of no others, nor they of it; that is tried again");
            }
            if own_store.is_some() && !self.takes() && deaf_since.elapsed() >= GONE {
                self.take_lanes();
            }
            sleep(pauses.next().unwrap_or(MAX_PAUSE)).await;
        }
    }

    /// Tells and hears until the line is lost.
    async fn on_line(&self, here: &Here, line: &mut Line) {
        let own_store = store(&here.shared).filter(|store| !store.is_shared());
        let opened = Instant::now();
        let (mut pace, mut heard_itself) = (Pace::new(opened), None::<Instant>);
        loop {
            let is_new = opened.elapsed() < 2 * LISTENS;
            tokio::select! {
                // Whatever else comes first, no message is lost.
                heard = line.heard() => match heard {
                    None => return,
                    Some(Heard::Beat(beat)) => {
                        if beat.name == self.name {
                            heard_itself.get_or_insert_with(Instant::now);
                        }
                        self.hear(beat, Instant::now());
                    }
                    Some(Heard::Question { outside: true }) => pace.at_once(Instant::now()),
                    Some(Heard::Question { outside: false }) => pace.soon(Instant::now()),
                    Some(Heard::Asked(asking)) => line.tell(asking, &bot(&here.shared)).await,
                    Some(Heard::Cancel(word)) => here.shared.cancels.heed(word),
                    Some(Heard::Nothing) => {}
                },
                () = sleep_until(pace.due().into()) => {
                    if !self.speaks(here).is_blocked() && !line.say(&self.beat(here)).await {
                        return;
                    }
                    pace.told(Instant::now(), jitter());
                }
                () = here.places.changed() => pace.soon(Instant::now()),
                () = sleep(if is_new { LOOKS_AT_FIRST } else { LOOKS }) => {}
            }
            let now = Instant::now();
            if self.speaks(here).is_blocked() {
                self.hold(now);
            }
            self.count_takers(now);
            if let Some(store) = own_store {
                // Whoever doesn't even hear itself hears nobody, and can't wait for ever.
                let listened = heard_itself.is_some_and(|since| since.elapsed() >= LISTENS) || opened.elapsed() >= BEAT;
                if self.decide(&self.beat(here), store, listened, now).await {
                    pace.soon(Instant::now());
                }
            }
        }
    }

    fn speaks<'a>(&self, here: &'a Here) -> &'a Link {
        here.settler.broker.forwards.link()
    }

    /// What it tells of itself now.
    fn beat(&self, here: &Here) -> Beat {
        let store = store(&here.shared).map(StoreKind::of);
        let lanes = here.places.delivering().filter_map(|lane| u8::from_str_radix(&lane.to_string(), 16).ok());
        Beat {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            bot: here.shared.hash.to_string(),
            store,
            lanes: lanes.fold(Lanes::default(), Lanes::with),
            waits: store.is_some() && !self.takes(),
            in_flight: (here.tasks.len() + here.places.held()) as u64,
            leaves: false,
        }
    }
}

/// The bot that a worker has.
fn bot(shared: &Shared) -> BotTold<'_> {
    let mut intents: Vec<_> = shared.pipeline.routes().keys().collect();
    intents.sort_unstable();
    BotTold { bot: &shared.hash, intents, conversations: shared.pipeline.conversations().is_some() }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(MAX_PAUSE)
        .without_max_times()
        .build()
}

/// From 0 to 1.
fn jitter() -> f64 {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    (random % 1_000) as f64 / 1_000.0
}
