//! Clients that take their answers slowly, not at all, or have closed their sending side.

use std::{
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatbot_worker::handler::{Answer, Handler, HandlerError, Job};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use super::{Opened, Rules, socket::Socket};
use crate::{
    cli::program::Program,
    streaming::{WORDS, Writes, worker},
    support::{Bench, PATIENCE, eventually},
};

/// More than the system keeps of what isn't taken, on either side of a connection.
const MUCH: usize = 12 << 20;

/// Answers with [`MUCH`].
struct Much;

#[async_trait]
impl Handler for Much {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, _: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        Ok(Some(Answer::text("x".repeat(MUCH), None)))
    }
}

/// How large each part is of those that [`Pours`] writes, in bytes, and how many they are.
const PART: usize = 64 << 10;
const PARTS: usize = 300;
const PAUSE: Duration = Duration::from_millis(10);

/// Writes far more on the way than its answer has in the end, and counts its parts.
#[derive(Clone, Default)]
struct Pours(Arc<AtomicUsize>);

#[async_trait]
impl Handler for Pours {
    fn name(&self) -> &'static str {
        "test"
    }

    fn may_be_stopped(&self) -> bool {
        true
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        for at in 0..PARTS {
            // Another text than before: a part of its own, whole.
            job.listener.unwrap().so_far(format!("{at} {}", "x".repeat(PART)), Vec::new());
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Some(Answer::text("done".to_owned(), None)))
    }
}

/// A request over HTTP, on a connection of its own that takes little at a time.
async fn asks(url: &str, path: &str, headers: &str, body: &Value) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the door closes the connection.
async fn all_of(mut stream: TcpStream, within: Duration) -> String {
    let mut all = Vec::new();
    timeout(within, stream.read_to_end(&mut all)).await.expect("the door closes the connection").unwrap();
    String::from_utf8(all).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_do_not_take_their_answers_lose_their_connection_and_hold_up_nobody() {
    let worker = Bench::new().handler("refund", Much).start().await;
    let door = Opened::open(&worker.url, &worker.names, Rules { max_connections: 5, ..Rules::default() }).await;
    let began = Instant::now();
    let refund = json!({"body": "refund"});
    let openai = json!({"model": "chatbot", "stream": true, "messages": [{"role": "user", "content": "refund"}]});
    let events = "accept: text/event-stream\r\n";
    let untaken = [
        asks(&door.url, "/api/messages", "", &refund).await,
        asks(&door.url, "/api/messages", events, &refund).await,
        asks(&door.url, "/v1/chat/completions", "", &openai).await,
    ];
    let mut socket = Socket::open(&door, "").await;
    socket.send(&json!({"id": "1", "body": "refund"})).await;
    // The fifth place is for all others.
    for _ in 0..10 {
        let answer = door.ask(&json!({"body": "help"})).await;
        assert_eq!(answer["body"], "help_info: help");
    }
    // Others get in only as those are thrown out, all of them.
    let mut others = Vec::new();
    for _ in 0..5 {
        let other = timeout(Duration::from_secs(60), Socket::open(&door, "")).await;
        others.push(other.expect("whoever takes nothing loses its place"));
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(10) && took < Duration::from_secs(60), "{took:?}");
    // What the system had taken over is all that there is of the answers.
    for mut stream in untaken {
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await.expect("its end");
        assert!(rest.len() < MUCH, "{}", rest.len());
    }
    drop((socket, others));
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_whole_for_those_who_take_it_by_and_by() {
    let worker = Bench::new().handler("refund", Much).start().await;
    let door = Opened::before(&worker).await;
    let mut socket = Socket::open(&door, "").await;
    socket.send(&json!({"id": "1", "body": "refund"})).await;
    assert_eq!(socket.next().await.unwrap()["body"].as_str().map(str::len), Some(MUCH));
    // Also where the sending side is closed already.
    let mut stream = asks(&door.url, "/api/messages", "", &json!({"body": "refund"})).await;
    stream.shutdown().await.unwrap();
    let answer = all_of(stream, Duration::from_secs(30)).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: "), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["body"].as_str().map(str::len), Some(MUCH));
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_closed_its_sending_side_gets_its_answer_and_is_not_waited_for_long() {
    let refund = json!({"body": "refund", "stream": true});
    for headers in ["", "accept: text/event-stream\r\n"] {
        let writes = Writes::default();
        let worker = worker(&writes).await;
        let door = Opened::before(&worker).await;
        let mut stream = asks(&door.url, "/api/messages", headers, &refund).await;
        stream.shutdown().await.unwrap();
        writes.begins().await;
        let (answer, ()) = tokio::join!(all_of(stream, Duration::from_secs(10)), writes.write(WORDS.len()));
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("退货很简单，三十天内。"), "{answer}");
        // One that takes its time is stopped.
        let mut stream = asks(&door.url, "/api/messages", headers, &refund).await;
        stream.shutdown().await.unwrap();
        let began = Instant::now();
        writes.is_stopped().await;
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        door.close().await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_of_a_stream_fills_no_memory() {
    const SLOW: usize = 4;
    let pours = Pours::default();
    let mut bench = Bench::new().handler("refund", pours.clone());
    bench.parts.handler_timeout = Duration::from_secs(60);
    let worker = bench.start().await;
    // A process of its own, whose memory is the door's alone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = Program::of(&worker.names).with("CHATBOT_DOOR_LISTEN", &port.to_string());
    let mut process = program.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let peak = |process: &Child| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")).unwrap();
        peak.trim().parse::<usize>().unwrap() << 10
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (url, http) = (format!("http://{port}"), reqwest::Client::builder().no_proxy().build().unwrap());
    let help = async || {
        let asked = http.post(format!("{url}/api/messages")).body(r#"{"body": "help"}"#).send().await.ok()?;
        let answer = asked.json::<Value>().await.ok()?;
        (answer["body"] == "help_info: help").then_some(())
    };
    eventually("the door answers", &help).await;
    let idle = peak(&process);
    let mut untaken = Vec::new();
    for _ in 0..SLOW {
        let events = "accept: text/event-stream\r\n";
        untaken.push(asks(&url, "/api/messages", events, &json!({"body": "refund"})).await);
    }
    let began = Instant::now();
    while pours.0.load(Ordering::SeqCst) < SLOW * PARTS {
        assert!(began.elapsed() < PATIENCE, "{:?} parts are written", pours.0);
        help().await.expect("others are answered meanwhile");
    }
    let grown = peak(&process).saturating_sub(idle);
    // Of each 64 parts may wait, and some are on the way: less than half of all.
    let most = SLOW * 64 * PART + (16 << 20);
    println!("{} MiB more for {} MiB of parts", grown >> 20, (SLOW * PARTS * PART) >> 20);
    assert!(grown < most, "{} MiB more, and not {}", grown >> 20, most >> 20);
    // They came as far as the system takes them.
    let mut begins = vec![0; 4 * PART];
    untaken[0].read_exact(&mut begins).await.unwrap();
    assert!(String::from_utf8_lossy(&begins).contains("event: chat.reply.part"));
    process.kill().unwrap();
    process.wait().unwrap();
    drop(untaken);
    worker.stop().await;
}
