//! What quick intents lose by a slow one beside them: the same worker, with and without requests for an intent that takes
//! its time.
//!
//! The worker is the library's, in a process of its own, as no handler that the program has is slow by itself.

use std::{collections::HashMap, ffi::OsString, num::NonZeroU16, process::Command, sync::Arc, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use chatbot_worker::{
    amqp::{
        Bot, Names, Settings, Worker,
        connection::address::{Access, Broker, Tls},
        objects::{declare::TopologyMode, topology::Topology},
        settings::{Consume, Overload},
    },
    domain::{ChoiceRule, IntentName, Prediction, Request, Scored, codec::encode_request},
    handler::{Answer, Handler, HandlerError, Handlers, Job},
    model::{Failure, ModelClient, ModelError, Query},
    pipeline::{Attachments, Dispatch, InlineLimit, Parts, Pipeline, Route},
    renewed::Renewed,
    retry::RetryPolicy,
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::Client,
    contestant::{Contestant, Kind},
    echo,
    report::median,
    topology,
};

/// With this variable the benchmark's binary is the worker of that exchange.
pub(crate) const EXCHANGE: &str = "BENCH_SLOW_EXCHANGE";
/// How long the slow intent takes, and how often a second it is asked.
const TAKES: Duration = Duration::from_secs(2);
const A_SECOND: u32 = 20;
const IN_FLIGHT: usize = 64;
const TURN: Duration = Duration::from_secs(2);
/// The intents: the quick one and the slow one are handled where they were classified, the others by way of their queues.
const INTENTS: [&str; 4] = ["quick", "slow", "quick_queued", "slow_queued"];

struct Takes(Duration);

#[async_trait]
impl Handler for Takes {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        if !self.0.is_zero() {
            tokio::time::sleep(self.0).await;
        }
        Ok(Some(Answer::text(job.request.text.clone(), None)))
    }
}

/// Takes the text for the intent.
struct AsSaid;

#[async_trait]
impl ModelClient for AsSaid {
    fn name(&self) -> &str {
        "as-said"
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let name = IntentName::new(query.text);
        let name = name.map_err(|error| ModelError::new(&self.name().into(), Failure::BadAnswer, error.to_string()))?;
        Ok(Prediction::ranked(vec![Scored { name, confidence: 1.0 }], "as-said".into()))
    }
}

/// Works until it is killed.
pub(crate) async fn run(exchange: OsString) -> anyhow::Result<()> {
    let names = Names::new(&exchange.to_string_lossy())?;
    let url = std::env::var(echo::URL).context(echo::URL)?;
    let settings = Settings {
        broker: Broker {
            access: Renewed::fixed(Access {
                urls: vec![url.parse().map_err(anyhow::Error::msg)?],
                tls: Tls::default(),
            }),
            connect_timeout: Duration::from_secs(10),
            confirm_timeout: Duration::from_secs(30),
        },
        names: names.clone(),
        topology: TopologyMode::Declare,
        prefetch: NonZeroU16::new(128).context("0")?,
        prefetch_queued: NonZeroU16::new(64).context("0")?,
        upkeep: Duration::from_secs(60),
        consume: Consume::All,
        max_body: 64 * 1024,
        memory_budget: 16 * 1024 * 1024,
        overload: Overload::default(),
        default_ttl: None,
        shutdown_grace: Duration::from_secs(10),
        reply_allow: Vec::new(),
        worker: "slow".to_owned(),
    };
    let intents = INTENTS.map(IntentName::new).into_iter().collect::<Result<Vec<_>, _>>()?;
    let routes: HashMap<IntentName, Route> = intents
        .iter()
        .map(|intent| {
            let takes = if intent.as_str().starts_with("slow") { TAKES } else { Duration::ZERO };
            let dispatch = if intent.as_str().ends_with("queued") { Dispatch::Queue } else { Dispatch::Inline };
            (intent.clone(), Route::new(Handlers::new([Arc::new(Takes(takes)) as Arc<dyn Handler>]), dispatch))
        })
        .collect();
    let retry = RetryPolicy { delays: vec![topology::RETRY_DELAY] };
    let topology = Topology::new(&names, &intents, &retry.delays);
    let fallback = intents[0].clone();
    let intents = intents.into_iter().map(|intent| (intent, None)).collect();
    let pipeline = Pipeline::new(Parts {
        model: Arc::new(AsSaid),
        routes,
        choice: ChoiceRule { fallback, threshold: None, intents, margin: 0.0 },
        extractor: None,
        dialogue: None,
        model_timeout: Duration::from_secs(5),
        handler_timeout: Duration::from_secs(30),
        retry,
        inline: InlineLimit { bytes: 8 * 1024 * 1024, requests: 128 },
        attachments: Attachments::default(),
    });
    let bot = Bot { pipeline: Arc::new(pipeline), topology: Arc::new(topology), hash: "slow".into() };
    let worker = Worker::new(settings, bot);
    let mut ready = worker.readiness();
    let run = tokio::spawn(worker.run(CancellationToken::new()));
    if ready.wait_for(|ready| *ready).await.is_ok() {
        echo::eprintln(echo::READY);
    }
    run.await??;
    Ok(())
}

