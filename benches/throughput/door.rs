//! What the door costs: the same worker asked over RabbitMQ, and over HTTP by a door between; and what idle sockets hold.

use std::{net::SocketAddr, time::Duration};

use anyhow::ensure;
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    client::Client,
    contestant::{Contestant, Kind},
    http,
    own_door::Door,
    report::median,
    sample, topology,
};

const TURN: Duration = Duration::from_secs(2);
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
    let door = Door::open(url, &contestant.names).await?;
    let bodies = sample::bodies(&sample::bot()?)?;
    let mut client = Client::connect(url, bodies.clone()).await?;
    let exchange = contestant.names.exchange();
    let (mut many, mut one) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        let loads =
            [client.ask(exchange, in_flight, TURN).await?, http::ask(door.address, &bodies, in_flight, TURN).await?];
        for (rates, load) in many.iter_mut().zip(&loads) {
            rates.push((load.rate, load.at(0.5), load.at(0.99)));
        }
        let loads = [client.ask(exchange, 1, TURN).await?, http::ask(door.address, &bodies, 1, TURN).await?];
        for (rates, load) in one.iter_mut().zip(&loads) {
            rates.push((load.rate, load.at(0.5), load.at(0.99)));
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

/// An open WebSocket that says nothing.
async fn socket(address: SocketAddr) -> anyhow::Result<http::Stream> {
    let mut stream = http::connect(address).await?;
    let upgrade = "GET /api/socket HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await?;
    let (status, _) = http::answer_head(&mut stream).await?;
    ensure!(status == 101, "the door answers {status} to a WebSocket");
    Ok(stream)
}
