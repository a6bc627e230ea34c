//! What the door meets on the open net.

use std::{io::Write, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{Opened, Rules, refused, socket::Socket};
use crate::support::Bench;

async fn connect(door: &Opened) -> TcpStream {
    TcpStream::connect(door.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// All that comes until the door closes the connection.
async fn until_closed(mut stream: TcpStream, within: Duration) -> String {
    let mut all = Vec::new();
    let _ = timeout(within, stream.read_to_end(&mut all)).await.expect("the door closes the connection");
    String::from_utf8_lossy(&all).into_owned()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compressed_is_read_in_every_form() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let openai = json!({"messages": [{"role": "user", "content": "refund"}]});
    for (path, body) in [
        ("/api/messages", json!({"body": "refund"})),
        ("/v1/chat/completions", openai),
        ("/webhooks/rest/webhook", json!({"message": "refund"})),
    ] {
        let headers = [("content-encoding", "gzip")];
        let response = door.send(Method::POST, path, &headers, gzip(&body.to_string())).await;
        let answer = response.text().await.unwrap();
        assert!(answer.contains("refund: refund"), "{path}: {answer}");
        let parts = door.http.post(format!("{}{path}", door.url)).header("content-type", "multipart/form-data");
        assert_eq!(parts.body("--x").send().await.unwrap().status(), 415, "{path}");
    }
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_request_are_refused_and_others_answered() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let raw = async |bytes: &[u8], expected: &str| {
        let mut stream = connect(&door).await;
        stream.write_all(bytes).await.unwrap();
        let answer = until_closed(stream, Duration::from_secs(40)).await;
        assert!(answer.starts_with(expected), "{answer}");
    };
    raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here\r\n\r\n", "HTTP/1.1 400").await;
    raw(b"AMQP\x00\x00\x09\x01\r\n\r\n", "HTTP/1.1 400").await;
    let many: String = (0..200).map(|at| format!("x-{at}: 1\r\n")).collect();
    raw(format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").as_bytes(), "HTTP/1.1 431").await;
    let large = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
    raw(large.as_bytes(), "HTTP/1.1 431").await;
    let check = async |body: &[u8], headers: &[(&str, &str)], status: u16, code: &str| {
        for path in ["/api/messages", "/v1/chat/completions", "/webhooks/rest/webhook"] {
            let response = door.send(Method::POST, path, headers, body.to_vec()).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            let fault: Value = response.json().await.unwrap();
            assert!(fault.to_string().contains(code), "{path}: {fault}");
        }
    };
    check(b"{\"body\": \"\xff\xfe\"}", &[], 400, "invalid_message").await;
    check("[".repeat(30_000).as_bytes(), &[], 400, "invalid_message").await;
    check(format!("{{\"body\": {}", "{\"a\":".repeat(10_000)).as_bytes(), &[], 400, "invalid_message").await;
    check(&vec![b'x'; 100 * 1024], &[], 413, "payload_too_large").await;
    check(b"{}", &[("content-encoding", "br")], 415, "unsupported_media_type").await;
    check(b"{}", &[("content-encoding", "gzip")], 400, "invalid_message").await;
    check(&gzip(&"x".repeat(100 * 1024)), &[("content-encoding", "gzip")], 413, "payload_too_large").await;
    check(b"{}", &[("origin", "https://evil.example")], 403, "forbidden").await;
    check(b"{}", &[("origin", "null")], 403, "forbidden").await;
    check(b"{}", &[("host", "rebound.example")], 403, "forbidden").await;
    check(b"{}", &[("host", "rebound.example")], 403, "CHATBOT_DOOR_LISTEN").await;
    assert_eq!(door.ask(&json!({"body": "refund"})).await["body"], "refund: refund");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_are_slow_lose_their_connection_and_hold_up_nobody() {
    let worker = Bench::new().start().await;
    // So many that the slow ones have all places but one.
    let rules = Rules { max_connections: 65, ..Rules::default() };
    let door = Opened::open(&worker.url, &worker.names, rules).await;
    let slow = futures_util::future::join_all((0..64).map(|_| async {
        let mut stream = connect(&door).await;
        let began = Instant::now();
        // A byte a second, as slow loris sends them.
        loop {
            let mut answer = [0; 64];
            match timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
                Ok(_) => break began.elapsed(),
                Err(_) => _ = stream.write_all(b"G").await,
            }
            assert!(began.elapsed() < Duration::from_secs(60), "a slow client keeps its connection");
        }
    }));
    let served = async {
        for _ in 0..10 {
            assert_eq!(door.ask(&json!({"body": "refund"})).await["body"], "refund: refund");
        }
    };
    tokio::join!(slow, served);
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_floods_is_closed_and_others_are_answered() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let (mut flooding, mut other) = (Socket::open(&door, "").await, Socket::open(&door, "").await);
    for at in 0..90 {
        flooding.send(&json!({"id": at.to_string(), "type": "chat.cancel"})).await;
    }
    let mut closed = None;
    for at in 0..2_000 {
        if flooding.try_send(&json!({"id": at.to_string(), "type": "chat.cancel"})).await.is_err() {
            break;
        }
    }
    while closed.is_none() {
        closed = flooding.next().await.err();
    }
    assert!(matches!(closed, Some(4029 | 0)), "{closed:?}");
    let mut waits = Socket::open(&door, "").await;
    for at in 0..20 {
        waits.send(&json!({"id": at.to_string(), "body": "outside"})).await;
    }
    for at in 16..20 {
        let refused = waits.next().await.unwrap();
        assert_eq!(
            (&refused["error"]["code"], &refused["in_reply_to"]),
            (&json!("rate_limited"), &json!(at.to_string()))
        );
    }
    other.send(&json!({"id": "1", "body": "refund"})).await;
    assert_eq!(other.next().await.unwrap()["body"], "refund: refund");
    drop(waits);
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_leave_room_for_an_answer() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let mut open = Vec::new();
    // As many as this process may have, both ends of each.
    let most = 10_000.min((limit_of_files() - 500) / 2);
    for _ in 0..most {
        open.push(connect(&door).await);
    }
    assert_eq!(door.ask(&json!({"body": "refund"})).await["body"], "refund: refund");
    assert_eq!(refused(door.get("/nothing").await).await.0, 404);
    drop(open);
    door.close().await;
    worker.stop().await;
}

fn limit_of_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(3).and_then(|limit| limit.parse().ok()).unwrap_or(1024)
}
