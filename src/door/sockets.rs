//! What all WebSockets share: which are open, and which answers are under way (request coalescing), so that whoever connects
//! again may have theirs.
//!
//! **Invariant:** whoever asks the same, in the same conversation of the same sender, with the same id and text, while that is
//! under way, gets the same answer; nobody who has asked before loses it for that.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{join_all, select_all};
use tokio::{
    sync::{
        Semaphore,
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{fault::Fault, inbox::Conversation, own::DOOR, talk::counted};
use crate::amqp::asking::{AskFault, Heard, Hearing};

/// For how long an answer waits for its client to come back, before the bot is told that nobody wants it.
const WAITS: Duration = Duration::from_secs(10);
/// How many may wait so.
const MOST: usize = 1_000;
/// How many requests may share an answer; who asks beyond that is answered by the bot.
const SHARE: usize = 16;

/// Shared by all sockets; cheap to clone.
#[derive(Clone)]
pub(super) struct Sockets {
    pub(super) open: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Told when the file of keys was read again.
    pub(super) keys_read: watch::Sender<()>,
    under_way: Arc<Mutex<HashMap<Asked, mpsc::Sender<Waiting>>>>,
    answers: TaskTracker,
    /// The places for answers that wait for their clients.
    kept: Arc<Semaphore>,
}

/// What was asked, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) conversation: Conversation,
    pub(super) id: String,
    pub(super) body: Bytes,
}

/// A socket's request that waits for its answer.
pub(super) struct Waiting {
    sends: mpsc::Sender<Bytes>,
    /// Set where its client may still cancel.
    cancelled: Option<oneshot::Receiver<()>>,
    /// Dropped with it.
    _answered: oneshot::Sender<()>,
}

/// What a request that waits says.
enum Word {
    Cancel,
    /// Its socket is gone.
    Gone,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            open: TaskTracker::default(),
            stop: CancellationToken::default(),
            keys_read: watch::Sender::default(),
            under_way: Arc::default(),
            answers: TaskTracker::default(),
            kept: Arc::new(Semaphore::new(MOST)),
        }
    }
}

impl Sockets {
    /// Has a request be answered: by what is under way for the same, else by what `ask` asks for.
    pub(super) fn answer(&self, asked: Option<Asked>, mut waiting: Waiting, ask: impl FnOnce() -> Hearing) {
        let (joins, joining) = mpsc::channel(SHARE);
        if let Some(asked) = &asked {
            let mut under_way = self.under_way();
            if let Some(there) = under_way.get(asked) {
                match there.try_send(waiting) {
                    Ok(()) => return,
                    Err(TrySendError::Full(back) | TrySendError::Closed(back)) => waiting = back,
                }
            }
            under_way.insert(asked.clone(), joins.clone());
        }
        let answer = Answer { sockets: self.clone(), asked, joins, joining, waiting: vec![waiting], hearing: ask() };
        self.answers.spawn(answer.hand_out());
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Asked, mpsc::Sender<Waiting>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// One whose answer goes to `sends`; and what ends once it was answered.
    pub(super) fn new(sends: mpsc::Sender<Bytes>, cancelled: oneshot::Receiver<()>) -> (Self, oneshot::Receiver<()>) {
        let (answered, ends) = oneshot::channel();
        (Self { sends, cancelled: Some(cancelled), _answered: answered }, ends)
    }

    async fn word(&mut self) -> Word {
        let cancelled = async {
            match &mut self.cancelled {
                Some(cancelled) => cancelled.await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            is_cancelled = cancelled => {
                self.cancelled = None;
                if is_cancelled { Word::Cancel } else { Word::Gone }
            }
            () = self.sends.closed() => Word::Gone,
        }
    }
}

/// The next word of any of them, of which there is one, and whose it is.
async fn word(waiting: &mut [Waiting]) -> (Word, usize) {
    let (word, at, _) = select_all(waiting.iter_mut().map(|it| Box::pin(it.word()))).await;
    (word, at)
}

/// An answer that is under way, and the requests that it goes to.
struct Answer {
    sockets: Sockets,
    /// Not set without a conversation: nobody knows whose it is then, and nobody else gets it.
    asked: Option<Asked>,
    joins: mpsc::Sender<Waiting>,
    joining: mpsc::Receiver<Waiting>,
    waiting: Vec<Waiting>,
    hearing: Hearing,
}

impl Answer {
    /// Hands it to all who wait, until it is whole. Dropped before, it tells the bot that nobody wants it.
    async fn hand_out(mut self) {
        while !self.waiting.is_empty() || self.comes_back().await {
            tokio::select! {
                heard = self.hearing.next() => match heard {
                    // A part that finds no room is dropped: the answer is whole.
                    Ok(Heard::Part(body)) => self.waiting.iter().for_each(|it| _ = it.sends.try_send(body.clone())),
                    last => return self.end(last).await,
                },
                (word, at) = word(&mut self.waiting) => match word {
                    Word::Cancel => self.hearing.cancel(),
                    Word::Gone => _ = self.waiting.swap_remove(at),
                },
                Some(waiting) = self.joining.recv(), if self.waiting.len() < SHARE => self.waiting.push(waiting),
            }
        }
    }

    /// Nobody waits: whether somebody comes in time who asks the same.
    async fn comes_back(&mut self) -> bool {
        if self.asked.is_some()
            && let Ok(_place) = self.sockets.kept.clone().try_acquire_owned()
        {
            self.waiting.extend(timeout(WAITS, self.joining.recv()).await.ok().flatten());
        }
        if self.waiting.is_empty() {
            self.close();
        }
        !self.waiting.is_empty()
    }

    async fn end(mut self, last: Result<Heard, AskFault>) {
        self.close();
        let (body, fault) = match last {
            Ok(Heard::Error(body)) => (body.clone(), Some(Fault::told(body))),
            Ok(Heard::Part(body) | Heard::Reply(body) | Heard::Bare(body) | Heard::Done(body)) => (body, None),
            Err(fault) => {
                let fault = Fault::from(fault);
                (fault.json(Some(self.hearing.id())), Some(fault))
            }
        };
        let sent = self.waiting.into_iter().map(|waiting| {
            counted(DOOR, fault.as_ref().map_or(Ok(()), Err));
            let body = body.clone();
            async move { _ = waiting.sends.send(body).await }
        });
        join_all(sent).await;
    }

    /// From now on nobody joins; those who came in the last moment wait as well.
    fn close(&mut self) {
        if let Some(asked) = &self.asked {
            let mut under_way = self.sockets.under_way();
            if under_way.get(asked).is_some_and(|joins| joins.same_channel(&self.joins)) {
                under_way.remove(asked);
            }
        }
        self.waiting.extend(std::iter::from_fn(|| self.joining.try_recv().ok()));
    }
}
