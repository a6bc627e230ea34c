//! What others wait while many read along as their answers are written: quick requests, by the door and over RabbitMQ, with
//! and without streams beside them; and who needs the processors meanwhile.
//!
//! Worker and door are the program as it is shipped, each in a process of its own. The service that writes is in this
//! process, and so are those who read along, one task each. The others ask from a thread of their own: among the tasks of
//! a thousand readers they would wait for the benchmark itself.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use chatbot_worker::{
    amqp::Names,
    app::intents::BUILT_IN,
    domain::{IntentName, PART_TYPE, REPLY_TYPE, Request, codec::encode_request},
};
use tokio::{
    io::AsyncBufReadExt,
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::{Client, Load},
    contestant::{Contestant, Kind, WORKER, worker},
    http,
    own_door::Door,
    process,
    report::{load_average, median},
    sample,
    stub::{self, Written},
    tempfolder, topology,
};

/// How many read along at once, in turn; the first is what the others are compared with.
const STREAMS: [usize; 3] = [0, 200, 1_000];
/// How many answers may be under way.
const PLACES: &str = "1100";
/// An answer's tokens: it takes as long as a turn, with some seconds to spare for its beginning.
const TOKENS: usize = 200;
const BETWEEN_TOKENS: Duration = Duration::from_millis(100);
/// Within which all begin: at once, they would be written in step, as nobody's are.
const BEGINNING: Duration = Duration::from_secs(1);
/// How long they are read along before the others ask: what it costs to begin a thousand at once is another question.
const SETTLING: Duration = Duration::from_secs(3);
/// How long a first part, and the rest of an answer, may take to come.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long the others are asked, and how often a second by each way.
const TURN: Duration = Duration::from_secs(8);
const A_SECOND: u32 = 50;
const INTENT: &str = "chat";
const CHAT: &str = r#"
[intents.chat]
handler = "llm"
llm.service = "stub"
llm.system.en = "You are the assistant of a shop. Answer in one or two short sentences."
"#;

/// What a turn showed.
struct Turn {
    /// Answers that came whole, and parts a second.
    whole: usize,
    parts: f64,
    /// Of the others, in milliseconds.
    by_door: [f64; 2],
    over_broker: [f64; 2],
    /// Processors that were busy: by worker, door, this process, and everything on the machine.
    busy: [f64; 4],
}

/// Measures turns of each number of streams, and prints tables of medians.
pub(crate) async fn measure(url: &str, rounds: u32) -> anyhow::Result<()> {
    let names = Names::new(&format!("streams-{}", std::process::id()))?;
    let (scratch, load_before) = (tempfolder()?, load_average()?);
    let turns = turns(url, &names, &scratch, rounds).await;
    fs::remove_dir_all(&scratch)?;
    let mut intents: Vec<IntentName> = sample::bot()?.intents.iter().map(|intent| intent.name.clone()).collect();
    intents.push(IntentName::new(INTENT)?);
    topology::remove_with(url, &names, &intents).await?;
    let turns = turns?;
    println!("Medians of {rounds} interleaved rounds; load average {load_before} before, {} after.\n", load_average()?);
    print_others(&turns);
    print_busy(&turns);
    Ok(())
}

/// The turns of each number of streams.
async fn turns(url: &str, names: &Names, scratch: &Path, rounds: u32) -> anyhow::Result<[Vec<Turn>; STREAMS.len()]> {
    let mut tokens = ["a coat "; TOKENS];
    tokens[TOKENS - 1] = "too.";
    let (service, _service) = stub::service(Written::by_tokens(&tokens, BETWEEN_TOKENS)).await?;
    let worker = started(url, names, scratch, service)?;
    let door = Door::open(url, names).await?;
    let measured = Measured { url, worker, door, answer: tokens.concat() };
    // What the service takes is found before.
    measured.turn(1).await?;
    let mut turns = STREAMS.map(|_| Vec::new());
    for round in 0..rounds as usize {
        for at in 0..STREAMS.len() {
            // Nobody always follows the same one.
            let at = (at + round) % STREAMS.len();
            turns[at].push(measured.turn(STREAMS[at]).await?);
        }
    }
    Ok(turns)
}

