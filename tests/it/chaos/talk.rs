//! Many conversations at once, each of numbered turns, and what became of each turn.
//!
//! The bot's only handler is a webhook of the test's own, which sets the slot `count` to the number that the user said. So
//! at each call the slot tells which turn was applied last, and the answers, in the order in which they came, tell the
//! rest. A worker that was stopped, or cut off, may still call for a turn that another has taken: as a user's webhook
//! would, it refuses a lower number of the turn, and such calls count as repetitions.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chatbot_worker::domain::Lane;
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    at_full_length, note,
    reader::{close, connect},
    subject::{Subject, Worker},
    until, write,
};
use crate::{
    redis_server::RedisServer,
    stub::{Act, Seen, Stub},
    support::{eventually, headers, short},
};

const BOT: &str = r#"
fallback = "count"
[conversation]
[intents.count]
handler = "webhook"
webhook.service = "counter"
# Whose slot it is: the fallback asks nothing itself.
[intents.noted]
examples = ["note it", "please write it down", "记下来"]
reply.en = "Noted: {{ slots.count }}"
slots.count = { text = true, optional = true, ask.en = "Which?" }
[intents.hello]
examples = ["hello", "good morning", "你好"]
reply.en = "Hello."
"#;

/// Turns of a conversation.
const TURNS: usize = 20;
/// After so long without any answer, what isn't answered is lost.
const QUIET: Duration = Duration::from_secs(60);

/// How long publishing may take on one connection.
const PUBLISHING: Duration = Duration::from_secs(20);

/// How many conversations.
fn conversations() -> usize {
    if at_full_length() { 1000 } else { 24 }
}

/// What the webhook was called with.
#[derive(Default)]
struct Called {
    /// Of each conversation the highest turn's number that it took.
    last: HashMap<String, u64>,
    faults: Vec<String>,
    calls: usize,
    /// Calls for a turn that was called for before.
    repeated: usize,
    refused: usize,
}

impl Called {
    fn call(&mut self, seen: &Seen) -> Act {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let conversation = text(&seen.body["request"]["conversation"]);
        let number: u64 = text(&seen.body["request"]["body"]).parse().unwrap_or_default();
        let turn = seen.body["turn"].as_u64().unwrap_or_default();
        let counted: u64 = text(&seen.body["slots"]["count"]).parse().unwrap_or_default();
        self.calls += 1;
        let last = self.last.entry(conversation.clone()).or_default();
        if turn < *last {
            self.refused += 1;
            return Act::status(409);
        }
        self.repeated += usize::from(turn == *last);
        *last = turn;
        if (turn, counted + 1) != (number, number) {
            self.faults.push(format!("{conversation}: turn {turn} said {number} after {counted}"));
        }
        Act::json(json!({"text": number.to_string(), "slots": {"count": number.to_string()}}))
    }
}

/// What came back.
#[derive(Default)]
struct Answers {
    /// By conversation the numbers in the order of their answers, each once.
    numbers: BTreeMap<String, Vec<usize>>,
    again: usize,
    errors: Vec<String>,
    count: usize,
    newest: Option<Instant>,
}

impl Answers {
    fn take(&mut self, conversation: &str, number: usize, said: Option<&str>, error: &str) {
        self.newest = Some(Instant::now());
        let numbers = self.numbers.entry(conversation.to_owned()).or_default();
        if said != Some(&number.to_string()) {
            self.errors.push(format!("{conversation}/{number}: {said:?} {error}"));
        } else if numbers.contains(&number) {
            self.again += 1;
        } else {
            numbers.push(number);
            self.count += 1;
        }
    }
}

/// Redis with append-only files that are written before each answer.
async fn redis() -> (RedisServer, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    let dir = folder.to_str().unwrap();
    let options = ["--dir", dir, "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"];
    (RedisServer::start_with(&options).await, folder)
}

/// Conversations at work.
pub struct Scene {
    pub subject: Subject,
    called: Arc<Mutex<Called>>,
    answers: Arc<Mutex<Answers>>,
    /// The nodes, as clients reach them.
    urls: Vec<String>,
    reply_queue: String,
    pub redis: RedisServer,
    folder: PathBuf,
    _webhook: Stub,
    _reading: JoinSet<()>,
}

