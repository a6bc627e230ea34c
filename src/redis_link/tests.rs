//! Tests of what is told of a Redis. That one is used, lost and used again is `tests/it/redis.rs`.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;

const MANNER: Manner = Manner {
    variable: "REDIS_URL",
    used_for: "test",
    limit: Duration::from_millis(20),
    waits: true,
    away: "all waits",
    back: "all goes on",
};

fn url(url: &str) -> Renewed<RedisUrl> {
    Renewed::fixed(RedisUrl(url.to_owned().into()))
}

fn refusal(said: &str) -> Failed {
    let value = redis::parse_redis_value(format!("-{said}\r\n").as_bytes()).unwrap();
    Failed::Redis(value.extract_error().unwrap_err())
}

#[test]
fn a_refusal_is_told_with_what_to_do() {
    for (said, mend) in [
        ("OOM command not allowed when used memory > 'maxmemory'.", "maxmemory"),
        ("ERR Error running script: @user_script:7: -OOM command not allowed", "maxmemory"),
        ("READONLY You can't write against a read only replica.", "primary"),
        ("MISCONF Redis is configured to save RDB snapshots, but is unable to persist on disk.", "disk"),
        ("NOPERM this user has no permissions to run the 'eval' command", "ACL SETUSER"),
    ] {
        let refused = refusal(said);
        assert!(refused.is_a_refusal() && refused.is_an_answer(), "{refused}");
        assert!(refused.mend().is_some_and(|told| told.contains(mend)), "{refused}");
    }
    assert_eq!(refusal("ERR unknown command").mend(), None);
    assert!(!Failed::TooSlow("answer", MANNER.limit).is_a_refusal() && !Failed::Away(None).is_a_refusal());
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_once_a_minute_and_say_nothing_of_being_away() {
    let shared = Shared::new(url("redis://127.0.0.1:1"), MANNER);
    shared.refuses(&refusal("OOM command not allowed"));
    assert!(!shared.away.load(Ordering::Relaxed));
    assert!(!shared.tells_refusal());
    tokio::time::advance(REFUSALS).await;
    assert!(shared.tells_refusal());
    assert!(!shared.tells_refusal());
}

#[tokio::test]
async fn what_there_is_no_connection_for_says_why_without_the_password() {
    let link = Link::start(url("redis://user:s3cret@127.0.0.1:1"), MANNER).unwrap();
    let error = loop {
        // The first may come before the first try to connect has failed.
        match link.command::<()>("get", Cmd::new().arg("GET").arg("a")).await {
            Err(error @ Failed::Away(Some(_))) => break error.to_string(),
            other => assert!(matches!(other, Err(Failed::Away(None))), "{other:?}"),
        }
    };
    assert!(error.contains("refused") && !error.contains("s3cret"), "{error}");
}