/// The worker, with the service that it asks.
fn started(url: &str, names: &Names, scratch: &Path, service: SocketAddr) -> anyhow::Result<Contestant> {
    let bot = scratch.join("streams.toml");
    fs::write(&bot, format!("{BUILT_IN}{CHAT}")).with_context(|| format!("can't write {}", bot.display()))?;
    let mut command = worker(Path::new(WORKER), url, names);
    command.env("CHATBOT_INTENTS_PATH", bot).envs([
        ("CHATBOT_STUB_KIND", "openai"),
        ("CHATBOT_STUB_URL", &format!("http://{service}/v1")),
        ("CHATBOT_STUB_MODEL", "stub"),
        ("CHATBOT_STUB_CONCURRENCY", PLACES),
        ("CHATBOT_STUB_ANSWER_TIMEOUT", "30s"),
        ("CHATBOT_AMQP_PREFETCH_QUEUED", PLACES),
    ]);
    Contestant::spawn(Kind::Inline, names.clone(), command)
}

/// What is measured.
struct Measured<'a> {
    url: &'a str,
    worker: Contestant,
    door: Door,
    /// The whole text of an answer that is written.
    answer: String,
}

impl Measured<'_> {
    /// A turn beside so many streams.
    async fn turn(&self, streams: usize) -> anyhow::Result<Turn> {
        let parts = Arc::new(AtomicUsize::new(0));
        let mut readers = timeout(PATIENCE, self.readers(streams, &parts)).await.context("not all answers begin")??;
        sleep(SETTLING).await;
        let (begin, before, parts_before) = (Instant::now(), self.used()?, parts.load(Relaxed));
        let [by_door, over_broker] = self.others().await?;
        let (took, after) = (begin.elapsed().as_secs_f64(), self.used()?);
        let parts = (parts.load(Relaxed) - parts_before) as f64 / took;
        ensure!(readers.try_join_next().is_none(), "answers ended before the others were asked to the end");
        let read = timeout(PATIENCE, readers.join_all()).await.context("not all answers end")?;
        let read = read.into_iter().collect::<Result<Vec<bool>, _>>().with_context(|| self.worker.last_words())?;
        let whole = read.into_iter().filter(|is_whole| *is_whole).count();
        let busy = [0, 1, 2, 3].map(|at| after[at].saturating_sub(before[at]).as_secs_f64() / took);
        Ok(Turn { whole, parts, by_door: quantiles(&by_door), over_broker: quantiles(&over_broker), busy })
    }

    /// So many who read along, each of whom has a part of the answer; `parts` goes on counting them.
    async fn readers(&self, streams: usize, parts: &Arc<AtomicUsize>) -> anyhow::Result<JoinSet<anyhow::Result<bool>>> {
        let (begun, mut begins) = mpsc::unbounded_channel();
        let mut readers = JoinSet::new();
        for at in 0..streams {
            let reader = Reader {
                door: self.door.address,
                answer: self.answer.clone(),
                parts: parts.clone(),
                begun: Some(begun.clone()),
            };
            let after = BEGINNING.mul_f64(at as f64 / streams as f64);
            readers.spawn(async move {
                sleep(after).await;
                reader.read_along().await
            });
        }
        let mut missing = streams;
        while missing > 0 {
            tokio::select! {
                Some(()) = begins.recv() => missing -= 1,
                Some(ended) = readers.join_next() => {
                    ended?.with_context(|| self.worker.last_words())?;
                    bail!("an answer ended before all had begun");
                }
            }
        }
        Ok(readers)
    }

    /// Asks by the door and over RabbitMQ for a turn.
    async fn others(&self) -> anyhow::Result<[Load; 2]> {
        let (url, exchange, door) = (self.url.to_owned(), self.worker.names.exchange().to_owned(), self.door.address);
        let bodies = sample::bodies(&sample::bot()?)?;
        let asking = async move {
            let mut client = Client::connect(&url, bodies.clone()).await?;
            let by_door = http::ask_at_pace(door, &bodies, A_SECOND, TURN);
            let (by_door, over_broker) = tokio::try_join!(by_door, client.ask_at_pace(&exchange, A_SECOND, TURN))?;
            anyhow::Ok([by_door, over_broker])
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        tokio::task::spawn_blocking(move || runtime.block_on(asking)).await?
    }

    /// The processor time used by worker, door, this process, and everything on the machine.
    fn used(&self) -> anyhow::Result<[Duration; 4]> {
        Ok([
            self.worker.processor_time()?,
            self.door.processor_time()?,
            process::processor_time(std::process::id())?,
            process::processor_time_of_all()?,
        ])
    }
}

