//! The circuit breaker, on paused time.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::future::{pending, ready};

use futures_util::FutureExt;
use tokio::time::advance;

use super::*;
use crate::outbound::tests::limits;

const PAUSE: Duration = Duration::from_secs(10);

fn breaker() -> Breaker {
    Breaker::new("x".into(), &limits())
}

fn failure(failure: Failure) -> ServiceError {
    ServiceError::new(&"x".into(), failure, "why")
}

async fn fails(breaker: &Breaker, kind: Failure) -> Failure {
    breaker.guard(ready(Err::<(), _>(failure(kind)))).await.unwrap_err().failure
}

async fn succeeds(breaker: &Breaker) -> bool {
    breaker.guard(ready(Ok::<_, ServiceError>(()))).await.is_ok()
}

async fn opened() -> Breaker {
    let breaker = breaker();
    for _ in 0..3 {
        assert_eq!(fails(&breaker, Failure::Server).await, Failure::Server);
    }
    breaker
}

#[tokio::test(start_paused = true)]
async fn only_failures_of_the_services_own_open_it() {
    for kind in Failure::ALL {
        let breaker = breaker();
        for _ in 0..3 {
            assert_eq!(fails(&breaker, kind).await, kind);
        }
        let expected = matches!(
            kind,
            Failure::Unreachable | Failure::Timeout | Failure::Throttled | Failure::Server | Failure::Denied
        );
        assert_eq!(breaker.look().is_err(), expected, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_says_nothing_of_the_service() {
    let breaker = breaker();
    for _ in 0..10 {
        let mut left = Box::pin(breaker.guard(pending::<Result<(), ServiceError>>()));
        assert!(left.as_mut().now_or_never().is_none());
    }
    assert!(breaker.look().is_ok());
}

#[tokio::test(start_paused = true)]
async fn failures_count_in_a_row() {
    let breaker = breaker();
    for _ in 0..5 {
        fails(&breaker, Failure::Server).await;
        fails(&breaker, Failure::Timeout).await;
        assert!(succeeds(&breaker).await);
    }
    assert!(breaker.look().is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_is_open_for_the_pause_and_then_lets_one_probe_through() {
    let breaker = opened().await;
    advance(PAUSE - Duration::from_millis(1)).await;
    assert!(!succeeds(&breaker).await);
    advance(Duration::from_millis(1)).await;
    let mut probe = Box::pin(breaker.guard(pending::<Result<(), ServiceError>>()));
    assert!(probe.as_mut().now_or_never().is_none());
    assert_eq!(fails(&breaker, Failure::Server).await, Failure::Open, "the probe is under way");
    drop(probe);
    assert_eq!(fails(&breaker, Failure::Server).await, Failure::Server, "its place was left to another");
    assert_eq!(fails(&breaker, Failure::Server).await, Failure::Open, "one failed probe opens it again");
    advance(PAUSE).await;
    assert!(succeeds(&breaker).await);
    assert_eq!(fails(&breaker, Failure::Server).await, Failure::Server, "and one that succeeds closes it");
    assert!(breaker.look().is_ok());
}

#[tokio::test(start_paused = true)]
async fn no_trickle_of_what_tells_nothing_keeps_it_from_a_request_that_would_succeed() {
    let breaker = opened().await;
    advance(PAUSE).await;
    for kind in [Failure::OutOfTime, Failure::Refused, Failure::BadAnswer, Failure::Busy, Failure::Internal] {
        assert_eq!(fails(&breaker, kind).await, kind, "each may probe");
    }
    // While those with too little time are always on their way, one that has it gets through.
    let mut probes: Vec<_> = (0..4).map(|_| Box::pin(breaker.guard(pending::<Result<(), ServiceError>>()))).collect();
    for probe in &mut probes {
        assert!(probe.as_mut().now_or_never().is_none());
    }
    assert!(succeeds(&breaker).await);
    assert!(breaker.look().is_ok());
    drop(probes);
    assert!(breaker.look().is_ok(), "probes of an earlier time have no say");
}

#[tokio::test(start_paused = true)]
async fn one_that_says_when_to_come_back_is_left_alone_until_then() {
    let breaker = breaker();
    let throttled = ServiceError { retry_after: Some(Duration::from_secs(60)), ..failure(Failure::Throttled) };
    assert!(breaker.guard(ready(Err::<(), _>(throttled))).await.is_err());
    advance(Duration::from_secs(59)).await;
    assert!(!succeeds(&breaker).await);
    advance(Duration::from_secs(1)).await;
    assert!(succeeds(&breaker).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_it_opened_does_not_open_it_for_longer() {
    let breaker = breaker();
    let late = breaker.guard(async {
        tokio::time::sleep(PAUSE - Duration::from_secs(1)).await;
        Err::<(), _>(failure(Failure::Timeout))
    });
    let mut late = Box::pin(late);
    assert!(late.as_mut().now_or_never().is_none());
    for _ in 0..3 {
        fails(&breaker, Failure::Server).await;
    }
    assert!(late.await.is_err());
    advance(Duration::from_secs(1)).await;
    assert!(succeeds(&breaker).await);
}
