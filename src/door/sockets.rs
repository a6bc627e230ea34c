//! What all WebSockets share: which are open, and answers whose socket went away.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use crate::amqp::asking::Hearing;

/// For how long an answer waits for its client to come back, before the bot is told that nobody wants it.
const WAITS: Duration = Duration::from_secs(10);
/// How many may wait so: the oldest aren't kept any longer, but new ones aren't kept at all.
const MOST: usize = 1_000;

/// Shared by all sockets; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    pub(super) open: TaskTracker,
    pub(super) stop: CancellationToken,
    orphans: Arc<Mutex<HashMap<Asked, Orphan>>>,
}

/// What was asked, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) sender: Option<String>,
    pub(super) conversation: Option<String>,
    pub(super) id: String,
    pub(super) body: Bytes,
}

struct Orphan {
    hearing: Hearing,
    _until: AbortOnDropHandle<()>,
}

impl Sockets {
    /// Keeps an answer whose socket went away.
    pub(super) fn keep(&self, asked: Asked, hearing: Hearing) {
        let mut orphans = self.orphans();
        if orphans.len() >= MOST {
            return;
        }
        let (this, name) = (self.clone(), asked.clone());
        let until = AbortOnDropHandle::new(tokio::spawn(async move {
            sleep(WAITS).await;
            // Out of the lock: dropped, it tells the bot.
            let given_up = this.orphans().remove(&name).map(|orphan| orphan.hearing);
            drop(given_up);
        }));
        orphans.insert(asked, Orphan { hearing, _until: until });
    }

    /// The answer to what was asked on a socket that went away.
    pub(super) fn take(&self, asked: &Asked) -> Option<Hearing> {
        self.orphans().remove(asked).map(|orphan| orphan.hearing)
    }

    fn orphans(&self) -> MutexGuard<'_, HashMap<Asked, Orphan>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
