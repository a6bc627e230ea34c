//! How a bot of more and more intents starts, on a broker that is near and on one that is far: queues, the first start, a
//! start where all is there, the way back after a lost connection, and what the broker keeps in memory.
//!
//! The bots have one rule and a model that is never asked, and no more examples than a bot must have, so that no training
//! is in the figures. The broker is far by way of a proxy that carries everything later, in each direction.

use std::{
    fmt::{self, Write as _},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use chatbot_worker::{
    amqp::Names,
    domain::{IntentName, Request, codec::encode_request},
};

use crate::{
    client::Client,
    contestant::{Contestant, Kind, WORKER, worker},
    proxy::Proxy,
    tempfolder, topology,
};

const HEADING: &str = "\
| intents | each way (ms) | queues | first start (s) | started again (s) | ready again after a lost connection (s) | \
broker's memory (MiB) | requests/s | requests/s, to each intent in turn |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |";
/// How often each way back is timed.
const CUTS: usize = 3;
/// A session that is lost sooner is followed by a longer pause, each time.
const GOOD_SESSION: Duration = Duration::from_secs(6);
/// Requests in flight, and how long, where requests are counted.
const IN_FLIGHT: usize = 64;
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 3;

/// Which bots, and how far the broker is.
#[derive(clap::Args)]
pub(crate) struct Sizes {
    /// How many intents each bot has.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 19, 150, 1000])]
    intents: Vec<usize>,
    /// How many milliseconds everything takes in each direction.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 30])]
    delays: Vec<u64>,
    /// The worker to measure, where it isn't the one that was just built.
    #[arg(long, default_value = WORKER)]
    worker: PathBuf,
    /// The node of `scripts/broker` (in the variable TEST_BROKER) that is asked for queues and memory.
    #[arg(long, default_value = "bench")]
    node: String,
}

/// What one bot showed.
struct Row {
    intents: usize,
    delay: u64,
    queues: i64,
    mebibytes: i64,
    first: Duration,
    again: Duration,
    back: Duration,
    /// Requests a second that are classified, and that are addressed to the intents in turn.
    rates: Option<[f64; 2]>,
}

/// Measures all of them, and prints a table, row by row.
pub(crate) async fn measure(url: &str, sizes: &Sizes) -> anyhow::Result<()> {
    let scratch = tempfolder()?;
    println!("{HEADING}");
    for &intents in &sizes.intents {
        for &delay in &sizes.delays {
            let run = Run { url, sizes, scratch: &scratch, intents, delay };
            // Each at once, as the last take minutes where a broker is far.
            println!("{}", run.measure().await.with_context(|| format!("{intents} intents, {delay} ms"))?);
        }
    }
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

struct Run<'a> {
    url: &'a str,
    sizes: &'a Sizes,
    scratch: &'a Path,
    intents: usize,
    delay: u64,
}

impl Run<'_> {
    async fn measure(&self) -> anyhow::Result<Row> {
        let names = Names::new(&format!("scale-{}-{}", std::process::id(), self.intents))?;
        let intents = (0..self.intents).map(|number| IntentName::new(&format!("intent_{number:04}")));
        let intents = intents.collect::<Result<Vec<_>, _>>()?;
        let row = self.row(&names, &intents).await;
        topology::remove_with(self.url, &names, &intents).await?;
        row
    }

    async fn row(&self, names: &Names, intents: &[IntentName]) -> anyhow::Result<Row> {
        let bot = self.scratch.join(format!("{}.toml", intents.len()));
        let rules = self.scratch.join("rules.toml");
        fs::write(&bot, bot_of(intents))?;
        fs::write(&rules, format!("[[rule]]\nintent = \"{}\"\nwords = [\"hello\"]\n", intents[0]))?;
        let proxy = Proxy::start(self.url).await;
        proxy.delay(Duration::from_millis(self.delay));
        let (queues, memory) = (self.ask("length(rabbit_amqqueue:list())")?, self.memory()?);
        let start = || {
            let mut command = worker(&self.sizes.worker, proxy.url(), names);
            command.envs([
                ("CHATBOT_MODEL_CHAIN", "rules,nobody"),
                ("CHATBOT_MODEL_LAST_RESORT", "off"),
                ("CHATBOT_RULES_KIND", "keywords"),
                ("CHATBOT_NOBODY_KIND", "rasa"),
                ("CHATBOT_NOBODY_URL", "http://127.0.0.1:9"),
            ]);
            command.env("CHATBOT_INTENTS_PATH", &bot).env("CHATBOT_RULES_RULES_PATH", &rules);
            // The proxy needs this runtime meanwhile.
            tokio::task::block_in_place(|| Contestant::spawn(Kind::Inline, names.clone(), command))
        };
        let first = start()?.ready_after;
        let contestant = start()?;
        let again = contestant.ready_after;
        let (queues, memory) = (self.ask("length(rabbit_amqqueue:list())")? - queues, self.memory()? - memory);
        let mut back = Vec::new();
        for _ in 0..CUTS {
            tokio::time::sleep(GOOD_SESSION).await;
            let begin = Instant::now();
            proxy.cut();
            back.push(tokio::task::block_in_place(|| contestant.ready_since(begin))?);
        }
        back.sort_unstable();
        let rates = if self.delay == 0 {
            let keys = intents.iter().map(Names::intent_key).collect();
            Some([self.rate(names, vec!["request".to_owned()]).await?, self.rate(names, keys).await?])
        } else {
            None
        };
        let (intents, delay, mebibytes) = (intents.len(), self.delay, memory / (1024 * 1024));
        Ok(Row { intents, delay, queues, mebibytes, first, again, back: back[CUTS / 2], rates })
    }

    /// Requests a second with these routing keys in turn; the median of some turns.
    async fn rate(&self, names: &Names, keys: Vec<String>) -> anyhow::Result<f64> {
        let body = encode_request(&Request { text: "hello".to_owned(), ..Request::default() });
        let mut client = Client::connect(self.url, vec![body]).await?.by(keys);
        let mut rates = Vec::new();
        for _ in 0..TURNS {
            rates.push(client.ask(names.exchange(), IN_FLIGHT, TURN).await?.rate);
        }
        rates.sort_by(f64::total_cmp);
        Ok(rates[TURNS / 2])
    }

    /// What the broker holds, in bytes, after it has tidied up.
    fn memory(&self) -> anyhow::Result<i64> {
        self.ask("begin [garbage_collect(P) || P <- processes()], erlang:memory(total) end")
    }

    /// What the node says to an expression.
    fn ask(&self, expression: &str) -> anyhow::Result<i64> {
        let broker = std::env::var_os("TEST_BROKER").context("TEST_BROKER isn't set: run scripts/bench --scale")?;
        let said = Command::new(broker).args(["ctl", &self.sizes.node, "eval", &format!("{expression}.")]).output()?;
        let out = String::from_utf8_lossy(&said.stdout);
        ensure!(said.status.success(), "the node says: {out}{}", String::from_utf8_lossy(&said.stderr));
        out.trim().parse().with_context(|| format!("the node says: {out}"))
    }
}

fn bot_of(intents: &[IntentName]) -> String {
    let mut text = format!("fallback = \"{}\"\n", intents.first().map_or("", |intent| intent.as_str()));
    for (number, intent) in intents.iter().enumerate() {
        let _ = writeln!(text, "[intents.{intent}]\nreply.en = \"hello\"");
        if number < 2 {
            let examples = ["one", "two", "three", "four", "five"].map(|word| format!("\"{word} {number}\""));
            let _ = writeln!(text, "examples.en = [{}]", examples.join(", "));
        }
    }
    text
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { intents, delay, queues, mebibytes, first, again, back, rates } = self;
        let (first, again, back) = (first.as_secs_f64(), again.as_secs_f64(), back.as_secs_f64());
        let [by_text, by_intent] = rates.map_or_else(Default::default, |rates| rates.map(|rate| format!("{rate:.0}")));
        write!(f, "| {intents} | {delay} | {queues} | {first:.2} | {again:.2} | {back:.2} | +{mebibytes} | ")?;
        write!(f, "{by_text} | {by_intent} |")
    }
}
