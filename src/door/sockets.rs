//! What all WebSockets share: which are open, and which answers are under way, so that whoever connects again may have theirs.
//!
//! **Invariant:** an answer is handed to one socket: to the last that asked the same, in the same conversation of the same
//! sender, with the same id and text.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::inbox::Conversation;
use crate::amqp::asking::Hearing;

/// For how long an answer waits for its client to come back, before the bot is told that nobody wants it.
const WAITS: Duration = Duration::from_secs(10);
/// How many may wait so.
const MOST: usize = 1_000;

/// Shared by all sockets; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    pub(super) open: TaskTracker,
    pub(super) stop: CancellationToken,
    under_way: Arc<Mutex<HashMap<Asked, Claim>>>,
}

/// What was asked, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) conversation: Conversation,
    pub(super) id: String,
    pub(super) body: Bytes,
}

/// By which an answer that is under way is asked for, and where it is to go.
type Claim = oneshot::Sender<oneshot::Sender<Hearing>>;
/// Told that somebody else has a claim to an answer.
pub(super) type Claimed = oneshot::Receiver<oneshot::Sender<Hearing>>;

impl Sockets {
    /// The answer to what was asked before, where it is under way still.
    pub(super) async fn claim(&self, asked: &Asked) -> Option<Hearing> {
        let claim = self.under_way().remove(asked)?;
        let (sender, receiver) = oneshot::channel();
        claim.send(sender).ok()?;
        receiver.await.ok()
    }

    /// Has an answer be one that may be claimed.
    pub(super) fn note(&self, asked: Asked) -> Claimed {
        let (claim, claimed) = oneshot::channel();
        self.under_way().insert(asked, claim);
        claimed
    }

    /// An answer is under way no more.
    pub(super) fn forget(&self, asked: &Asked) {
        self.under_way().remove(asked);
    }

    /// Keeps an answer whose socket went away, for a while. Then, dropped, it tells the bot.
    pub(super) async fn keep(&self, asked: Asked, hearing: Hearing, claimed: Claimed) {
        // Those that are still open are under way as well, but they are bounded each for itself.
        if self.under_way().len() <= MOST + self.open.len()
            && let Ok(Ok(to)) = timeout(WAITS, claimed).await
        {
            let _ = to.send(hearing);
            return;
        }
        self.forget(&asked);
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Asked, Claim>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
