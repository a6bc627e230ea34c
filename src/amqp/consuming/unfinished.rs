//! Work that outlives its session.
//!
//! When a session is lost, what its deliveries were working on is let finish, so that their redeliveries find the answer
//! instead of starting anew. Nothing is published for such a delivery: its acker is gone with the session.
//!
//! **Invariant:** every delivery's task is owned here; there are at most [`MAX_UNFINISHED`] without a session, each
//! within its time limits, and their bodies count in the memory budget. None runs once [`Unfinished::close`] returns.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::sharing::Pool;

/// The most deliveries that are let finish; the work of further ones is given up, and done again.
const MAX_UNFINISHED: usize = 256;

/// The tasks of all sessions' deliveries, and what they share.
pub(crate) struct Unfinished {
    /// Owns the deliveries' tasks.
    pub(crate) tasks: TaskTracker,
    /// The memory for the bodies of all deliveries in work.
    pub(crate) budget: Arc<Pool>,
    stop: CancellationToken,
    places: Arc<Semaphore>,
}

impl Unfinished {
    /// Nothing yet, and a memory budget of so many bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            tasks: TaskTracker::new(),
            budget: Pool::new(budget),
            stop: CancellationToken::new(),
            places: Arc::new(Semaphore::new(MAX_UNFINISHED)),
        }
    }

    /// The right to go on without a session; none where too many do already.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Lets work finish, unless the worker ends first.
    pub(crate) async fn finish<T>(&self, work: impl Future<Output = T>) {
        tokio::select! {
            _ = work => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Gives up what still runs, and waits for its end.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