/// The median and the 99th percentile, in milliseconds.
fn quantiles(load: &Load) -> [f64; 2] {
    [load.at(0.5), load.at(0.99)]
}

/// One who reads along.
struct Reader {
    door: SocketAddr,
    /// The text that the answer has to have.
    answer: String,
    parts: Arc<AtomicUsize>,
    /// Told of the first part.
    begun: Option<mpsc::UnboundedSender<()>>,
}

impl Reader {
    /// Asks, and reads to the end; tells whether the answer was whole.
    async fn read_along(mut self) -> anyhow::Result<bool> {
        let text = "what would you take along on a walk in the rain, and why?".to_owned();
        let body = encode_request(&Request { text, ..Request::default() });
        let mut stream = http::connect(self.door).await?;
        http::send(&mut stream, &format!("/api/messages?intent={INTENT}"), "text/event-stream", &body).await?;
        let (status, _) = http::answer_head(&mut stream).await?;
        ensure!(status == 200, "the door answers {status} to a stream");
        // Each event is a chunk of its own, so no line is cut; those with the chunks' sizes are no event's.
        let (mut line, mut event) = (String::new(), String::new());
        loop {
            line.clear();
            ensure!(stream.read_line(&mut line).await? > 0, "the door closed a stream before its end");
            if let Some(name) = line.strip_prefix("event: ") {
                event.clear();
                event.push_str(name.trim_end());
            } else if let Some(data) = line.strip_prefix("data: ") {
                match event.as_str() {
                    PART_TYPE => {
                        self.parts.fetch_add(1, Relaxed);
                        if let Some(begun) = self.begun.take() {
                            let _ = begun.send(());
                        }
                    }
                    REPLY_TYPE => return Ok(data.contains(&format!("\"body\":\"{}\"", self.answer))),
                    other => bail!("a stream ends with {other}: {data}"),
                }
            }
        }
    }
}

/// A table of what the others waited.
fn print_others(turns: &[Vec<Turn>; STREAMS.len()]) {
    println!(
        "| streams at once | whole | parts/s | others by the door: p50, p99 (ms) | p99 against none | over RabbitMQ: p50, \
         p99 (ms) | p99 against none |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
    for (streams, of) in STREAMS.iter().zip(turns) {
        let whole: usize = of.iter().map(|turn| turn.whole).sum();
        let parts = median(of.iter().map(|turn| turn.parts));
        let [by_door, over_broker] = [|turn: &Turn| turn.by_door, |turn: &Turn| turn.over_broker].map(|way| {
            let [p50, p99] = [0, 1].map(|at| median(of.iter().map(|turn| way(turn)[at])));
            // As with the contestants: a machine that is slow for a minute is then slow for both.
            let against = median(of.iter().zip(&turns[0]).map(|(turn, none)| way(turn)[1] / way(none)[1]));
            format!("{p50:.1}, {p99:.1} | {against:.2}")
        });
        println!("| {streams} | {whole} of {} | {parts:.0} | {by_door} | {over_broker} |", streams * of.len());
    }
}

/// A table of who needed the processors.
fn print_busy(turns: &[Vec<Turn>; STREAMS.len()]) {
    println!(
        "\n| streams at once | processors busy: worker | door | service and clients | the rest, which is the broker's where \
         nothing else runs |\n| --- | --- | --- | --- | --- |"
    );
    for (streams, of) in STREAMS.iter().zip(turns) {
        let busy = |share: fn(&[f64; 4]) -> f64| median(of.iter().map(|turn| share(&turn.busy)));
        let (worker, door, own) = (busy(|it| it[0]), busy(|it| it[1]), busy(|it| it[2]));
        let rest = busy(|it| it[3] - it[0] - it[1] - it[2]);
        println!("| {streams} | {worker:.2} | {door:.2} | {own:.2} | {rest:.2} |");
    }
}
