//! The work that one message makes between the broker's bytes and the broker's bytes: decode, answer (classify, route,
//! fill in the reply), encode. Without a broker.
//!
//! For counting, by valgrind, which sees the same every time: `scripts/bench` runs it with no messages and with many;
//! the difference is what the messages cost, free of the start and of the model's training. By itself it times.
//!
//! **Invariant:** what is done before the first message doesn't depend on the number of messages.

#![expect(clippy::print_stdout, reason = "the report goes to standard output")]

mod sample;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use chatbot_worker::{
    app::{self, settings::Settings},
    config::Variables,
    domain::{
        Outcome, Reply, Request,
        codec::{Envelope, decode_request, encode_reply},
    },
    model::embedded::EmbeddedModel,
    pipeline::{Job, Pipeline},
};
use clap::Parser;

/// As the worker's default.
const MAX_BODY: usize = 1024 * 1024;

/// What one message costs.
#[derive(Parser)]
struct Arguments {
    /// Decode so many messages.
    #[arg(long, default_value_t = 0)]
    decode: usize,
    /// Answer so many messages: classify, route, fill in the reply.
    #[arg(long, default_value_t = 0)]
    answer: usize,
    /// Encode so many replies.
    #[arg(long, default_value_t = 0)]
    encode: usize,
    /// Time the classification of so many texts.
    #[arg(long, default_value_t = 0)]
    classify: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = Work::prepare(&runtime)?;
    for body in work.bodies.iter().cycle().take(arguments.decode) {
        black_box(decode(black_box(body))?);
    }
    runtime.block_on(async {
        for job in work.jobs.iter().cycle().take(arguments.answer) {
            black_box(work.pipeline.run(black_box(job)).await);
        }
    });
    for reply in work.replies.iter().cycle().take(arguments.encode) {
        black_box(encode_reply(black_box(reply)));
    }
    if arguments.classify > 0 {
        time_classification(&work, arguments.classify);
    }
    Ok(())
}

/// Everything that messages need, with one of each kind done already.
struct Work {
    bodies: Vec<Vec<u8>>,
    jobs: Vec<Job>,
    replies: Vec<Reply>,
    pipeline: Pipeline,
    model: Arc<EmbeddedModel>,
}

impl Work {
    fn prepare(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Self> {
        let bot = sample::bot()?;
        let no_file = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let settings = Settings::load(&Variables::from_os([]), &no_file).map_err(|problems| anyhow!("{problems}"))?;
        let model = Arc::new(app::train(&bot)?);
        let pipeline = app::pipeline(&settings.settings, &bot, model.clone())?;
        let bodies = sample::bodies(&bot)?;
        let jobs = bodies.iter().map(|body| Ok(Job::new(decode(body)?)));
        let jobs = jobs.collect::<anyhow::Result<Vec<_>>>()?;
        let replies = jobs.iter().map(|job| match runtime.block_on(pipeline.run(job)).0 {
            Outcome::Reply(reply) => {
                encode_reply(&reply);
                Ok(Arc::unwrap_or_clone(reply))
            }
            other => Err(anyhow!("the sample bot doesn't answer one of its own examples: {other:?}")),
        });
        let replies = replies.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { bodies, jobs, replies, pipeline, model })
    }
}

fn decode(body: &[u8]) -> anyhow::Result<Request> {
    let envelope = Envelope { content_type: Some("application/json"), ..Envelope::default() };
    decode_request(&envelope, body, MAX_BODY).ok().context("the sample's request can't be read")
}

fn time_classification(work: &Work, texts: usize) {
    let mut times: Vec<Duration> = Vec::with_capacity(texts);
    for job in work.jobs.iter().cycle().take(texts) {
        let begin = Instant::now();
        black_box(work.model.rank(black_box(&job.request.text)));
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let micros = |at: usize| times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6);
    println!("classify: p50 {:.1} µs, p99 {:.1} µs", micros(texts / 2), micros(texts * 99 / 100));
}
