//! Sends texts that come at about the same time in one request.
//!
//! **Invariant:** a text that nobody waits for any more doesn't take the others with it: the request is a task of the
//! batcher's own, which ends with it, and is bounded by the deadline of the text that can wait longest.

use std::{
    num::NonZeroU16,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Failure, ModelError};

/// A service that takes several texts in one request.
#[async_trait]
pub(super) trait Batched: Send + Sync + 'static {
    /// What it makes of a text.
    type Out: Clone + Send + 'static;

    /// The model's name.
    fn name(&self) -> &Arc<str>;

    /// What it makes of the texts, in their order, one for each.
    async fn send(&self, texts: Vec<String>, deadline: Instant) -> Result<Vec<Self::Out>, ModelError>;
}

/// Collects texts for a service.
pub(super) struct Batcher<S: Batched> {
    shared: Arc<Shared<S>>,
    most: usize,
    wait: Duration,
    /// Ends the requests under way.
    stop: DropGuard,
}

struct Shared<S: Batched> {
    service: S,
    waiting: Mutex<Vec<Waiting<S::Out>>>,
}

struct Waiting<T> {
    text: String,
    deadline: Instant,
    answer: oneshot::Sender<Result<T, ModelError>>,
}

impl<S: Batched> Batcher<S> {
    /// Up to `most` texts go into a request, for which the first waits so long.
    pub(super) fn new(service: S, most: NonZeroU16, wait: Duration) -> Self {
        let shared = Arc::new(Shared { service, waiting: Mutex::default() });
        Self { shared, most: most.get().into(), wait, stop: CancellationToken::new().drop_guard() }
    }

    /// The service itself.
    pub(super) fn service(&self) -> &S {
        &self.shared.service
    }

    /// How many texts go into a request.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// What the service makes of a text.
    pub(super) async fn ask(&self, text: String, deadline: Instant) -> Result<S::Out, ModelError> {
        let (answer, answered) = oneshot::channel();
        let (first, full) = {
            let mut waiting = self.shared.waiting();
            waiting.push(Waiting { text, deadline, answer });
            (waiting.len() == 1, (waiting.len() >= self.most).then(|| std::mem::take(&mut *waiting)))
        };
        let shared = Arc::clone(&self.shared);
        if let Some(batch) = full {
            self.spawn(async move { shared.send(batch).await });
        } else if first {
            let wait = self.wait;
            self.spawn(async move {
                sleep(wait).await;
                let batch = std::mem::take(&mut *shared.waiting());
                shared.send(batch).await;
            });
        }
        answered.await.unwrap_or_else(|_| {
            Err(ModelError::new(self.shared.service.name(), Failure::Unreachable, "the request for it was given up"))
        })
    }

    /// Runs a request, at most as long as the batcher is there.
    fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.stop.token().clone().run_until_cancelled_owned(request));
    }
}

impl<S: Batched> Shared<S> {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<S::Out>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, mut batch: Vec<Waiting<S::Out>>) {
        batch.retain(|waiting| !waiting.answer.is_closed());
        let Some(deadline) = batch.iter().map(|waiting| waiting.deadline).max() else { return };
        let texts = batch.iter().map(|waiting| waiting.text.clone()).collect();
        let answers: Vec<_> = match self.service.send(texts, deadline).await {
            Ok(answers) if answers.len() == batch.len() => answers.into_iter().map(Ok).collect(),
            Ok(_) => {
                let reason = "it has another number of answers than texts";
                vec![Err(ModelError::new(self.service.name(), Failure::BadAnswer, reason)); batch.len()]
            }
            Err(error) => vec![Err(error); batch.len()],
        };
        for (waiting, answer) in batch.into_iter().zip(answers) {
            // Whoever waits no more doesn't care.
            let _ = waiting.answer.send(answer);
        }
    }
}
