//! Answers by a language model: how near to the service's own pace the worker keeps as many of them under way as it may,
//! and what each costs it.
//!
//! The worker is the program as it is shipped. The service is in this process, takes [`TAKES`] for each answer and sends it
//! in tokens, all at once.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, ensure};
use chatbot_worker::{
    amqp::Names,
    domain::{IntentName, Request, codec::encode_request},
};

use crate::{
    client::{Client, Load},
    contestant::{Contestant, Kind, WORKER, worker},
    report::median,
    stub::{self, Written},
    tempfolder, topology,
};

/// How long the service takes, and how many answers may be under way at once.
const TAKES: Duration = Duration::from_millis(200);
const AT_ONCE: u16 = 64;
/// Requests unanswered at a time: as many as may be under way, and twice as many.
const IN_FLIGHT: [usize; 2] = [AT_ONCE as usize, 2 * AT_ONCE as usize];
/// So long that the answers that are cut off at its end are one in a hundred.
const TURN: Duration = Duration::from_secs(20);
/// The tokens of an answer.
const TOKENS: usize = 40;
const INTENT: &str = "chat";
const BOT: &str = r#"
fallback = "chat"
[intents.chat]
handler = "llm"
llm.service = "stub"
llm.system.en = "You are the assistant of a shop. Answer in one or two short sentences."
"#;

/// Measures turns of each number in flight, and prints a table of medians.
pub(crate) async fn measure(url: &str, rounds: u32) -> anyhow::Result<()> {
    let scratch = tempfolder()?;
    let names = Names::new(&format!("answers-{}", std::process::id()))?;
    let mut tokens = ["a coat "; TOKENS];
    tokens[TOKENS - 1] = "too.";
    let (address, service) = stub::service(Written::at_once(&tokens, TAKES)).await?;
    let worker = started(url, &names, &scratch, address);
    let rows = match &worker {
        Ok(worker) => turns(url, worker, rounds).await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    drop(worker);
    drop(service);
    fs::remove_dir_all(&scratch)?;
    topology::remove_with(url, &names, &[IntentName::new(INTENT)?]).await?;
    let ideal = f64::from(AT_ONCE) / TAKES.as_secs_f64();
    println!(
        "| requests in flight | answers/s | of the {ideal:.0} that the service gives | half within (ms) | the worker's processor time an answer (ms) |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for (in_flight, of) in IN_FLIGHT.iter().zip(rows?) {
        let [rate, half, cost] = of.map(|values| median(values.into_iter()));
        println!("| {in_flight} | {rate:.0} | {:.3} | {half:.1} | {cost:.3} |", rate / ideal);
    }
    Ok(())
}

/// The worker, with the service that it asks.
fn started(url: &str, names: &Names, scratch: &Path, address: SocketAddr) -> anyhow::Result<Contestant> {
    let bot = scratch.join("answers.toml");
    fs::write(&bot, BOT).with_context(|| format!("can't write {}", bot.display()))?;
    let mut command = worker(Path::new(WORKER), url, names);
    command.env("CHATBOT_INTENTS_PATH", bot).envs([
        ("CHATBOT_STUB_KIND", "openai".to_owned()),
        ("CHATBOT_STUB_URL", format!("http://{address}/v1")),
        ("CHATBOT_STUB_MODEL", "stub".to_owned()),
        ("CHATBOT_STUB_CONCURRENCY", AT_ONCE.to_string()),
        ("CHATBOT_AMQP_PREFETCH_QUEUED", AT_ONCE.to_string()),
    ]);
    Contestant::spawn(Kind::Inline, names.clone(), command)
}

/// For each number in flight the rates a second, the median latencies in milliseconds, and the costs in milliseconds.
async fn turns(url: &str, worker: &Contestant, rounds: u32) -> anyhow::Result<Vec<[Vec<f64>; 3]>> {
    let bodies = (0..64).map(|n| {
        let text = format!("what would you take along on a walk of {n} hours in the rain, and why?");
        encode_request(&Request { text, ..Request::default() })
    });
    let mut client = Client::connect(url, bodies.collect()).await?;
    let mut rows = IN_FLIGHT.map(|_| [Vec::new(), Vec::new(), Vec::new()]).to_vec();
    // Connections to the service, and what it takes, are found before.
    client.ask(worker.names.exchange(), AT_ONCE.into(), 5 * TAKES).await?;
    for _ in 0..rounds {
        for (row, in_flight) in rows.iter_mut().zip(IN_FLIGHT) {
            let before = worker.processor_time()?;
            let asked = client.ask(worker.names.exchange(), in_flight, TURN).await;
            let Load { latencies, rate } = asked.with_context(|| worker.last_words())?;
            let used = worker.processor_time()?.saturating_sub(before);
            ensure!(latencies.first() >= Some(&TAKES), "an answer that isn't the service's: {}", worker.last_words());
            let half = latencies.get(latencies.len() / 2).copied().unwrap_or_default();
            row[0].push(rate);
            row[1].push(half.as_secs_f64() * 1e3);
            row[2].push(used.as_secs_f64() * 1e3 / latencies.len() as f64);
        }
    }
    Ok(rows)
}