/// Measures the quick intents by themselves and beside the slow one, in turns, and prints a table of medians.
pub(crate) async fn measure(url: &str, rounds: u32) -> anyhow::Result<()> {
    let names = Names::new(&format!("slow-{}", std::process::id()))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.envs([(EXCHANGE, names.exchange()), (echo::URL, url)]);
    let worker = Contestant::spawn(Kind::Inline, names.clone(), command)?;
    println!(
        "| quick requests | beside them, {A_SECOND} a second that take {TAKES:?} | requests/s | of those by themselves |"
    );
    println!("| --- | --- | --- | --- |");
    for quick in ["quick", "quick_queued"] {
        let besides = [None, Some("slow"), Some("slow_queued")];
        let mut rates = besides.map(|_| Vec::new());
        // The first round warms up.
        for round in 0..=rounds as usize {
            for turn in 0..besides.len() {
                let at = (turn + round) % besides.len();
                let rate = turn_of(url, &names, quick, besides[at]).await?;
                if round > 0 {
                    rates[at].push(rate);
                }
            }
        }
        // As with the contestants: a machine that is slow for a minute is then slow for both.
        for (beside, of) in besides.iter().zip(&rates) {
            let ratio = median(of.iter().zip(&rates[0]).map(|(rate, alone)| rate / alone));
            let beside = beside.unwrap_or("nothing");
            println!("| {quick} | {beside} | {:.0} | {ratio:.2} |", median(of.iter().copied()));
        }
    }
    drop(worker);
    let intents = INTENTS.map(IntentName::new).into_iter().collect::<Result<Vec<_>, _>>()?;
    topology::remove_with(url, &names, &intents).await
}

/// Requests a second of the quick intent beside those of a slow one.
async fn turn_of(url: &str, names: &Names, quick: &str, beside: Option<&'static str>) -> anyhow::Result<f64> {
    let load = beside.map(|slow| tokio::spawn(ask_slowly(url.to_owned(), names.clone(), slow)));
    if load.is_some() {
        // Until as many are in work as will be all the time.
        tokio::time::sleep(TAKES).await;
    }
    let rate = Client::connect(url, vec![body(quick)]).await?.ask(names.exchange(), IN_FLIGHT, TURN).await?.rate;
    if let Some(load) = load {
        // It goes on until it is aborted, unless it failed.
        if load.is_finished() {
            return load.await?.map(|()| rate);
        }
        load.abort();
        tokio::time::sleep(TAKES).await;
    }
    Ok(rate)
}

/// Asks the slow intent so many times a second, and waits for no answer, until it is aborted.
async fn ask_slowly(url: String, names: Names, slow: &'static str) -> anyhow::Result<()> {
    let client = Client::connect(&url, vec![body(slow)]).await?;
    let mut pause = tokio::time::interval(Duration::from_secs(1) / A_SECOND);
    loop {
        pause.tick().await;
        client.tell(names.exchange()).await?;
    }
}

fn body(text: &str) -> Vec<u8> {
    encode_request(&Request { text: text.to_owned(), ..Request::default() })
}
