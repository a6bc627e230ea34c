//! A model's HTTP server as a test wants it: what it answers, and how it fails.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The path, with the query.
    pub path: String,
    /// All headers, in lower case.
    pub headers: String,
    pub body: Value,
}

/// What the server does with a request.
pub enum Act {
    /// This status, with these further headers and this body.
    Answer(u16, &'static str, String),
    /// The same, after a while.
    Late(Duration, Box<Act>),
    /// Nothing, for ever.
    Hang,
    /// The beginning of an answer, and then nothing.
    HangInTheBody,
    /// The beginning of an answer of this content type, and then the connection's end.
    CutOff(&'static str, &'static str),
    /// An answer that doesn't end.
    Endless,
    /// The connection is reset.
    Reset,
}

impl Act {
    pub fn json(body: Value) -> Self {
        Self::Answer(200, "", body.to_string())
    }

    pub fn status(status: u16) -> Self {
        Self::Answer(status, "", "{}".to_owned())
    }

    /// What a language model answers.
    pub fn completion(content: &str) -> Self {
        Self::json(json!({"choices": [{"message": {"role": "assistant", "content": content}}]}))
    }
}

/// A server on this machine; gone when it is dropped.
pub struct Stub {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    most_at_once: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Stub {
    /// A server that does this with each request.
    pub async fn start(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, act) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(act));
        let (now, most_at_once) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let task = tokio::spawn({
            let (seen, most) = (Arc::clone(&seen), Arc::clone(&most_at_once));
            async move {
                let mut connections = tokio::task::JoinSet::new();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (seen, act) = (Arc::clone(&seen), Arc::clone(&act));
                    let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                    connections.spawn(async move {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        let _ = serve(stream, UnderWay(now), &seen, act.as_ref()).await;
                    });
                }
            }
        });
        Self { url, seen, most_at_once, task }
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests were under way at once, at the most.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One of the requests that are under way.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reads one request and does with it what the test wants. Each connection carries one.
async fn serve(
    mut stream: TcpStream,
    under_way: UnderWay,
    seen: &Mutex<Vec<Seen>>,
    act: impl Fn(&Seen) -> Act,
) -> std::io::Result<()> {
    let mut received = Vec::new();
    let (head, length) = loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        received.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let head = text[..end].to_owned();
            let length =
                head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            break (head, end + 4 + length.unwrap_or(0));
        }
    };
    while received.len() < length {
        let mut part = [0; 65536];
        let read = stream.read(&mut part).await?;
        received.extend_from_slice(&part[..read]);
    }
    let body = received.split_off(head.len() + 4);
    let request = Seen {
        path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
        headers: head.to_lowercase(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    seen.lock().unwrap().push(request.clone());
    let mut act = act(&request);
    while let Act::Late(after, then) = act {
        tokio::time::sleep(after).await;
        act = *then;
    }
    match act {
        Act::Answer(status, headers, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}\
                 content-length: {length}\r\n\r\n"
            );
            // Who has read it may ask the next before this goes on.
            drop(under_way);
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        Act::Hang => std::future::pending().await,
        Act::HangInTheBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choices\"").await?;
            std::future::pending().await
        }
        Act::CutOff(content_type, beginning) => {
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: 1000\r\n\r\n{beginning}");
            stream.write_all(head.as_bytes()).await?;
        }
        Act::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
            let blanks = [b' '; 65536];
            // Until the client has had enough.
            while stream.write_all(&blanks).await.is_ok() {}
        }
        Act::Reset => stream.set_zero_linger()?,
        Act::Late(..) => {}
    }
    Ok(())
}
