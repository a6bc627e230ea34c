//! What conversations take in memory: 100,000 of ten turns each, kept by the store `memory`, with the sample bot's examples
//! and replies, in which each turn has a number of its own.
//!
//! Told is what is allocated: while all outcomes are kept (ten minutes), and after.
//!
//! **Invariant:** every conversation is there at the end, or it ends with an error.

#![expect(clippy::print_stdout, reason = "the report goes to standard output")]

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use bytes::Bytes;
use chatbot_worker::{
    app::{
        self, BUILT_IN_NAME,
        intents::{BUILT_IN, HandlerDefinition, IntentsFile},
    },
    conversation::{Bounds, MemoryStore, Put, Record, Store, Stored, Who},
    domain::{Classification, Details, IntentName, Key, Reply, Role, Scored, Turn, codec::encode_reply},
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const CONVERSATIONS: usize = 100_000;
const TURNS: usize = 10;
/// What they may take, in MiB.
const MOST: f32 = 200.0;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bot = IntentsFile::parse(BUILT_IN_NAME, BUILT_IN)?.file;
    // As `config/default.toml` has it, but for the bytes, which are what is measured.
    let bounds = Bounds { most: CONVERSATIONS, bytes: 1 << 30, expires: Duration::from_secs(86_400) };
    let store = MemoryStore::new(bounds, &app::said_often(&bot));
    for (kept, outcomes) in [("kept", true), ("no longer kept", false)] {
        let before = ALLOCATED.current_usage_as_mb();
        let (mut bytes, mut putting) = (0, Duration::ZERO);
        for number in 0..CONVERSATIONS {
            let (key, stored) = conversation(&bot, number, outcomes)?;
            bytes += stored.bytes.len();
            let begin = Instant::now();
            ensure!(runtime.block_on(store.put(&key, stored))? == Put::Done, "conversation {number} isn't new");
            putting += begin.elapsed();
        }
        let allocated = ALLOCATED.current_usage_as_mb() - before;
        let begin = Instant::now();
        for number in 0..CONVERSATIONS {
            let there = runtime.block_on(store.get(&key(number)))?;
            ensure!(there.is_some_and(|stored| stored.version == 1), "conversation {number} isn't there");
        }
        let getting = begin.elapsed();
        println!(
            "outcomes {kept}: {allocated:.0} MiB for {CONVERSATIONS} conversations of {TURNS} turns, {:.2} KiB each; {:.2} \
             KiB of JSON each; {:.0} µs to put one, {:.0} µs to get one",
            allocated * 1024.0 / CONVERSATIONS as f32,
            bytes as f32 / 1024.0 / CONVERSATIONS as f32,
            putting.as_secs_f64() * 1e6 / CONVERSATIONS as f64,
            getting.as_secs_f64() * 1e6 / CONVERSATIONS as f64,
        );
        ensure!(allocated <= MOST, "{allocated} MiB are more than {MOST}");
        for number in 0..CONVERSATIONS {
            runtime.block_on(store.delete(&key(number)))?;
        }
    }
    Ok(())
}

fn key(number: usize) -> Key {
    Record::key(Some("shop"), Some(&format!("user-{number}")), &format!("conversation-{number}"))
}

/// One of ten turns, as the store gets it. All are its first version: the versions before it leave nothing behind.
fn conversation(bot: &IntentsFile, number: usize, outcomes: bool) -> anyhow::Result<(Key, Stored)> {
    let who = Who {
        user_id: Some("shop".into()),
        sender: Some(format!("user-{number}")),
        conversation: format!("conversation-{number}"),
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as u64;
    let mut record = Record::begin(who);
    for turn in 0..TURNS {
        let (user, reply) = exchange(bot, number * 31 + turn * 7, turn)?;
        let mut state = record.state.clone();
        state.history.push(Turn { role: Role::User, text: user });
        state.history.push(Turn { role: Role::Assistant, text: reply.text.clone() });
        let identity = Key::of([Some(reply.id.as_bytes())]);
        let outcome = Bytes::from(encode_reply(&reply));
        // Without outcomes, they are as old as they have to be.
        record = record.after(identity, state, outcome, if outcomes { now } else { turn as u64 * 1_000_000 });
    }
    if !outcomes {
        let last = Key::of([Some("the last, which leaves nothing".as_bytes())]);
        let state = record.state.clone();
        record = record.after(last, state, Bytes::from_static(b"null"), now);
    }
    Ok((key(number), Stored { version: 1, ..record.stored()? }))
}

/// What a user says, and what the bot answers.
fn exchange(bot: &IntentsFile, which: usize, turn: usize) -> anyhow::Result<(String, Reply)> {
    let intent = &bot.intents[which % bot.intents.len()];
    let example = &intent.examples[which / 3 % intent.examples.len()].text;
    let replies = intent.handlers.iter().find_map(|handler| match handler {
        HandlerDefinition::Template { replies } => Some(replies),
        _ => None,
    });
    let (language, text) = replies.and_then(|replies| replies.get(turn % replies.len())).context("no template")?;
    let number = 100_000 + which * 2_654_435_761 % 900_000;
    let scored = |place: usize| {
        let name = bot.intents[(which + place) % bot.intents.len()].name.clone();
        Scored::new(name, (number % 997) as f32 / (1_000 + 7_000 * place) as f32)
    };
    let name: IntentName = intent.name.clone();
    let classification = Classification {
        confidence: Some((number % 9_973) as f32 / 10_000.0),
        fallback: false,
        predicted: Some(scored(0)),
        ranking: (0..5).map(scored).collect(),
        model: Some("embedded".into()),
        entities: Vec::new(),
        transcript: None,
    };
    let reply = Reply {
        id: uuid::Uuid::now_v7().to_string(),
        in_reply_to: Some(uuid::Uuid::now_v7().to_string()),
        receiver: Some("user".into()),
        conversation: Some(format!("conversation-{which}")),
        metadata: None,
        text: format!("{text} ({number})"),
        locale: Some(language.clone()),
        intent: name,
        classification: Some(classification),
        entities: Vec::new(),
        details: Details { handler: Some("template".into()), ..Details::default() },
    };
    Ok((format!("{example} {number}"), reply))
}
