//! Answers by a language model: how near to the service's own pace the worker keeps as many of them under way as it may,
//! and what each costs it.
//!
//! The worker is the program as it is shipped. The service is in this process, takes [`TAKES`] for each answer and sends it
//! as it would be written, token by token.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, ensure};
use chatbot_worker::{
    amqp::Names,
    domain::{IntentName, Request, codec::encode_request},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::{
    client::{Client, Load},
    contestant::{Contestant, Kind, WORKER, worker},
    report::median,
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
    let (address, service) = service().await?;
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

/// A service of OpenAI's form; gone when what it returns is dropped.
async fn service() -> anyhow::Result<(SocketAddr, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, mut tasks) = (listener.local_addr()?, JoinSet::new());
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            // It ends with its connection.
            connections.spawn(async move { drop(serve(stream).await) });
        }
    });
    Ok((address, tasks))
}

/// Answers the requests of a connection, one after the other.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = answer();
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
        sleep(TAKES).await;
        stream.write_all(answer.as_bytes()).await?;
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

/// An answer as it is being written, all of it at once.
fn answer() -> String {
    let mut events = String::new();
    for at in 0..TOKENS {
        let content = if at + 1 < TOKENS { "a coat " } else { "too." };
        let finish = if at + 1 < TOKENS { "null" } else { "\"stop\"" };
        let delta = format!("{{\"content\":\"{content}\"}}");
        events.push_str(&format!(
            "data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"stub\",\"choices\":[{{\"index\":0,\
             \"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        ));
    }
    events.push_str(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":40}}\n\ndata: [DONE]\n\n",
    );
    let length = events.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n{events}")
}