impl Scene {
    /// With workers that reach the broker by `worker_urls`.
    pub async fn new(urls: &[&str], worker_urls: &str) -> Self {
        let called = Arc::<Mutex<Called>>::default();
        let webhook = Stub::start({
            let called = called.clone();
            move |seen| called.lock().unwrap().call(seen)
        })
        .await;
        let (redis, folder) = redis().await;
        let subject = Subject::of(BOT, worker_urls, urls[0])
            .with("CHATBOT_COUNTER_KIND", "webhook")
            .with("CHATBOT_COUNTER_URL", &webhook.url)
            .with("CHATBOT_COUNTER_IDEMPOTENT", "true")
            .with("CHATBOT_CONVERSATION_STORE", "redis")
            .with("CHATBOT_CONVERSATION_REDIS_URL", &redis.url())
            .with("CHATBOT_AMQP_HEARTBEAT", "2s");
        let reply_queue = format!("turns-{}", uuid::Uuid::now_v7().simple());
        let answers = Arc::<Mutex<Answers>>::default();
        let mut scene = Self {
            subject,
            called,
            answers,
            urls: urls.iter().map(|&url| url.to_owned()).collect(),
            reply_queue,
            redis,
            folder,
            _webhook: webhook,
            _reading: JoinSet::new(),
        };
        scene.read().await;
        scene
    }

    /// Declares the reply queue and reads it, whatever becomes of its connection.
    async fn read(&mut self) {
        let urls = self.urls.clone();
        eventually("a reply queue", || async {
            let (connection, channel) = connect(&urls, 0).await?;
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            let arguments = headers(&[("x-queue-type", AMQPValue::LongString("quorum".into()))]);
            channel.queue_declare(short(&self.reply_queue), options, arguments).await.ok()?;
            close(connection).await;
            Some(())
        })
        .await;
        let (queue, answers) = (self.reply_queue.clone(), self.answers.clone());
        self._reading.spawn(async move {
            for tries in 0.. {
                let _ = read_once(&urls, tries, &queue, &answers).await;
                sleep(Duration::from_millis(50)).await;
            }
        });
    }

    /// Publishes every turn in its order: half of the conversations to their lanes, and half to `request`, each turn of
    /// these once the one before is answered, as that key promises no more.
    pub async fn talk(&self) {
        let all: Vec<String> = (0..conversations()).map(|at| format!("c{at}")).collect();
        let (to_lanes, to_requests) = all.split_at(all.len() / 2);
        tokio::join!(self.publish_to_lanes(to_lanes), self.ask_one_by_one(to_requests));
    }

    async fn publish_to_lanes(&self, conversations: &[String]) {
        let key = |conversation: &String| format!("conversation.{}", Lane::of(conversation));
        for number in 1..=TURNS {
            let turns: Vec<_> = conversations.iter().map(|it| (it.clone(), key(it), number)).collect();
            self.publish(turns).await;
            // A conversation may hold half of its lane's prefetch.
            if number >= 8 {
                let due = number - 7;
                self.answered(conversations, due).await;
            }
        }
    }

    async fn ask_one_by_one(&self, conversations: &[String]) {
        for number in 1..=TURNS {
            let turns: Vec<_> = conversations.iter().map(|it| (it.clone(), "request".to_owned(), number)).collect();
            self.publish(turns).await;
            self.answered(conversations, number).await;
        }
    }

