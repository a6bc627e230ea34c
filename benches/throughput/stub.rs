//! A language model's service of OpenAI's form, in this process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, interval_at},
};

/// What each request is answered: piece by piece, with a pause before each.
pub(crate) struct Written {
    pub(crate) pieces: Vec<String>,
    pub(crate) pause: Duration,
}

impl Written {
    /// An answer of these tokens, at once after a pause.
    pub(crate) fn at_once(tokens: &[&str], pause: Duration) -> Self {
        Self { pieces: vec![written(tokens).concat()], pause }
    }

    /// An answer of these tokens, with a pause before each.
    pub(crate) fn by_tokens(tokens: &[&str], pause: Duration) -> Self {
        Self { pieces: written(tokens), pause }
    }
}

/// A service; gone when what it returns is dropped.
pub(crate) async fn service(answer: Written) -> anyhow::Result<(SocketAddr, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, mut tasks, answer) = (listener.local_addr()?, JoinSet::new(), Arc::new(answer));
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            // It ends with its connection.
            connections.spawn(async move { drop(serve(stream, &answer).await) });
        }
    });
    Ok((address, tasks))
}

/// Answers the requests of a connection, one after the other.
async fn serve(mut stream: TcpStream, answer: &Written) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    loop {
        let whole = loop {
            if let Some(whole) = whole(&received) {
                break whole;
            }
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        received.drain(..whole);
        let mut pause = interval_at(Instant::now() + answer.pause, answer.pause);
        for piece in &answer.pieces {
            pause.tick().await;
            stream.write_all(piece.as_bytes()).await?;
        }
    }
}

/// How many bytes the first request has, once it is there.
fn whole(received: &[u8]) -> Option<usize> {
    let head = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let lines = std::str::from_utf8(&received[..head]).ok()?.to_ascii_lowercase();
    let length: usize = lines.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let whole = head + 4 + length;
    (received.len() >= whole).then_some(whole)
}

/// An answer over HTTP as it is being written: a piece for each token, the first with its head, the last with its end.
fn written(tokens: &[&str]) -> Vec<String> {
    let last = tokens.len().saturating_sub(1);
    let event = |(at, token): (usize, &&str)| {
        let finish = if at < last { "null" } else { "\"stop\"" };
        format!(
            "data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"stub\",\"choices\":[{{\"index\":0,\
             \"delta\":{{\"content\":\"{token}\"}},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let mut pieces: Vec<String> = tokens.iter().enumerate().map(event).collect();
    if let Some(last) = pieces.last_mut() {
        last.push_str(&format!(
            "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":60,\"completion_tokens\":{}}}}}\n\ndata: [DONE]\n\n",
            tokens.len()
        ));
    }
    let length: usize = pieces.iter().map(String::len).sum();
    if let Some(first) = pieces.first_mut() {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n");
        first.insert_str(0, &head);
    }
    pieces
}
