//! Requests a second and latency of the worker, beside a bare lapin echo of the same durability, on a real broker.
//!
//! Contestants are processes of their own and take turns: a round is one turn each, and what is told is the median of
//! the rounds, because a machine that is slower for a minute is then slower for all. `scripts/bench` prepares the broker.
//!
//! **Invariant:** it measures and tells, and judges only in words. It fails only where it couldn't measure.

#![expect(clippy::print_stdout, reason = "the report goes to standard output")]

mod answers;
mod client;
mod contestant;
mod door;
mod echo;
mod http;
mod own_door;
mod process;
#[path = "../../tests/it/chaos/proxy.rs"]
#[expect(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "it is the chaos tests', and a benchmark needs only some of its faults"
)]
mod proxy;
mod report;
#[path = "../sample/mod.rs"]
mod sample;
mod scale;
mod slow;
mod streams;
mod stub;
mod topology;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Parser;

use self::{
    client::Client,
    contestant::{Contestant, Kind},
    report::{Report, Turn},
};

/// How often the start is timed.
const STARTS: usize = 5;
/// How long a worker that has just started is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// The worker beside a bare lapin echo.
#[derive(Parser)]
struct Arguments {
    /// The broker; scripts/bench starts one.
    #[arg(long, env = "TEST_AMQP_URL", hide_env_values = true)]
    url: String,
    /// Turns of each contestant.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds a turn, with many requests in flight and again with one.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Requests in flight, where there are many.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..=1000))]
    in_flight: u16,
    /// Contestants; the echo is always one.
    #[arg(long, value_delimiter = ',', default_values_t = [Kind::Inline, Kind::Queued])]
    only: Vec<Kind>,
    /// The Redis of the contestant `redis`.
    #[arg(long)]
    redis: Option<String>,
    /// Writes everything measured to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Instead: how bots of more and more intents start, on a broker that is near and one that is far.
    #[arg(long)]
    scale: bool,
    /// Instead: what quick intents lose by a slow one beside them.
    #[arg(long)]
    slow: bool,
    /// Instead: how many answers of a language model it has under way, and what each costs it.
    #[arg(long)]
    answers: bool,
    /// Instead: what the door costs, beside the same over RabbitMQ.
    #[arg(long)]
    door: bool,
    /// Instead: what others wait while many read along as their answers are written.
    #[arg(long)]
    streams: bool,
    /// With --door: how many idle sockets there are.
    #[arg(long, default_value_t = 5_000)]
    sockets: usize,
    #[command(flatten)]
    sizes: scale::Sizes,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(exchange) = std::env::var_os(echo::EXCHANGE) {
        return runtime.block_on(echo::run(exchange));
    }
    if let Some(exchange) = std::env::var_os(slow::EXCHANGE) {
        return runtime.block_on(slow::run(exchange));
    }
    let arguments = Arguments::parse();
    if arguments.scale {
        return runtime.block_on(scale::measure(&arguments.url, &arguments.sizes));
    }
    if arguments.slow {
        return runtime.block_on(slow::measure(&arguments.url, arguments.rounds));
    }
    if arguments.answers {
        return runtime.block_on(answers::measure(&arguments.url, arguments.rounds));
    }
    if arguments.door {
        let in_flight = arguments.in_flight.into();
        return runtime.block_on(door::measure(&arguments.url, arguments.rounds, in_flight, arguments.sockets));
    }
    if arguments.streams {
        return runtime.block_on(streams::measure(&arguments.url, arguments.rounds));
    }
    runtime.block_on(measure(&arguments))
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let scratch = tempfolder()?;
    let mut kinds = vec![Kind::Echo];
    kinds.extend(arguments.only.iter().filter(|kind| **kind != Kind::Echo));
    let names = kinds.iter().map(|kind| kind.names()).collect::<Result<Vec<_>, _>>()?;
    let result = rounds(arguments, &kinds, &scratch).await;
    for names in &names {
        topology::remove(&arguments.url, names).await?;
    }
    std::fs::remove_dir_all(&scratch)?;
    let report = result?;
    print!("{}", report.markdown());
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(&report.json())?;
        std::fs::write(path, json).with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}

async fn rounds(arguments: &Arguments, kinds: &[Kind], scratch: &std::path::Path) -> anyhow::Result<Report> {
    let mut report = Report::new(arguments.in_flight, arguments.seconds)?;
    let mut contestants = Vec::new();
    for &kind in kinds {
        let contestant = Contestant::start(kind, &arguments.url, arguments.redis.as_deref(), scratch)?;
        if kind == Kind::Inline {
            report.first_start = Some(contestant.ready_after);
            drop(contestant);
            for _ in 0..STARTS {
                let contestant = Contestant::start(kind, &arguments.url, arguments.redis.as_deref(), scratch)?;
                report.starts.push(contestant.ready_after);
                tokio::time::sleep(SETTLE).await;
                report.idle_bytes.push(contestant.memory()?);
            }
            contestants.push(Contestant::start(kind, &arguments.url, arguments.redis.as_deref(), scratch)?);
        } else {
            contestants.push(contestant);
        }
    }
    let bodies = sample::bodies(&sample::bot()?)?;
    let mut client = Client::connect(&arguments.url, bodies).await?;
    let turn = Duration::from_secs(arguments.seconds);
    for round in 0..=arguments.rounds {
        for at in 0..contestants.len() {
            // Nobody always follows the same one.
            let contestant = &contestants[(at + round as usize) % contestants.len()];
            let many = turn_of(contestant, &mut client, arguments.in_flight.into(), turn).await?;
            let one = turn_of(contestant, &mut client, 1, turn).await?;
            // The first round warms up.
            if round > 0 {
                report.turns.push(Turn { kind: contestant.kind, many, one, memory: contestant.memory()? });
            }
        }
    }
    report.end()?;
    Ok(report)
}

async fn turn_of(
    contestant: &Contestant,
    client: &mut Client,
    in_flight: usize,
    duration: Duration,
) -> anyhow::Result<report::Half> {
    let before = contestant.processor_time()?;
    client.talks(contestant.kind.talk());
    let load = client
        .ask(contestant.names.exchange(), in_flight, duration)
        .await
        .with_context(|| format!("measuring {}:\n{}", contestant.kind, contestant.last_words()))?;
    let used = contestant.processor_time()?.saturating_sub(before);
    Ok(report::Half::new(&load, used))
}

fn tempfolder() -> anyhow::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("chatbot-bench-{}", std::process::id()));
    std::fs::create_dir_all(&path).with_context(|| format!("can't make {}", path.display()))?;
    Ok(path)
}