    /// Waits until each of these has so many answers, or nothing comes any more.
    async fn answered(&self, conversations: &[String], least: usize) {
        let since = Instant::now();
        loop {
            {
                let answers = self.answers.lock().unwrap();
                let has = |it: &String| answers.numbers.get(it).map_or(0, Vec::len) >= least;
                let quiet = answers.newest.unwrap_or(since).max(since).elapsed() > QUIET;
                if conversations.iter().all(has) || quiet {
                    return;
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Publishes until each is confirmed, in this order. One whose confirm was lost is published again with its id.
    async fn publish(&self, turns: Vec<(String, String, usize)>) {
        let mut left: std::collections::VecDeque<_> = turns.into();
        let mut tries = 0;
        while !left.is_empty() {
            let connected = connect(&self.urls, tries).await;
            tries += 1;
            if let Some((connection, channel)) = connected {
                // A node that is cut off from its cluster confirms nothing, and doesn't say so.
                let _ = timeout(PUBLISHING, self.publish_on(&channel, &mut left)).await;
                close(connection).await;
            } else {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn publish_on(
        &self,
        channel: &Channel,
        left: &mut std::collections::VecDeque<(String, String, usize)>,
    ) -> lapin::Result<()> {
        channel.confirm_select(Default::default()).await?;
        while !left.is_empty() {
            let mut confirms = Vec::new();
            for (conversation, key, number) in left.iter().take(256) {
                let id = format!("{conversation}/{number}");
                let properties = BasicProperties::default()
                    .with_reply_to(short(&self.reply_queue))
                    .with_correlation_id(short(&id))
                    .with_message_id(short(&id))
                    .with_delivery_mode(2);
                let body = json!({"conversation": conversation, "body": number.to_string()}).to_string();
                let options = BasicPublishOptions { mandatory: true, immediate: false };
                let exchange = short(self.subject.names.exchange());
                let confirm = channel.basic_publish(exchange, short(key), options, body.as_bytes(), properties).await?;
                confirms.push(confirm);
            }
            for confirm in confirms {
                match confirm.await? {
                    Confirmation::Ack(None) => drop(left.pop_front()),
                    _ => return Ok(()),
                }
            }
        }
        Ok(())
    }

    /// Waits for all answers, and holds them against the promise.
    pub async fn end(self, scenario: &str, workers: Vec<Worker>) {
        let all: Vec<String> = (0..conversations()).map(|at| format!("c{at}")).collect();
        self.answered(&all, TURNS).await;
        drop(workers);
        self.judge(scenario, &all);
        let (urls, queue) = (self.urls.clone(), self.reply_queue.clone());
        eventually("the reply queue's end", || async {
            let (connection, channel) = connect(&urls, 0).await?;
            channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await.ok()?;
            close(connection).await;
            Some(())
        })
        .await;
        self.subject.remove().await;
        std::fs::remove_dir_all(&self.folder).unwrap();
    }

    /// Holds what came against the promise.
    fn judge(&self, scenario: &str, all: &[String]) {
        let (called, answers) = (self.called.lock().unwrap(), self.answers.lock().unwrap());
        let sent = conversations() * TURNS;
        let wanted: Vec<usize> = (1..=TURNS).collect();
        let number_of = |it: &String| answers.numbers.get(it).cloned().unwrap_or_default();
        let out_of_order: Vec<_> = all.iter().filter(|it| !number_of(it).is_sorted()).collect();
        let lost = sent - answers.count;
        let Called { calls, repeated, refused, faults, .. } = &*called;
        write(&format!("{scenario}\t{sent}\t{}\t{}\t0\t0\t{lost}\t-\n", answers.count, answers.again));
        note(&format!(
            "{scenario}: {} turns out of order, {} applied twice or not after the one before, {lost} lost; {calls} calls, \
             {repeated} of them repeated and {refused} refused",
            out_of_order.len(),
            faults.len()
        ));
        assert!(faults.is_empty(), "{faults:?}");
        assert!(out_of_order.is_empty(), "{:?}", out_of_order.iter().map(|it| (it, number_of(it))).collect::<Vec<_>>());
        assert!(answers.errors.is_empty(), "{:?}", answers.errors);
        let short_of: Vec<_> = all.iter().filter(|it| number_of(it) != wanted).map(|it| (it, number_of(it))).collect();
        assert!(short_of.is_empty(), "lost: {short_of:?}");
    }

    /// Waits until so many turns are answered.
    pub async fn until_answered(&self, part: f64) {
        let least = (conversations() as f64 * TURNS as f64 * part) as usize;
        until("some turns are answered", || async { self.answers.lock().unwrap().count >= least }).await;
    }
}

async fn read_once(urls: &[String], tries: usize, queue: &str, answers: &Mutex<Answers>) -> Option<()> {
    let (_connection, channel) = connect(urls, tries).await?;
    channel.basic_qos(500, BasicQosOptions::default()).await.ok()?;
    let consumer =
        channel.basic_consume(short(queue), short(""), BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = consumer.await.ok()?;
    loop {
        let delivery = consumer.next().await?.ok()?;
        let id = delivery.properties.correlation_id().as_ref().map(ShortString::to_string).unwrap_or_default();
        let (conversation, number) = id.split_once('/').unwrap_or_default();
        let json: serde_json::Value = serde_json::from_slice(&delivery.data).unwrap_or_default();
        let error = json["error"].to_string();
        answers.lock().unwrap().take(conversation, number.parse().unwrap_or_default(), json["body"].as_str(), &error);
        channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.ok()?;
    }
}
