//! Who asks, by one session after the other.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Hearing, Question, To,
    pending::Pending,
    session::{Said, Session},
};
use crate::{
    amqp::{
        Names,
        connection::{address::Broker, error::ConnectError, link::reconnected},
        objects::ask::AskError,
    },
    domain::IntentName,
};

/// The longest pause between two tries to connect; with jitter twice that.
const MAX_PAUSE: Duration = Duration::from_millis(800);
/// The pause before an exchange is looked for again that isn't there: each look leaves an error in the broker's log.
const MISSING_PAUSE: Duration = Duration::from_secs(2);

/// For how long it is believed which intents there are.
const BELIEVED: Duration = Duration::from_secs(5);

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker refuses something.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The connection was lost.
    #[error("the connection was lost: {0}")]
    Lost(String),
}

/// Asks; cheap to clone.
#[derive(Clone)]
pub struct Asker(Arc<State>);

pub(super) struct State {
    pub(super) names: Names,
    pub(super) pending: Pending,
    session: watch::Sender<Option<Arc<Session>>>,
    ready: watch::Sender<bool>,
    /// Whether there is no exchange, as no worker has run yet.
    pub(super) is_missing: AtomicBool,
    is_denial_told: AtomicBool,
    known: Mutex<Known>,
    /// Held while the workers are asked.
    looking: tokio::sync::Mutex<()>,
}

/// What was told of the bots that workers have.
#[derive(Default, Clone)]
pub(super) struct Known {
    at: Option<Instant>,
    intents: Vec<IntentName>,
    /// When they were asked last, and whether none answered then.
    looked: Option<(Instant, bool)>,
    /// Whether all of them have conversations: a queue of conversations that nobody consumes may be left of a bot before.
    pub(super) conversations: bool,
}

impl Known {
    fn is_old(&self) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= BELIEVED)
    }
}

/// What keeps a session with the broker.
pub struct Running {
    state: Arc<State>,
    broker: Broker,
    said: Box<Said>,
}

impl Asker {
    /// One without a session, and what makes it sessions. `said` gets what people say unasked, and mustn't wait.
    pub fn new(broker: Broker, names: Names, said: Box<Said>) -> (Self, Running) {
        let state = Arc::new(State {
            names,
            pending: Pending::default(),
            session: watch::Sender::new(None),
            ready: watch::Sender::new(false),
            is_missing: AtomicBool::new(false),
            is_denial_told: AtomicBool::new(false),
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        });
        (Self(state.clone()), Running { state, broker, said })
    }

    /// Asks. Nothing is done before [`Hearing::next`] is awaited. To be called in a tokio runtime.
    pub fn ask(&self, question: Question) -> Hearing {
        if matches!(question.to, To::Conversation(_)) && self.0.known().is_old() {
            let state = self.0.clone();
            tokio::spawn(async move { state.look_for_bots().await });
        }
        Hearing::new(self.0.clone(), question)
    }

    /// The intents of the workers' bots, as they tell: each worker that answers within half a second. Those that were told
    /// last where nobody answers now; none where nobody ever has.
    pub async fn intents(&self) -> Vec<IntentName> {
        self.0.look_for_bots().await;
        self.0.known().intents.clone()
    }

    /// Whether there is a session with the broker, from now on.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.0.ready.subscribe()
    }

    /// Whether there is no exchange, as no worker has run yet.
    pub fn is_missing(&self) -> bool {
        self.0.is_missing.load(Ordering::Acquire)
    }

    /// Whether the workers have said that no bot of theirs has conversations.
    pub fn keeps_no_conversations(&self) -> bool {
        let known = self.0.known();
        !known.intents.is_empty() && !known.conversations
    }
}

impl State {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the workers which bots they have, unless that was asked a moment ago.
    async fn look_for_bots(&self) {
        let _looking = self.looking.lock().await;
        let session = self.session.borrow().clone();
        let Some(session) = session.filter(|_| self.known().is_old()) else { return };
        self.look(&session).await;
    }

    /// Whether the workers can be asked, and none of them says that it is there.
    pub(super) async fn is_deserted(&self) -> bool {
        let _looking = self.looking.lock().await;
        let (session, looked) = (self.session.borrow().clone(), self.known().looked);
        // Many may have waited in vain at once.
        if let Some((_, is_deserted)) = looked.filter(|(at, _)| at.elapsed() < BELIEVED) {
            return is_deserted;
        }
        let Some(session) = session else { return false };
        self.look(&session).await;
        self.known().looked.is_some_and(|(_, is_deserted)| is_deserted)
    }

