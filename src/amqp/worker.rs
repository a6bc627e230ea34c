//! Session after session, until told to stop.
//!
//! **Invariant:** a broker that is away is waited for, for ever; what the broker refuses at the first start ends the
//! worker with a reason. Told once a change, not once a try.

use std::{collections::HashSet, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::ConnectError,
    events,
    session::{Ended, Session, Shared, StartError},
    topology::TopologyError,
    unfinished::Unfinished,
};

/// The longest pause between two tries. Twice this, the jitter's most, is still under two seconds.
const MAX_BACKOFF: Duration = Duration::from_millis(800);
/// A session that lived so long was a good one: the next pause is short again.
const GOOD_SESSION: Duration = Duration::from_secs(5);

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
    ready: watch::Sender<bool>,
}

impl Worker {
    /// A worker that hasn't connected yet.
    pub fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), ready: watch::Sender::new(false) }
    }

    /// Whether every consumer is live now.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Prepares the model, as long as that takes; meanwhile the worker may work.
    pub fn prepare(&self) -> impl Future<Output = ()> + Send + 'static {
        let pipeline = Arc::clone(&self.shared.pipeline);
        async move { pipeline.prepare().await }
    }

    /// Works until told to stop.
    ///
    /// # Errors
    /// [`Fatal`], only before the first session.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Ended, Fatal> {
        let unfinished = Arc::new(Unfinished::new(self.shared.settings.memory_budget));
        let ended = self.sessions(&shutdown, &unfinished).await;
        unfinished.close().await;
        ended
    }

    async fn sessions(&self, shutdown: &CancellationToken, unfinished: &Arc<Unfinished>) -> Result<Ended, Fatal> {
        let mut told: HashSet<String> = HashSet::new();
        let mut backoff = pauses();
        let mut sessions = 0_u64;
        loop {
            let started = tokio::select! {
                started = Session::start(self.shared.clone(), unfinished.clone()) => started,
                () = shutdown.cancelled() => return Ok(Ended::Drained),
            };
            let reason = match started {
                Ok(session) => {
                    sessions += 1;
                    if sessions > 1 {
                        events::reconnected("consuming");
                    }
                    tracing::info!(
                        queues = session.queues(),
                        exchange = self.shared.settings.names.exchange(),
                        "ready"
                    );
                    told.clear();
                    self.ready.send_replace(true);
                    let since = Instant::now();
                    let ended = session.run(shutdown, || {
                        self.ready.send_replace(false);
                    });
                    match ended.await {
                        Ended::Lost(reason) if shutdown.is_cancelled() => {
                            tracing::warn!(
                                reason,
                                "the broker was lost while stopping; what was in flight comes again"
                            );
                            return Ok(Ended::Lost(reason));
                        }
                        Ended::Lost(reason) => {
                            if since.elapsed() > GOOD_SESSION {
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
