//! A service within its bounds, on paused time.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::{FutureExt, future::join_all};

use super::*;
use crate::outbound::tests::{limits, nowhere_within};

type Outcome = Result<&'static str, ServiceError>;

fn service(limits: &Limits) -> Service {
    nowhere_within("x", limits)
}

fn within(time: Duration) -> Instant {
    Instant::now() + time
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_service_that_took_its_time_failed_and_a_request_that_had_less_did_not_let_it() {
    async fn check(left: Duration, expected: Failure, opens: bool) {
        let service = service(&limits());
        for _ in 0..3 {
            let started = Instant::now();
            let error = service.call(within(left), |_| pending::<Outcome>()).await.unwrap_err();
            assert_eq!(error.failure, expected, "{left:?}");
            assert_eq!(started.elapsed().as_secs(), left.min(limits().timeout).as_secs());
        }
        assert_eq!(service.breaker.look().is_err(), opens, "{left:?}");
    }
    check(Duration::from_millis(50), Failure::OutOfTime, false).await;
    check(2 * SECOND, Failure::OutOfTime, false).await;
    check(3 * SECOND, Failure::Timeout, true).await;
    check(60 * SECOND, Failure::Timeout, true).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_request_itself_takes_for_a_time_out_is_judged_alike() {
    let service = service(&limits());
    let by_itself = |end: Instant| async move {
        tokio::time::sleep_until(end - Duration::from_millis(1)).await;
        Outcome::Err(ServiceError::new(&"x".into(), Failure::Timeout, "no whole answer in time"))
    };
    let ended = service.call(within(SECOND), by_itself).await.unwrap_err();
    assert_eq!(ended.failure, Failure::OutOfTime);
    let late = service.call(within(9 * SECOND), by_itself).await.unwrap_err();
    assert_eq!(late.failure, Failure::Timeout);
    assert!(late.to_string().contains("within its TIMEOUT of 3s"), "it names what to turn: {late}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_place_is_no_failure_and_ends_when_the_breaker_opens() {
    let one = Limits { concurrency: NonZeroU16::MIN, ..limits() };
    let service = service(&one);
    let (hangs, waits) = tokio::join!(
        service.call(within(60 * SECOND), |_| pending::<Outcome>()),
        service.call(within(SECOND), |_| pending::<Outcome>()),
    );
    assert_eq!((hangs.unwrap_err().failure, waits.unwrap_err().failure), (Failure::Timeout, Failure::Busy));

    let service = Service::new(service.endpoint, &Limits { breaker_failures: NonZeroU16::MIN, ..one });
    let asked = AtomicUsize::new(0);
    let fail = |_| async {
        asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(SECOND).await;
        Outcome::Err(ServiceError::new(&"x".into(), Failure::Server, "500"))
    };
    let answers = join_all((0..5).map(|_| service.call(within(60 * SECOND), fail))).await;
    let open = answers.iter().filter(|answer| answer.as_ref().unwrap_err().failure == Failure::Open).count();
    assert_eq!((open, asked.load(Ordering::SeqCst)), (4, 1), "those that waited don't try it one after the other");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_too_late_is_not_used() {
    let service = service(&Limits { concurrency: NonZeroU16::MIN, ..limits() });
    for (taken, asked) in [(Duration::from_millis(850), true), (Duration::from_millis(950), false)] {
        let long = service.call(within(SECOND), |_| async move {
            tokio::time::sleep(taken).await;
            Outcome::Ok("long")
        });
        let next = service.call(within(SECOND), |_| async { Outcome::Ok("next") });
        let (long, next) = tokio::join!(long, next);
        assert_eq!(long.unwrap(), "long");
        assert_eq!(next.map_err(|error| error.failure), if asked { Ok("next") } else { Err(Failure::Busy) });
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_gives_its_place_back() {
    let service = service(&Limits { concurrency: NonZeroU16::MIN, ..limits() });
    for _ in 0..5 {
        let left = service.call(within(SECOND), |_| pending::<Outcome>()).now_or_never();
        assert!(left.is_none());
    }
    assert!(service.call(within(SECOND), |_| async { Outcome::Ok("yes") }).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_what_may_pass_is_tried_again_and_only_while_there_is_time() {
    async fn tries(failure: Failure, left: Duration) -> usize {
        let (service, tries) = (service(&Limits { retries: 2, ..limits() }), AtomicUsize::new(0));
        let fail = |_| async {
            tries.fetch_add(1, Ordering::SeqCst);
            Outcome::Err(ServiceError::new(&"x".into(), failure, "why"))
        };
        service.call(within(left), fail).await.unwrap_err();
        tries.load(Ordering::SeqCst)
    }
    for failure in Failure::ALL {
        let again = matches!(failure, Failure::Unreachable | Failure::Server);
        assert_eq!(tries(failure, 60 * SECOND).await, if again { 3 } else { 1 }, "{failure:?}");
    }
    assert_eq!(tries(Failure::Server, Duration::from_millis(10)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_parts_is_bounded_in_its_pauses_and_by_the_requests_time() {
    /// Five parts, or as many before it hangs, with such a pause before each.
    async fn check(parts: usize, pause: u64, left: u64, expected: Result<&str, Failure>, seconds: u64) {
        let (service, pulse) = (service(&limits()), &Pulse::default());
        let write = |_| async move {
            for _ in 0..parts {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                pulse.beat();
            }
            if parts < 5 {
                pending::<()>().await;
            }
            Outcome::Ok("whole")
        };
        let started = Instant::now();
        let ended = service.call_in_parts(within(Duration::from_secs(left)), pulse, write).await;
        let told = (ended.map_err(|error| error.failure), started.elapsed().as_secs());
        assert_eq!(told, (expected, seconds), "{parts} {pause} {left}");
    }
    // Far longer than the service's three seconds, and never as long without a word.
    check(5, 2, 60, Ok("whole"), 10).await;
    check(2, 2, 60, Err(Failure::Timeout), 7).await;
    check(0, 0, 60, Err(Failure::Timeout), 3).await;
    check(5, 4, 60, Err(Failure::Timeout), 3).await;
    // It is the request that has no more time.
    check(5, 2, 7, Err(Failure::OutOfTime), 7).await;
}