    /// Asks the workers which bots they have.
    async fn look(&self, session: &Session) {
        match session.bots(&self.names, &self.pending).await {
            // Who doesn't answer now may in a moment; what was told last holds meanwhile.
            Ok(bots) if bots.is_empty() => self.known().looked = Some((Instant::now(), true)),
            Ok(bots) => {
                let conversations = bots.iter().all(|bot| bot.conversations);
                let intents: BTreeSet<IntentName> = bots.into_iter().flat_map(|bot| bot.intents).collect();
                let intents = intents.into_iter().collect();
                let now = Instant::now();
                *self.known() = Known { at: Some(now), intents, looked: Some((now, false)), conversations };
            }
            Err(error) => {
                if !self.is_denial_told.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "the door can't ask which intents there are");
                }
                let now = Instant::now();
                let mut known = self.known();
                (known.at, known.looked) = (Some(now), Some((now, false)));
            }
        }
    }

    /// The session; the next one where there is none.
    pub(super) async fn session(&self) -> Arc<Session> {
        let mut sessions = self.session.subscribe();
        loop {
            if let Some(session) = sessions.borrow_and_update().clone().filter(|session| !session.over.is_cancelled()) {
                return session;
            }
            if sessions.changed().await.is_err() {
                // Nobody makes sessions any more: whoever waits has a time limit.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Running {
    /// Keeps a session until told to stop.
    ///
    /// # Errors
    /// [`ConnectError`] where the broker refuses the user before there was any session.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ConnectError> {
        let (mut pauses, mut told, mut sessions) = (pauses(), None, 0_u64);
        loop {
            let opened = tokio::select! {
                opened = Session::open(&self.broker, &self.state.names) => opened,
                () = stop.cancelled() => return Ok(()),
            };
            match opened {
                Ok((session, mut consumer)) => {
                    sessions += 1;
                    if sessions > 1 {
                        reconnected("door");
                    }
                    (pauses, told) = (self::pauses(), None);
                    self.state.session.send_replace(Some(session.clone()));
                    self.state.ready.send_replace(true);
                    self.state.is_missing.store(false, Ordering::Release);
                    let lost = tokio::select! {
                        why = session.hand_out(&mut consumer, &self.state.pending, &*self.said) => Some(why),
                        () = stop.cancelled() => None,
                    };
                    self.state.session.send_replace(None);
                    self.state.ready.send_replace(false);
                    session.close().await;
                    match lost {
                        Some(reason) => {
                            tracing::warn!(reason, "the door lost its connection to the broker; connecting again")
                        }
                        None => return Ok(()),
                    }
                }
                Err(Unasked::Connect(error)) if sessions == 0 && is_refusal(&error) => return Err(error),
                Err(error) => {
                    self.state.is_missing.store(is_missing(&error), Ordering::Release);
                    if is_missing(&error) {
                        pauses = Box::new(std::iter::repeat(MISSING_PAUSE));
                    }
                    let why = self.in_words(&error);
                    if told.as_ref() != Some(&why) {
                        tracing::warn!(reason = why, "the door can't ask yet; trying again");
                        told = Some(why);
                    }
                }
            }
            tokio::select! {
                () = sleep(pauses.next().unwrap_or(MAX_PAUSE)) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn in_words(&self, error: &Unasked) -> String {
        match error {
            missing if is_missing(missing) => format!(
                "there is no exchange '{}' on this broker: is a worker running? `chatbot-worker run` starts one; \
                 CHATBOT_AMQP_EXCHANGE names the exchange",
                self.state.names.exchange()
            ),
            Unasked::Ask(AskError::Refused(problem)) if problem.refused => format!(
                "{error}; `chatbot-worker topology permissions --door NAME` prints what its user has to be allowed"
            ),
            other => other.to_string(),
        }
    }
}

fn is_refusal(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Credentials { .. } | ConnectError::VirtualHost { .. })
}

fn is_missing(error: &Unasked) -> bool {
    matches!(error, Unasked::Ask(AskError::Refused(problem)) if problem.missing)
}

fn pauses() -> Box<dyn Iterator<Item = Duration> + Send> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(MAX_PAUSE)
        .with_jitter()
        .without_max_times();
    Box::new(backoff.build())
}
