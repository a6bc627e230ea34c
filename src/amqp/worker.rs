//! Session after session, until told to stop; and one in the place of another, for another bot.
//!
//! **Invariant:** a broker that is away is waited for, for ever; what the broker refuses at the first start ends the
//! worker with a reason. Told once a change, not once a try.

use std::{collections::HashSet, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::join_all;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    connection::{error::ConnectError, link::reconnected},
    consuming::{delivery::Shared, depths::Depths, unfinished::Unfinished},
    lookout::Lookout,
    objects::problem::TopologyError,
    presence::Presence,
    replace::{Bot, ReplaceError, Replacer},
    session::{Ended, Session},
    settings::Settings,
    start_error::StartError,
};
use crate::listener::Readers;

/// The longest pause between two tries. Twice this, the jitter's most, is still under two seconds.
const MAX_BACKOFF: Duration = Duration::from_millis(800);
/// A session that lived so long was a good one: the next pause is short again.
const GOOD_SESSION: Duration = Duration::from_secs(5);

/// How long a worker that stops waits until sessions that it has replaced are delivered nothing any more.
const HANDED_OVER: Duration = Duration::from_secs(5);

/// So many reasons are told between two sessions: each once, as two that take turns would else fill the log.
const MAX_TOLD: usize = 16;

/// Why a worker can't work at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fatal {
    /// The broker refuses the user. Exit 77.
    #[error("{0}")]
    Refused(StartError),
    /// The broker's objects aren't as they must be. Exit 78.
    #[error("{0}")]
    Misconfigured(StartError),
}

/// A worker: consumes, answers, and comes back after every loss.
pub struct Worker {
    shared: Arc<Shared>,
    unfinished: Arc<Unfinished>,
    presence: Arc<Presence>,
    depths: Arc<Depths>,
    ready: watch::Sender<bool>,
    replacer: Replacer,
    /// Sessions whose bot was replaced, and which finish what they have in work.
    retired: JoinSet<()>,
    /// Those of them that may still be delivered something: tells once that is over.
    deaf: Vec<CancellationToken>,
    /// Has them hand back what they haven't started: once nothing is consumed any more, or the one that serves would get
    /// it, and hand it back again.
    hand_back: CancellationToken,
    /// That the worker itself is told to stop: from then on all its sessions have the same time of grace.
    stopping: CancellationToken,
    /// The preparation of the bot's model, for as long as the bot serves.
    preparing: Option<AbortOnDropHandle<()>>,
}

/// A session at work, in a task of its own.
struct Serving {
    retired: CancellationToken,
    /// Tells it to stop, as long as it serves.
    stop: CancellationToken,
    /// That nothing is delivered to it any more.
    deaf: CancellationToken,
    since: Instant,
    session: AbortOnDropHandle<Ended>,
}

/// That a session serves. Dropped, also by a panic, the worker is no longer ready; where another serves in its place, it
/// is as ready as before.
struct Serves {
    ready: watch::Sender<bool>,
    is_retired: CancellationToken,
}

impl Drop for Serves {
    fn drop(&mut self) {
        self.ready.send_modify(|ready| *ready &= self.is_retired.is_cancelled());
    }
}

impl Worker {
    /// A worker that hasn't connected yet.
    pub fn new(settings: Settings, Bot { pipeline, topology, hash }: Bot) -> Self {
        let (cancels, readers, survived) = (Arc::default(), Readers::default(), Arc::default());
        let shared = Shared { settings, pipeline, topology, cancels, readers, survived, hash };
        Self {
            unfinished: Arc::new(Unfinished::new(shared.settings.memory_budget)),
            presence: Arc::new(Presence::new(&shared.settings.worker)),
            depths: Arc::default(),
            shared: Arc::new(shared),
            ready: watch::Sender::new(false),
            replacer: Replacer::default(),
            retired: JoinSet::new(),
            deaf: Vec::new(),
            hand_back: CancellationToken::new(),
            stopping: CancellationToken::new(),
            preparing: None,
        }
    }

    /// Whether every consumer is live now.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// What an operator may look at, also after its end.
    pub fn lookout(&self) -> Lookout {
        Lookout::new(self.presence.clone(), self.depths.clone())
    }

