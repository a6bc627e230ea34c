//! Sends texts that come at about the same time in one request.
//!
//! **Invariant:** no text takes the others with it. One that nobody waits for any more doesn't end the request, which is a
//! task of the batcher's own, bounded by the deadline of the text that can wait longest; one for whose sake the request
//! is refused, or its answer can't be used, fails alone, as each is then asked for by itself.

#[cfg(test)]
mod tests;

use std::{
    num::NonZeroU16,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
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
    async fn send(&self, texts: &[String], deadline: Instant) -> Result<Vec<Self::Out>, ModelError>;
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
        let error = |failure, reason: &str| Err(ModelError::new(self.shared.service.name(), failure, reason));
        match timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            // Its task is gone: it panicked, as the batcher is still there.
            Ok(Err(_)) => error(Failure::Internal, "the request for it panicked"),
            Err(_) => error(Failure::OutOfTime, "no answer in the time that the text had left"),
        }
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
        let texts: Vec<String> = batch.iter().map(|waiting| waiting.text.clone()).collect();
        match self.answers(&texts, deadline).await {
            Err(error) if batch.len() > 1 && matches!(error.failure, Failure::Refused | Failure::BadAnswer) => {
                join_all(batch.into_iter().map(|waiting| async move {
                    let alone = self.answers(std::slice::from_ref(&waiting.text), waiting.deadline).await;
                    let answer = alone.and_then(|mut answers| answers.pop().ok_or_else(|| self.miscounted()));
                    // Whoever waits no more doesn't care; here and below.
                    let _ = waiting.answer.send(answer);
                }))
                .await;
            }
            Err(error) => {
                for waiting in batch {
                    let _ = waiting.answer.send(Err(error.clone()));
                }
            }
            Ok(answers) => {
                for (waiting, answer) in batch.into_iter().zip(answers) {
                    let _ = waiting.answer.send(Ok(answer));
                }
            }
        }
    }

    /// As many answers as texts.
    async fn answers(&self, texts: &[String], deadline: Instant) -> Result<Vec<S::Out>, ModelError> {
        let answers = self.service.send(texts, deadline).await?;
        if answers.len() == texts.len() { Ok(answers) } else { Err(self.miscounted()) }
    }

    fn miscounted(&self) -> ModelError {
        ModelError::new(self.service.name(), Failure::BadAnswer, "it has another number of answers than texts")
    }
}
