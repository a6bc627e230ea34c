//! Sends texts that come at about the same time in one request.
//!
//! **Invariant:** no text takes the others with it. One that nobody waits for any more doesn't end the request, which is a
//! task of the batcher's own, bounded by the deadline of the text that can wait longest; one for whose sake the request
//! is refused, or its answer can't be used, fails alone, as each is then asked for by itself.

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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    const WAIT: Duration = Duration::from_millis(10);
    const SLOW: Duration = Duration::from_secs(2);

    /// The texts of each request.
    type Requests = Arc<Mutex<Vec<Vec<String>>>>;

    /// A service that says of each text how long it is, after two seconds. It refuses `bad`, miscounts `many`, and
    /// panics at `panic`.
    struct Lengths {
        name: Arc<str>,
        asked: Requests,
    }

    #[async_trait]
    impl Batched for Lengths {
        type Out = usize;

        fn name(&self) -> &Arc<str> {
            &self.name
        }

        async fn send(&self, texts: &[String], deadline: Instant) -> Result<Vec<usize>, ModelError> {
            self.asked.lock().unwrap().push(texts.to_vec());
            let holds = |word: &str| texts.iter().any(|text| text == word);
            timeout_at(deadline, sleep(SLOW))
                .await
                .map_err(|_| ModelError::new(&self.name, Failure::Timeout, "late"))?;
            assert!(!holds("panic"), "as the test wants it");
            if holds("bad") {
                return Err(ModelError::new(&self.name, Failure::Refused, "400"));
            }
            if holds("down") {
                return Err(ModelError::new(&self.name, Failure::Server, "500"));
            }
            let one_more = holds("many").then_some(0);
            Ok(texts.iter().map(String::len).chain(one_more).collect())
        }
    }

    fn batcher(most: u16) -> (Batcher<Lengths>, Requests) {
        let asked = Arc::default();
        let service = Lengths { name: "x".into(), asked: Arc::clone(&asked) };
        (Batcher::new(service, NonZeroU16::new(most).unwrap(), WAIT), asked)
    }

    async fn all(batcher: &Batcher<Lengths>, texts: &[&str]) -> Vec<Result<usize, Failure>> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let answers = texts.iter().map(|&text| batcher.ask(text.to_owned(), deadline));
        join_all(answers).await.into_iter().map(|answer| answer.map_err(|error| error.failure)).collect()
    }

    fn sizes(asked: &Mutex<Vec<Vec<String>>>) -> Vec<usize> {
        asked.lock().unwrap().iter().map(Vec::len).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn texts_of_about_the_same_time_share_requests_up_to_the_most() {
        let (batcher, asked) = batcher(3);
        let started = Instant::now();
        assert_eq!(all(&batcher, &["a", "bb", "ccc", "dddd"]).await, [Ok(1), Ok(2), Ok(3), Ok(4)]);
        assert_eq!(sizes(&asked), [3, 1], "a full one goes at once, the rest after its wait");
        assert_eq!(started.elapsed(), WAIT + SLOW, "beside each other");
        assert_eq!(all(&batcher, &["a"]).await, [Ok(1)]);
        assert_eq!(sizes(&asked), [3, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_is_refused_fails_alone_and_a_service_that_fails_fails_all() {
        let (batcher, asked) = batcher(3);
        assert_eq!(all(&batcher, &["a", "bad", "ccc"]).await, [Ok(1), Err(Failure::Refused), Ok(3)]);
        assert_eq!(sizes(&asked), [3, 1, 1, 1]);
        assert_eq!(all(&batcher, &["many", "a"]).await, [Err(Failure::BadAnswer), Ok(1)]);
        asked.lock().unwrap().clear();
        assert_eq!(all(&batcher, &["down", "a"]).await, [Err(Failure::Server); 2]);
        assert_eq!(all(&batcher, &["bad"]).await, [Err(Failure::Refused)]);
        assert_eq!(sizes(&asked), [2, 1], "neither is asked for again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_can_wait_no_longer_leaves_and_the_others_get_their_answers() {
        let (batcher, asked) = batcher(8);
        let started = Instant::now();
        let soon = async {
            let answer = batcher.ask("soon".to_owned(), started + SLOW / 2).await;
            assert_eq!(started.elapsed(), SLOW / 2);
            answer
        };
        let (soon, gone, late) = tokio::join!(
            soon,
            tokio::time::timeout(SLOW / 4, batcher.ask("gone".to_owned(), started + SLOW * 2)),
            batcher.ask("late".to_owned(), started + SLOW * 2),
        );
        assert_eq!((soon.unwrap_err().failure, gone.is_err(), late.unwrap()), (Failure::OutOfTime, true, 4));
        assert_eq!(sizes(&asked), [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_nobody_waits_for_is_not_sent() {
        let (batcher, asked) = batcher(8);
        let started = Instant::now();
        let (gone, late) = tokio::join!(
            tokio::time::timeout(WAIT / 2, batcher.ask("gone".to_owned(), started + SLOW * 2)),
            batcher.ask("late".to_owned(), started + SLOW * 2),
        );
        assert!(gone.is_err());
        assert_eq!(late.unwrap(), 4);
        assert_eq!(*asked.lock().unwrap(), [["late"]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_failure_of_the_texts_that_shared_its_request() {
        let (batcher, _) = batcher(8);
        assert_eq!(all(&batcher, &["panic", "a"]).await, [Err(Failure::Internal); 2]);
        assert_eq!(all(&batcher, &["a"]).await, [Ok(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn its_requests_end_with_it() {
        let (batcher, asked) = batcher(1);
        let left = tokio::time::timeout(WAIT, batcher.ask("a".to_owned(), Instant::now() + SLOW * 2)).await;
        assert!(left.is_err());
        let held = Arc::clone(&batcher.shared);
        drop(batcher);
        tokio::time::sleep(WAIT).await;
        assert_eq!((Arc::strong_count(&held), sizes(&asked)), (1, vec![1]), "no task holds it");
    }
}
