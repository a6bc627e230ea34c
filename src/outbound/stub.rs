//! A service's server as a unit test wants it: what came, and what it answers, down to the bytes.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{Connection, Endpoint, Limits, Service, tests::limits};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The first line and the headers, as they were sent.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| {
            line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.len())
        };
        self.head.lines().find_map(|line| of(line).map(|length| &line[line.len() - length..]))
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A status, further headers and a body.
    Answer(u16, &'static str, String),
    /// A stream of events, in these pieces; then its end, or, where it is cut, the end of the connection before that of
    /// the answer.
    Events { pieces: Vec<String>, cut: bool },
    /// The connection ends without an answer.
    Close,
}

impl Act {
    pub(crate) fn json(body: &Value) -> Self {
        Self::Answer(200, "content-type: application/json\r\n", body.to_string())
    }

    /// What a language model answers, whole.
    pub(crate) fn says(content: &str) -> Self {
        Self::json(&serde_json::json!({
            "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        }))
    }
}

/// A server on this machine; gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Stub {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Stub {
    /// A server that does this with each request.
    pub(crate) async fn start(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, act) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(act));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let mut connections = tokio::task::JoinSet::new();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (seen, act) = (Arc::clone(&seen), Arc::clone(&act));
                    connections.spawn(async move { drop(serve(stream, &seen, act.as_ref()).await) });
                }
            }
        });
        Self { url, seen, task }
    }

    /// A server that does these in turn, and the last of them again and again.
    pub(crate) async fn script(acts: Vec<Act>) -> Self {
        let at = std::sync::atomic::AtomicUsize::new(0);
        Self::start(move |_| {
            let next = at.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            acts[next.min(acts.len() - 1)].clone()
        })
        .await
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The service that this server is, called `x`.
    pub(crate) fn service(&self) -> Service {
        self.service_within(&limits())
    }

    /// The same, within other bounds.
    pub(crate) fn service_within(&self, limits: &Limits) -> Service {
        self.service_of(&self.url, limits)
    }

    /// The same, at a path of the server's.
    pub(crate) fn service_at(&self, path: &str) -> Service {
        self.service_of(&format!("{}{path}", self.url), &limits())
    }

    fn service_of(&self, url: &str, limits: &Limits) -> Service {
        let (url, timeout) = (url.parse().unwrap(), std::time::Duration::from_secs(20));
        let connection =
            Connection { url, local: true, key: None, ca: None, connect_timeout: timeout, max_response: 65536 };
        // A loaded machine is no fault of the service's.
        let limits = Limits { timeout, ..limits.clone() };
        Service::new(Endpoint::new("x".into(), connection).unwrap(), &limits)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request and answers it. Each connection carries one.
async fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Seen>>, act: impl Fn(&Seen) -> Act) -> std::io::Result<()> {
    let mut received = Vec::new();
    let end = loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        received.extend_from_slice(&part[..read]);
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(received[..end].to_vec()).unwrap();
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let whole = end + 4 + length.unwrap_or(0);
    while received.len() < whole {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await?;
        received.extend_from_slice(&part[..read]);
    }
    let request = Seen { head, body: received.split_off(end + 4) };
    seen.lock().unwrap().push(request.clone());
    match act(&request) {
        Act::Answer(status, headers, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        Act::Events { pieces, cut } => {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                        transfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            for piece in pieces {
                stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await?;
                stream.flush().await?;
            }
            if !cut {
                stream.write_all(b"0\r\n\r\n").await?;
            }
        }
        Act::Close => {}
    }
    stream.shutdown().await
}
