//! Tests of what is told of a Redis. That one is used, lost and used again is `tests/it/redis.rs`.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::advance,
};

use super::{told::AGAIN, *};

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
        (
            "ERR The user executing the script can't run this command or subcommand script: 6c3, on @user_script:1.",
            "ACL",
        ),
        ("ERR User chatbot has no permissions to run the 'select' command", "ACL"),
        ("NOAUTH Authentication required.", "password"),
    ] {
        let refused = refusal(said);
        assert!(refused.is_a_refusal() && refused.is_an_answer(), "{refused}");
        assert!(refused.mend().is_some_and(|told| told.contains(mend)), "{refused}");
    }
    assert_eq!(refusal("ERR unknown command").mend(), None);
    assert!(!Failed::TooSlow("answer", MANNER.limit).is_a_refusal() && !Failed::Away(None).is_a_refusal());
}

#[tokio::test(start_paused = true)]
async fn each_cause_of_being_away_is_told_at_once_and_not_twice_a_minute() {
    let told = Told::default();
    assert!(told.fails("refused") && !told.fails("refused"));
    assert!(told.fails("password"), "another one, within the minute");
    assert!(!told.fails("password") && !told.fails("refused"));
    advance(AGAIN).await;
    assert!(!told.fails("password"), "it is as it was");
    assert!(told.fails("refused"));
    assert_eq!(told.works(), Some(AGAIN));
    assert_eq!(told.works(), None);
    assert!(told.fails("refused"), "each time that it begins");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_once_a_minute_for_each_cause_and_say_nothing_of_being_away() {
    let told = Told::default();
    assert!(told.refuses("put", "OOM") && !told.refuses("put", "OOM"));
    assert!(told.refuses("put", "NOPERM") && told.refuses("get", "NOPERM"));
    advance(AGAIN).await;
    assert!(told.refuses("put", "OOM") && !told.refuses("put", "OOM"));
    assert_eq!(told.works(), None);
    assert_eq!(told.carries_out("list"), None);
    assert_eq!(told.carries_out("put"), Some(AGAIN));
    assert_eq!(told.carries_out("put"), None);
}

#[test]
fn what_differs_only_in_its_details_is_one_cause() {
    let error = |text: &str| Failed::Redis(io::Error::other(text.to_owned()).into());
    assert_eq!(error("certificate expired: at 1").cause(), error("certificate expired: at 2").cause());
    let causes = [
        error("Connection refused (os error 111)"),
        error("Connection reset by peer (os error 104)"),
        Failed::TooSlow("answer", MANNER.limit),
        Failed::TooSlow("connect", MANNER.limit),
        Failed::SpeaksTls,
        refusal("OOM command not allowed"),
        refusal("NOAUTH Authentication required."),
        refusal("LOADING Redis is loading the dataset in memory"),
    ];
    let different: std::collections::BTreeSet<_> = causes.iter().map(Failed::cause).collect();
    assert_eq!(different.len(), causes.len(), "{different:?}");
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_says_where_it_is_which_setting_says_so_what_it_refuses_and_for_how_long() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let at = "redis://user:s3cret@[::1]:1/3";
    let shared = Shared::new(url(at), MANNER, &Client::open(at).unwrap());
    let refused = refusal("NOPERM this user has no permissions to run the 'eval' command");
    shared.fails(&refusal("NOAUTH Authentication required."));
    advance(Duration::from_secs(90)).await;
    shared.works();
    shared.refuses("put", Cmd::new().arg("EVAL").arg("return 1"), &refused);
    advance(Duration::from_secs(2)).await;
    shared.carries_out("put");
    drop(logging);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let expected: [(&str, &[&str]); 4] = [
        (" WARN ", &["Redis can't be used; it asks for a password", "all waits", "NOAUTH"]),
        (" INFO ", &["Redis can be used again, after 90.0 s; all goes on"]),
        (" WARN ", &["Redis refuses a command: its user lacks a right", "OPERATING.md", "command=\"EVAL\"", "'eval'"]),
        (" INFO ", &["after 2.0 s; all goes on", "operation=\"put\""]),
    ];
    assert_eq!(log.lines().count(), expected.len(), "{log}");
    for (line, (level, texts)) in log.lines().zip(expected) {
        for text in [level, "address=[::1]:1/3", "setting=\"REDIS_URL\""].iter().chain(texts) {
            assert!(line.contains(text), "{text}: {line}");
        }
    }
    assert!(!log.contains("s3cret"), "{log}");
}

/// A server that answers so to what comes first on a connection, or hangs up; its port.
async fn server(answer: fn(&[u8]) -> Option<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let length = stream.read(&mut asked).await.unwrap_or_default();
                if let Some(answer) = answer(&asked[..length]) {
                    let _ = stream.write_all(answer).await;
                    // Until the other side hangs up.
                    while stream.read(&mut asked).await.is_ok_and(|length| length > 0) {}
                }
            });
        }
    });
    port
}

/// As a Redis that asks for a password, and answers with an error what it can't read.
fn without_tls(asked: &[u8]) -> Option<&'static [u8]> {
    match asked {
        b"PING\r\n" => Some(b"-NOAUTH Authentication required.\r\n"),
        _ => Some(b"-ERR unknown command\r\n"),
    }
}

/// As one that waits for the end of the line.
fn without_tls_and_patient(asked: &[u8]) -> Option<&'static [u8]> {
    match asked {
        b"PING\r\n" => Some(b"+PONG\r\n"),
        _ => Some(b""),
    }
}

/// As one with TLS: an alert for an empty `ClientHello`.
fn with_tls(asked: &[u8]) -> Option<&'static [u8]> {
    match asked {
        [22, ..] => Some(b"\x15\x03\x03\x00\x02\x02\x32"),
        _ => None,
    }
}

fn mute(_: &[u8]) -> Option<&'static [u8]> {
    None
}

#[tokio::test]
async fn who_speaks_no_tls_or_tls_unasked_is_told() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let limit = Duration::from_secs(5);
    let failed = probe(&format!("rediss://127.0.0.1:{}", server(without_tls).await), limit).await;
    assert!(matches!(failed, Err(Failed::SpeaksNoTls)), "{failed:?}");
    let patient = server(without_tls_and_patient).await;
    for (scheme, mismatches) in [("rediss", true), ("redis", false)] {
        let client = Client::open(format!("{scheme}://127.0.0.1:{patient}")).unwrap();
        let found = wire::mismatch(client.get_connection_info().addr()).await;
        assert_eq!(matches!(found, Some(Failed::SpeaksNoTls)), mismatches, "{scheme}: {found:?}");
        assert_eq!(found.is_some(), mismatches, "{scheme}");
    }
    let failed = probe(&format!("redis://127.0.0.1:{}", server(with_tls).await), limit).await;
    assert!(matches!(failed, Err(Failed::SpeaksTls)), "{failed:?}");
    // Who only hangs up may be anything.
    let mute = server(mute).await;
    for scheme in ["redis", "rediss"] {
        let failed = probe(&format!("{scheme}://127.0.0.1:{mute}"), limit).await;
        assert!(matches!(failed, Err(Failed::Redis(_))), "{failed:?}");
    }
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
