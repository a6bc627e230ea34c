//! What the door costs: the same worker asked over RabbitMQ, and over HTTP by a door between; and what idle sockets hold.
//!
//! The HTTP client is the barest that there can be, since it takes its share of the machine as well.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::sleep,
};

use crate::{
    client::{Client, Load},
    contestant::{Contestant, Kind, WORKER, worker},
    report::median,
    sample, topology,
};

const TURN: Duration = Duration::from_secs(2);
/// How long the door may take until it can ask.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long sockets that were just opened are left alone before memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// Measures, in so many rounds, and tells.
pub(crate) async fn measure(url: &str, rounds: u32, in_flight: usize, sockets: usize) -> anyhow::Result<()> {
    let names = Kind::Inline.names()?;
    let result = measured(url, rounds, in_flight, sockets).await;
    topology::remove(url, &names).await?;
    result
}

async fn measured(url: &str, rounds: u32, in_flight: usize, sockets: usize) -> anyhow::Result<()> {
    let scratch = std::env::temp_dir();
    let contestant = Contestant::start(Kind::Inline, url, None, &scratch)?;
    let door = Door::open(url, contestant.names.exchange()).await?;
    let bodies = sample::bodies(&sample::bot()?)?;
    let mut client = Client::connect(url, bodies.clone()).await?;
    let exchange = contestant.names.exchange();
    let (mut many, mut one) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        let loads = [client.ask(exchange, in_flight, TURN).await?, ask(door.address, &bodies, in_flight).await?];
        for (rates, load) in many.iter_mut().zip(&loads) {
            rates.push((load.rate, at(load, 0.5), at(load, 0.99)));
        }
        let loads = [client.ask(exchange, 1, TURN).await?, ask(door.address, &bodies, 1).await?];
        for (rates, load) in one.iter_mut().zip(&loads) {
            rates.push((load.rate, at(load, 0.5), at(load, 0.99)));
        }
    }
    println!("| asked | in flight | requests a second | p50, ms | p99, ms |\n| --- | --- | --- | --- | --- |");
    for (in_flight, ways) in [(in_flight, &many), (1, &one)] {
        for (way, rounds) in ["over RabbitMQ", "by the door"].into_iter().zip(ways) {
            let of = |field: fn(&(f64, f64, f64)) -> f64| median(rounds.iter().map(field));
            println!("| {way} | {in_flight} | {:.0} | {:.2} | {:.2} |", of(|it| it.0), of(|it| it.1), of(|it| it.2));
        }
    }
    let of = |ways: &[(f64, f64, f64)]| median(ways.iter().map(|it| it.0));
    println!("\nBy the door, {:.2} of what is answered over RabbitMQ.", of(&many[1]) / of(&many[0]));

    let before = door.memory()?;
    let mut open = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        open.push(socket(door.address).await?);
    }
    sleep(SETTLE).await;
    let after = door.memory()?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("{sockets} idle sockets: {:.1} MiB, {:.1} before them.", mib(after), mib(before));
    drop(open);
    Ok(())
}

/// A quantile of the latencies, in milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
fn at(load: &Load, quantile: f64) -> f64 {
    let index = (load.latencies.len() as f64 * quantile) as usize;
    load.latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
}

/// Keeps so many requests unanswered, each on a connection of its own.
async fn ask(address: SocketAddr, bodies: &[Vec<u8>], in_flight: usize) -> anyhow::Result<Load> {
    let begin = Instant::now();
    let tasks = (0..in_flight).map(|slot| {
        let bodies = bodies.to_vec();
        tokio::spawn(async move {
            let mut stream = BufReader::new(TcpStream::connect(address).await?);
            stream.get_ref().set_nodelay(true)?;
            let mut latencies = Vec::new();
            for body in bodies.iter().cycle().skip(slot) {
                let asked = Instant::now();
                if asked - begin >= TURN {
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

async fn post(stream: &mut BufReader<TcpStream>, body: &[u8]) -> anyhow::Result<()> {
    let head = format!(
        "POST /api/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let (status, length) = answer_head(stream).await?;
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    ensure!(status == 200, "the door answers {status}: {}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// The status of an answer, and its length.
async fn answer_head(stream: &mut BufReader<TcpStream>) -> anyhow::Result<(u16, usize)> {
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

/// An open WebSocket that says nothing.
async fn socket(address: SocketAddr) -> anyhow::Result<BufReader<TcpStream>> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let upgrade = "GET /api/socket HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await?;
    let (status, _) = answer_head(&mut stream).await?;
    ensure!(status == 101, "the door answers {status} to a WebSocket");
    Ok(stream)
}

/// A door in a process of its own; killed when dropped.
struct Door {
    child: Child,
    address: SocketAddr,
}

impl Door {
    async fn open(url: &str, exchange: &str) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(WORKER);
        // As the worker's, without its command.
        for (name, value) in worker(WORKER.as_ref(), url, &chatbot_worker::amqp::Names::new(exchange)?).get_envs() {
            match value {
                Some(value) => _ = command.env(name, value),
                None => _ = command.env_remove(name),
            }
        }
        command.arg("serve").env("CHATBOT_DOOR_LISTEN", address.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let door = Self { child, address };
        let begin = Instant::now();
        loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                let mut stream = BufReader::new(stream);
                stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
                if answer_head(&mut stream).await?.0 == 200 {
                    return Ok(door);
                }
            }
            if begin.elapsed() > PATIENCE {
                bail!("the door isn't ready after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The memory that it holds, in bytes.
    fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()).and_then(|kb| kb.parse::<u64>().ok());
        Ok(kibibytes.context("proc_pid_status(5) is something else here")? * 1024)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
