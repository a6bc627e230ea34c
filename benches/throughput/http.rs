//! The barest HTTP client that there can be, since it takes its share of the machine as well.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::interval,
};

use crate::client::Load;

/// A connection to the door.
pub(crate) type Stream = BufReader<TcpStream>;

pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Stream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Keeps so many requests unanswered, each on a connection of its own.
pub(crate) async fn ask(
    address: SocketAddr,
    bodies: &[Vec<u8>],
    in_flight: usize,
    duration: Duration,
) -> anyhow::Result<Load> {
    let begin = Instant::now();
    let tasks = (0..in_flight).map(|slot| {
        let bodies = bodies.to_vec();
        tokio::spawn(async move {
            let mut stream = connect(address).await?;
            let mut latencies = Vec::new();
            for body in bodies.iter().cycle().skip(slot) {
                let asked = Instant::now();
                if asked - begin >= duration {
                    break;
                }
                post(&mut stream, body).await?;
                latencies.push(asked.elapsed());
            }
            anyhow::Ok(latencies)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    latencies.sort_unstable();
    let rate = latencies.len() as f64 / begin.elapsed().as_secs_f64();
    Ok(Load { latencies, rate })
}

/// Asks so often a second, however long the answers take, each on a connection that no other waits on.
pub(crate) async fn ask_at_pace(
    address: SocketAddr,
    bodies: &[Vec<u8>],
    a_second: u32,
    duration: Duration,
) -> anyhow::Result<Load> {
    let (begin, mut due) = (Instant::now(), interval(Duration::from_secs(1) / a_second));
    let (give_back, mut free) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for body in bodies.iter().cycle() {
        due.tick().await;
        if begin.elapsed() >= duration {
            break;
        }
        let mut stream = match free.try_recv() {
            Ok(stream) => stream,
            Err(_) => connect(address).await?,
        };
        let (body, give_back) = (body.clone(), give_back.clone());
        tasks.spawn(async move {
            let asked = Instant::now();
            post(&mut stream, &body).await?;
            let took = asked.elapsed();
            let _ = give_back.send(stream);
            anyhow::Ok(took)
        });
    }
    let mut latencies = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    latencies.sort_unstable();
    let rate = latencies.len() as f64 / begin.elapsed().as_secs_f64();
    Ok(Load { latencies, rate })
}

async fn post(stream: &mut Stream, body: &[u8]) -> anyhow::Result<()> {
    send(stream, "/api/messages", "application/json", body).await?;
    let (status, length) = answer_head(stream).await?;
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    ensure!(status == 200, "the door answers {status}: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// Sends JSON to a path of the door, and says what is accepted as the answer.
pub(crate) async fn send(stream: &mut Stream, path: &str, accept: &str, body: &[u8]) -> anyhow::Result<()> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    Ok(stream.write_all(&[head.as_bytes(), body].concat()).await?)
}

/// The status of an answer, and its length; 0 where it doesn't say.
pub(crate) async fn answer_head(stream: &mut Stream) -> anyhow::Result<(u16, usize)> {
    let (mut line, mut status, mut length) = (String::new(), None, 0);
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "the door closed the connection");
        match line.trim_end() {
            "" => return Ok((status.context("no status")?, length)),
            first if status.is_none() => status = first.split(' ').nth(1).and_then(|status| status.parse().ok()),
            other => {
                if let Some(value) = other.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse()?;
                }
            }
        }
    }
}