    /// What hands it another bot while it runs.
    pub fn replacer(&self) -> Replacer {
        self.replacer.clone()
    }

    /// Works until told to stop.
    ///
    /// # Errors
    /// [`Fatal`], only before the first session.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<Ended, Fatal> {
        self.stopping = shutdown.clone();
        let _takes_bots = self.replacer.until_dropped();
        self.prepare();
        let ended = self.sessions(&shutdown).await;
        self.hand_back.cancel();
        while self.retired.join_next().await.is_some() {}
        self.unfinished.close().await;
        ended
    }

    /// Prepares the bot's model, as long as that takes; meanwhile the worker works.
    fn prepare(&mut self) {
        let pipeline = Arc::clone(&self.shared.pipeline);
        self.preparing = Some(AbortOnDropHandle::new(tokio::spawn(async move { pipeline.prepare().await })));
    }

    async fn sessions(&mut self, shutdown: &CancellationToken) -> Result<Ended, Fatal> {
        let mut told: HashSet<String> = HashSet::new();
        let mut backoff = pauses();
        let mut sessions = 0_u64;
        loop {
            let started = tokio::select! {
                started = self.start(self.shared.clone()) => started,
                () = shutdown.cancelled() => return Ok(Ended::Drained),
            };
            let reason = match started {
                Ok(session) => {
                    sessions += 1;
                    if sessions > 1 {
                        reconnected("consuming");
                    }
                    told.clear();
                    let mut serving = self.serve(session);
                    match self.until_ended(&mut serving, shutdown).await {
                        Ended::Lost(reason) if shutdown.is_cancelled() => {
                            tracing::warn!(
                                reason,
                                "the broker was lost while stopping; what was in flight comes again"
                            );
                            return Ok(Ended::Lost(reason));
                        }
                        Ended::Lost(reason) => {
                            self.presence.session_lost();
                            if serving.since.elapsed() > GOOD_SESSION {
                                backoff = pauses();
                            }
                            reason
                        }
                        ended => return Ok(ended),
                    }
                }
                Err(error) => match fatal(error) {
                    Ok(fatal) if sessions == 0 => return Err(fatal),
                    Ok(fatal) => fatal.to_string(),
                    Err(error) => error.to_string(),
                },
            };
            if !told.contains(&reason) && told.len() < MAX_TOLD {
                tracing::warn!(reason, "no session with the broker; trying again until there is one");
                told.insert(reason);
            }
            tokio::select! {
                () = sleep(backoff.next().unwrap_or(MAX_BACKOFF)) => {}
                () = shutdown.cancelled() => return Ok(Ended::Drained),
            }
        }
    }

    async fn start(&self, shared: Arc<Shared>) -> Result<Session, StartError> {
        Session::start(shared, self.unfinished.clone(), self.presence.clone(), self.depths.clone()).await
    }

    /// Starts a session beside the one that serves. What may pass is waited for.
    async fn start_beside(&self, shared: Arc<Shared>) -> Result<Session, StartError> {
        let mut backoff = pauses();
        let mut told = false;
        loop {
            let error = match self.start(shared.clone()).await {
                Ok(session) => return Ok(session),
                Err(error) => match fatal(error) {
                    Ok(Fatal::Refused(error) | Fatal::Misconfigured(error)) => return Err(error),
                    Err(error) => error,
                },
            };
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(reason = %error, "the new bot has no session with the broker yet; the one before serves on");
            }
            sleep(backoff.next().unwrap_or(MAX_BACKOFF)).await;
        }
    }

    /// Has a session that started do its work.
    fn serve(&self, session: Session) -> Serving {
        tracing::info!(queues = session.queues(), exchange = self.shared.settings.names.exchange(), "ready");
        self.ready.send_replace(true);
        let (retired, stop) = (CancellationToken::new(), self.hand_back.child_token());
        let (shutdown, stopping, is_retired) = (stop.clone(), self.stopping.clone(), retired.clone());
        let serves = Serves { ready: self.ready.clone(), is_retired: retired.clone() };
        let deaf = CancellationToken::new();
        let session = tokio::spawn({
            let deaf = deaf.clone();
            async move { session.run(&shutdown, &stopping, &is_retired, deaf, move || drop(serves)).await }
        });
        Serving { retired, stop, deaf, since: Instant::now(), session: AbortOnDropHandle::new(session) }
    }

    /// Waits for the end of the session that serves; a bot that comes meanwhile gets one of its own, in its place.
    async fn until_ended(&mut self, serving: &mut Serving, shutdown: &CancellationToken) -> Ended {
        let replacer = self.replacer.clone();
        loop {
            let mut replacement = tokio::select! {
                ended = &mut serving.session => return joined(ended),
                () = shutdown.cancelled() => {
                    // Else they would be delivered what this one hands back.
                    let deaf = join_all(self.deaf.iter().map(CancellationToken::cancelled));
                    let _ = timeout(HANDED_OVER, deaf).await;
                    serving.stop.cancel();
                    return joined((&mut serving.session).await);
                }
                replacement = replacer.next() => replacement,
            };
            let bot = &replacement.bot;
            let (pipeline, topology, hash) = (bot.pipeline.clone(), bot.topology.clone(), bot.hash.clone());
            let shared = Arc::new(Shared { pipeline, topology, hash, ..Shared::clone(&self.shared) });
            tokio::select! {
                started = self.start_beside(shared.clone()) => match started {
                    Ok(session) => {
                        self.shared = shared;
                        self.prepare();
                        serving.retired.cancel();
                        let before = std::mem::replace(serving, self.serve(session));
                        self.let_finish(before);
                        replacement.tell(Ok(()));
                    }
                    Err(error) => replacement.tell(Err(ReplaceError::Refused(error))),
                },
                ended = &mut serving.session => {
                    replacer.put_back(replacement);
                    return joined(ended);
                }
                () = replacement.given_up() => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Has a session that is retired finish what it has in work.
    fn let_finish(&mut self, Serving { session, deaf, .. }: Serving) {
        self.deaf.retain(|deaf| !deaf.is_cancelled());
        self.deaf.push(deaf);
        while self.retired.try_join_next().is_some() {}
        self.retired.spawn(async move {
            match joined(session.await) {
                Ended::Drained => tracing::info!("the bot before has finished what it had in work"),
                Ended::GraceExceeded(left) => {
                    tracing::warn!(left, "the bot before took longer than the grace time; the rest is delivered again");
                }
                Ended::Lost(reason) => {
                    tracing::warn!(reason, "the bot before lost the broker; what it had in work comes again");
                }
            }
        });
    }
}

/// How a session's task ended. One that panicked is one that was lost, and another takes its place.
fn joined(ended: Result<Ended, JoinError>) -> Ended {
    ended.unwrap_or_else(|error| Ended::Lost(format!("the session's task failed: {error}")))
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(MAX_BACKOFF)
        .without_max_times()
        .build()
}

/// Tells what waiting won't change from what may pass.
fn fatal(error: StartError) -> Result<Fatal, StartError> {
    match &error {
        StartError::Connect(ConnectError::Credentials { .. }) => Ok(Fatal::Refused(error)),
        StartError::Connect(ConnectError::VirtualHost { .. }) => Ok(Fatal::Misconfigured(error)),
        StartError::Topology(TopologyError::Problems(problems)) if problems.iter().any(|problem| problem.refused) => {
            Ok(Fatal::Refused(error))
        }
        StartError::Topology(TopologyError::Problems(_)) => Ok(Fatal::Misconfigured(error)),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test may")]

    use super::*;

    #[tokio::test]
    async fn a_session_that_panics_leaves_no_worker_that_is_ready_but_for_one_that_was_replaced() {
        async fn check(is_retired: bool, is_ready_after: bool) {
            let (ready, retired) = (watch::Sender::new(true), CancellationToken::new());
            let serves = Serves { ready: ready.clone(), is_retired: retired.clone() };
            if is_retired {
                retired.cancel();
            }
            let session = tokio::spawn(async move {
                let _on_end = move || drop(serves);
                tokio::task::yield_now().await;
                panic!("on purpose")
            });
            let ended = joined(session.await);
            assert!(matches!(&ended, Ended::Lost(why) if why.contains("panicked")), "{ended:?}");
            assert_eq!(*ready.borrow(), is_ready_after);
        }
        check(false, false).await;
        check(true, true).await;
    }
}
