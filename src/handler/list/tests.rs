//! Lists of handlers, on paused time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    domain::{Finish, IntentName, Request},
    listener::tests::Desk,
    outbound::Failure,
};

#[derive(Clone, Copy)]
enum Does {
    Says(&'static str),
    HasNone,
    Fails,
    IsAway,
    Panics,
    Hangs,
    /// Says the beginning of its answer, and hangs; may be stopped.
    Begins(&'static str),
}

#[async_trait]
impl Handler for Does {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let (intent, reason) = (job.intent.clone(), "as told".to_owned());
        match self {
            Self::Says(text) => Ok(Some(Answer::text(*text, None))),
            Self::HasNone => Ok(None),
            Self::Fails => Err(HandlerError::Failed { intent, reason }),
            Self::IsAway => {
                let error = crate::outbound::ServiceError::new(&"s".into(), Failure::Unreachable, reason);
                Err(HandlerError::Service { intent, error })
            }
            Self::Panics => panic!("a test's handler panics, as it was told"),
            Self::Hangs => std::future::pending().await,
            Self::Begins(text) => {
                job.listener.unwrap().so_far((*text).to_owned(), Vec::new());
                std::future::pending().await
            }
        }
    }

    fn may_be_stopped(&self) -> bool {
        matches!(self, Self::Begins(_))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_wants_is_stopped_with_what_there_is() {
    /// What there is after `seconds`, where the client cancels or leaves after five.
    async fn check(does: Does, cancels: bool, before: bool, expected: Option<(&str, u64)>) {
        let (desk, cancelled) = (Desk::default(), CancellationToken::new());
        let listener = desk.listener(true, &cancelled);
        let handlers = Handlers::new([Arc::new(does) as Arc<dyn Handler>]);
        let (request, intent) = (Request::default(), IntentName::new("refund").unwrap());
        let began = Instant::now();
        let job = Job { listener: Some(&listener), ..Job::new(&request, &intent, began + Duration::from_secs(20)) };
        let leaves = async {
            if !before {
                sleep(Duration::from_secs(5)).await;
            }
            if cancels { cancelled.cancel() } else { desk.gone.store(true, Ordering::Relaxed) }
        };
        let asked = if before {
            leaves.await;
            handlers.ask(&job).await
        } else {
            tokio::join!(handlers.ask(&job), leaves).0
        };
        match expected {
            Some((text, seconds)) => {
                let answer = asked.unwrap().unwrap();
                let told = (answer.text.as_str(), began.elapsed().as_secs());
                assert_eq!((told, answer.details.finish), ((text, seconds), Some(Finish::Cancelled)));
                assert_eq!(answer.details.handler.as_deref(), Some("test"));
            }
            None => assert!(matches!(asked, Err(HandlerError::TimedOut { .. }))),
        }
    }
    check(Does::Begins("so far"), true, false, Some(("so far", 5))).await;
    check(Does::Begins("so far"), false, false, Some(("so far", 6))).await;
    // It isn't begun.
    check(Does::Begins("so far"), true, true, Some(("", 0))).await;
    check(Does::Begins("so far"), false, true, Some(("", 0))).await;
    // What it does may have an effect.
    check(Does::Hangs, true, false, None).await;
    check(Does::Hangs, false, true, None).await;
}

async fn asked(does: &[Does], seconds: u64) -> Result<Option<Answer>, HandlerError> {
    let handlers = Handlers::new(does.iter().map(|&does| Arc::new(does) as Arc<dyn Handler>));
    let (request, intent) = (Request::default(), IntentName::new("refund").unwrap());
    let job = Job::new(&request, &intent, Instant::now() + Duration::from_secs(seconds));
    handlers.ask(&job).await
}

async fn check(does: &[Does], expected: Result<Option<&str>, &str>) {
    let found = asked(does, 10).await;
    let found = found.as_ref().map(|answer| answer.as_ref().map(|answer| &*answer.text)).map_err(|e| e.code().as_str());
    assert_eq!(found, expected);
}

#[tokio::test(start_paused = true)]
async fn the_next_is_asked_where_one_has_none_or_fails() {
    use Does::{Fails, Hangs, HasNone, IsAway, Panics, Says};
    check(&[Says("a"), Says("b")], Ok(Some("a"))).await;
    for first in [HasNone, Fails, IsAway, Panics, Hangs] {
        check(&[first, Says("b")], Ok(Some("b"))).await;
    }
    check(&[HasNone, HasNone], Ok(None)).await;
    // Whoever says that it has none has looked: to ask again would change nothing.
    check(&[IsAway, HasNone], Ok(None)).await;
    check(&[HasNone, IsAway], Ok(None)).await;
    check(&[], Ok(None)).await;
    // Only where all failed is it a failure, and one that may pass is worth another try.
    check(&[Fails, IsAway], Err("model_unavailable")).await;
    check(&[IsAway, Fails], Err("model_unavailable")).await;
    check(&[Fails, Fails], Err("handler_failed")).await;
    check(&[Panics], Err("internal")).await;
    check(&[Hangs, Hangs], Err("timeout")).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_leaves_a_fifth_of_the_time() {
    let started = Instant::now();
    assert_eq!(asked(&[Does::Hangs, Does::Says("b")], 10).await.unwrap().unwrap().text, "b");
    assert_eq!(started.elapsed().as_secs(), 8);
    let answer = asked(&[Does::Says("a")], 1).await.unwrap().unwrap();
    assert_eq!(answer.details.handler.as_deref(), Some("test"));
}

#[test]
fn a_client_isnt_told_the_services_own_words() {
    let error = crate::outbound::ServiceError {
        said: Some("account 7 is out of money".into()),
        ..crate::outbound::ServiceError::new(&"qwen".into(), Failure::Denied, "status 402")
    };
    let error = HandlerError::Service { intent: IntentName::new("refund").unwrap(), error };
    assert!(error.to_string().contains("account 7"));
    assert!(!error.for_client().contains("account 7"));
}
