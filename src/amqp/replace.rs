//! Another bot for a worker that runs: handed over here, taken by [`super::worker`].
//!
//! **Invariant:** the newest wins. One that waits to be taken is dropped when a newer comes, and whoever handed it over
//! hears that.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{objects::topology::Topology, start_error::StartError};
use crate::pipeline::Pipeline;

/// What answers, and what it needs on the broker.
pub struct Bot {
    /// Where requests are answered.
    pub pipeline: Arc<Pipeline>,
    /// What the broker must have.
    pub topology: Arc<Topology>,
    /// A hash of all that it is made of: two that answer alike have the same.
    pub hash: Arc<str>,
}

/// Why a bot isn't the one that serves.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReplaceError {
    /// The broker refuses what it needs; the one before serves on.
    #[error("{0}")]
    Refused(StartError),
    /// A newer one came before it began, or the worker stops.
    #[error("a newer bot came before it, or the worker stops")]
    Dropped,
}

/// Hands a worker its next bot.
#[derive(Clone, Default)]
pub struct Replacer(Arc<Slot>);

#[derive(Default)]
struct Slot {
    waiting: Mutex<Option<Replacement>>,
    filled: Notify,
    worker_ended: CancellationToken,
}

/// A bot that waits to be taken.
pub(super) struct Replacement {
    pub(super) bot: Bot,
    told: oneshot::Sender<Result<(), ReplaceError>>,
}

impl Replacer {
    /// Has the worker serve this bot, and waits until it does; for as long as the broker is away. Dropping this gives it
    /// up, unless it serves already.
    ///
    /// # Errors
    /// [`ReplaceError`]; then the bot before serves on.
    pub async fn replace(&self, bot: Bot) -> Result<(), ReplaceError> {
        let (told, outcome) = oneshot::channel();
        self.put(Replacement { bot, told });
        tokio::select! {
            biased;
            outcome = outcome => outcome.unwrap_or(Err(ReplaceError::Dropped)),
            () = self.0.worker_ended.cancelled() => Err(ReplaceError::Dropped),
        }
    }

    /// Once this is dropped, nobody takes a bot any more.
    pub(super) fn until_dropped(&self) -> DropGuard {
        self.0.worker_ended.clone().drop_guard()
    }

    /// Waits for a bot.
    pub(super) async fn next(&self) -> Replacement {
        loop {
            let waiting = self.waiting().take();
            match waiting {
                Some(replacement) if !replacement.told.is_closed() => return replacement,
                Some(_) => {}
                None => self.0.filled.notified().await,
            }
        }
    }

    /// Puts one back that couldn't be served yet, unless a newer came.
    pub(super) fn put_back(&self, replacement: Replacement) {
        let mut waiting = self.waiting();
        if waiting.is_none() {
            *waiting = Some(replacement);
            self.0.filled.notify_one();
        }
    }

    fn put(&self, replacement: Replacement) {
        *self.waiting() = Some(replacement);
        self.0.filled.notify_one();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Replacement>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replacement {
    /// Waits until nobody wants it any more.
    pub(super) async fn given_up(&mut self) {
        self.told.closed().await;
    }

    /// Tells what became of it.
    pub(super) fn tell(self, outcome: Result<(), ReplaceError>) {
        let _ = self.told.send(outcome);
    }
}
