//! The work that one message makes between the broker's bytes and the broker's bytes: decode, answer (classify, route,
//! fill in the reply), encode; and a conversation's turn, which answers, and keeps what was said. Without a broker.
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

use anyhow::{Context, anyhow, bail};
use chatbot_worker::{
    answered::Identity,
    app::{self, settings::Settings},
    config::Variables,
    conversation::{Bounds, MemoryStore, Who},
    domain::{
        Key, Outcome, Reply, Request,
        codec::{Envelope, decode_request, encode_reply},
    },
    model::embedded::EmbeddedModel,
    pipeline::{Conversations, Desk, Incoming, Job, Pipeline, Purpose, Taken},
};
use clap::Parser;

/// As the worker's default.
const MAX_BODY: usize = 1024 * 1024;
/// How many conversations go on side by side, and how many turns each has: as in the benchmark of the throughput.
const SIDE_BY_SIDE: usize = 64;
const TURNS: usize = 20;

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
    /// Take so many turns of conversations, kept in memory.
    #[arg(long, default_value_t = 0)]
    turn: usize,
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
    runtime.block_on(work.turns(arguments.turn))?;
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
    conversations: Conversations,
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
        let bounds = Bounds { most: 100_000, bytes: 1 << 28, expires: Duration::from_secs(86_400) };
        let store = MemoryStore::new(bounds, &app::said_often(&bot));
        let conversations = Conversations::new(Arc::new(store), 20);
        Ok(Self { bodies, jobs, replies, pipeline, conversations, model })
    }
}

/// No person is there.
struct Nobody;

impl Desk for Nobody {
    async fn is_attended(&self) -> bool {
        false
    }
}

impl Work {
    /// Takes so many turns: one of each conversation in its turn, and each one of so many.
    async fn turns(&self, turns: usize) -> anyhow::Result<()> {
        for number in 0..turns {
            let (slot, round) = (number % SIDE_BY_SIDE, number / SIDE_BY_SIDE);
            let job = &self.jobs[number % self.jobs.len()];
            let mut job = Job::new(job.request.clone());
            let conversation = format!("conversation-{slot}-{}", round / TURNS);
            job.request.conversation = Some(conversation.clone());
            let identity = Identity { key: Key::of([Some(&number.to_le_bytes()[..])]), repeated: false };
            let who = Who { user_id: None, sender: None, conversation };
            let incoming = Incoming { purpose: Purpose::Say { who, reply_to: None }, identity };
            let taken = self.conversations.turn(&self.pipeline, &mut job, &incoming, &Nobody, || 0).await;
            let Taken::Settle(Outcome::Reply(reply)) = taken else { bail!("turn {number} isn't answered: {taken:?}") };
            // As the settlement does.
            black_box(encode_reply(&reply));
        }
        Ok(())
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
