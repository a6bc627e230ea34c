//! A worker under test on a real broker, in a namespace of its own, and a client that speaks plain AMQP to it.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use async_trait::async_trait;
use chatbot_worker::{
    amqp::{
        Bot, Names, Replacer, Settings, WorkQueue, Worker,
        connection::address::{Access, Broker, Tls},
        objects::{
            declare::TopologyMode,
            topology::{Queue, Topology},
        },
        session::Ended,
        settings::{Consume, Overload},
        worker::Fatal,
    },
    answered::{Answers, Bounds},
    conversation::Store,
    domain::{ChoiceRule, IntentName, Prediction, Scored},
    handler::{Answer, Handler, HandlerError, Handlers, Job},
    model::{ModelClient, ModelError, Query},
    pipeline::{Attachments, Conversations, Dispatch, InlineLimit, Parts, Pipeline, Route},
    renewed::Renewed,
    retry::RetryPolicy,
};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ExchangeDeleteOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// How long anything awaited may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The broker's URL.
pub fn broker_url() -> String {
    std::env::var("TEST_AMQP_URL").expect(
        "TEST_AMQP_URL names no broker: run scripts/test, or `scripts/broker start` and set it to what \
         `scripts/broker url` prints",
    )
}

/// Waits until `check` yields something.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A model that takes a text's first word for the intent, and is sure of it; of other texts it is unsure.
pub struct FirstWord;

#[async_trait]
impl ModelClient for FirstWord {
    fn name(&self) -> &str {
        "first-word"
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let first = query.text.split_whitespace().next().unwrap_or_default();
        let (name, confidence) = match IntentName::new(first) {
            Ok(name) if INTENTS.contains(&name.as_str()) => (name, 0.9),
            _ => (intent("refund"), 0.1),
        };
        Ok(Prediction::ranked(vec![Scored { name, confidence }], "first-word".into()))
    }
}

/// The intents of the workers under test: the last is dispatched by queue, and `outside` is another program's.
pub const INTENTS: [&str; 5] = ["help_info", "product_info", "refund", "outside", "queued"];

pub fn intent(name: &str) -> IntentName {
    IntentName::new(name).unwrap()
}

/// A handler that repeats the request.
pub struct Echo;

#[async_trait]
impl Handler for Echo {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        Ok(Some(Answer::text(format!("{}: {}", job.intent, job.request.text), Some("en".to_owned()))))
    }
}

/// A handler that takes its time, and then does as [`Echo`].
pub struct Slow(pub Duration);

#[async_trait]
impl Handler for Slow {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        tokio::time::sleep(self.0).await;
        Echo.handle(job).await
    }
}

/// A worker under test.
pub struct Bench {
    pub names: Names,
    pub settings: Settings,
    pub parts: Parts,
    pub answers: Option<Arc<Answers>>,
    /// Where its conversations are kept; none where it has none.
    pub conversations: Option<Arc<dyn Store>>,
    /// What tells its bot from others.
    pub hash: &'static str,
    /// How long a person who has one may say nothing.
    pub person_idle: Duration,
}

impl Bench {
    /// A worker that isn't started, in a namespace of its own.
    pub fn new() -> Self {
        Self::at(&broker_url())
    }

    /// The same on another broker.
    pub fn at(url: &str) -> Self {
        let names = Names::new(&format!("t{}", &uuid::Uuid::now_v7().simple().to_string()[12..])).unwrap();
        let broker = Broker {
            access: Renewed::fixed(Access { urls: vec![url.parse().unwrap()], tls: Tls::default() }),
            // Longer than the time of grace: what waits for it when a worker stops is found.
            connect_timeout: Duration::from_secs(20),
            confirm_timeout: Duration::from_secs(30),
        };
        let settings = Settings {
            broker,
            names: names.clone(),
            topology: TopologyMode::Declare,
            prefetch: NonZeroU16::new(128).unwrap(),
            prefetch_queued: NonZeroU16::new(32).unwrap(),
            upkeep: Duration::from_secs(60),
            consume: Consume::All,
            max_body: 64 * 1024,
            memory_budget: 4 * 1024 * 1024,
            overload: Overload::default(),
            default_ttl: None,
            shutdown_grace: Duration::from_secs(10),
            reply_allow: Vec::new(),
            worker: "test".to_owned(),
        };
        let routes = INTENTS.iter().map(|&name| {
            let echo = Handlers::new([Arc::new(Echo) as Arc<dyn Handler>]);
            let route = match name {
                "outside" => Route::external(Handlers::default()),
                "queued" => Route::new(echo, Dispatch::Queue),
                _ => Route::new(echo, Dispatch::Inline),
            };
            (intent(name), route)
        });
        let parts = Parts {
            model: Arc::new(FirstWord),
            routes: routes.collect(),
            choice: ChoiceRule {
                fallback: intent("help_info"),
                threshold: None,
                intents: INTENTS.iter().map(|&name| (intent(name), None)).collect(),
                margin: 0.0,
            },
            extractor: None,
            dialogue: None,
            model_timeout: Duration::from_secs(5),
            handler_timeout: Duration::from_secs(5),
            retry: RetryPolicy { delays: vec![Duration::from_millis(100), Duration::from_millis(200)] },
            inline: InlineLimit { bytes: 2 * 1024 * 1024, requests: 128 },
            attachments: Attachments::default(),
        };
        let bounds = Bounds { entries: 1000, bytes: 1 << 20, age: Duration::from_secs(600) };
        let answers = Some(Arc::new(Answers::new(bounds, None)));
        let person_idle = Duration::from_secs(1800);
        Self { names, settings, parts, answers, conversations: None, hash: "b0", person_idle }
    }

    /// Answers an intent by this handler.
    pub fn handler(mut self, name: &str, handler: impl Handler + 'static) -> Self {
        self.parts.routes.get_mut(name).unwrap().handlers = Handlers::new([Arc::new(handler) as Arc<dyn Handler>]);
        self
    }

    /// Has conversations, kept in this store.
    pub fn conversations(self, store: Arc<dyn Store>) -> Self {
        Self { conversations: Some(store), ..self }
    }

    /// Classifies by this model.
    pub fn model(mut self, model: impl ModelClient + 'static) -> Self {
        self.parts.model = Arc::new(model);
        self
    }

    /// A bot, to take the place of a worker's.
    pub fn bot(self) -> Bot {
        let intents: Vec<IntentName> = self.parts.routes.keys().cloned().collect();
        let mut topology = Topology::new(&self.names, &intents, &self.parts.retry.delays);
        let has_people = self.parts.dialogue.as_ref().is_some_and(|it| it.script.steering.person.is_some());
        let mut pipeline = Pipeline::new(self.parts);
        if let Some(answers) = self.answers {
            pipeline = pipeline.remembering(answers);
        }
        if let Some(store) = self.conversations {
            pipeline = pipeline.conversing(Conversations::new(store, 50).idle_after(self.person_idle));
            topology = topology.with_conversations(&self.names);
            if has_people {
                topology = topology.with_person(&self.names);
            }
        }
        Bot { pipeline: Arc::new(pipeline), topology: Arc::new(topology), hash: self.hash.into() }
    }

    /// A worker that isn't started.
    pub fn worker(self) -> Worker {
        Worker::new(self.settings.clone(), self.bot())
    }

    /// The same names, so that it works beside that one or after it.
    pub fn named(mut self, names: &Names) -> Self {
        (self.names, self.settings.names) = (names.clone(), names.clone());
        self
    }

    /// Starts the worker and waits until it is ready.
    pub async fn start(self) -> Running {
        let url = self.settings.broker.access.last().urls[0].to_string();
        let names = self.names.clone();
        let worker = self.worker();
        let replacer = worker.replacer();
        let (mut ready, shutdown) = (worker.readiness(), CancellationToken::new());
        let task = tokio::spawn(worker.run(shutdown.clone()));
        let became = tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await;
        assert!(became.is_ok_and(|ready| ready.is_ok()), "the worker isn't ready: {:?}", task.await);
        Running { url, names, ready, replacer, shutdown, task: Some(task) }
    }
}

type WorkerTask = JoinHandle<Result<Ended, Fatal>>;

/// A worker that runs.
pub struct Running {
    pub url: String,
    pub names: Names,
    pub ready: watch::Receiver<bool>,
    pub replacer: Replacer,
    pub shutdown: CancellationToken,
    pub task: Option<WorkerTask>,
}

impl Running {
    /// Stops the worker and takes its objects from the broker.
    pub async fn stop(self) {
        let (url, names) = (self.url.clone(), self.names.clone());
        self.stop_and_leave().await;
        remove(&url, &names).await;
    }

    /// Stops the worker.
    pub async fn stop_and_leave(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task.take().unwrap()).await.expect("the worker stops");
        assert_eq!(ended.unwrap().unwrap(), Ended::Drained);
    }

    /// A client of its own.
    pub async fn client(&self) -> Client {
        Client::new(&self.url, &self.names).await
    }
}

/// Takes a namespace's objects from the broker.
pub async fn remove(url: &str, names: &Names) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let intents: Vec<IntentName> = INTENTS.iter().map(|&name| intent(name)).collect();
    let delays = [Duration::from_millis(100), Duration::from_millis(200)];
    let topology = Topology::new(names, &intents, &delays).with_conversations(names).with_person(names);
    for queue in topology.queues {
        channel.queue_delete(short(&queue.name), QueueDeleteOptions::default()).await.unwrap();
    }
    for exchange in topology.exchanges {
        channel.exchange_delete(short(&exchange.name), ExchangeDeleteOptions::default()).await.unwrap();
    }
    connection.close(200, short("done")).await.unwrap();
}

pub fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap()
}

/// A client of the worker that knows only AMQP.
pub struct Client {
    pub url: String,
    pub connection: Connection,
    pub channel: Channel,
    pub names: Names,
    pub reply_queue: String,
    answers: Consumer,
}

/// An answer as it arrived.
#[derive(Debug)]
pub struct Arrived {
    pub delivery: Delivery,
    pub json: serde_json::Value,
}

impl Client {
    pub async fn new(url: &str, names: &Names) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(Default::default()).await.unwrap();
        let options = lapin::options::QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let queue = channel.queue_declare(short(""), options, FieldTable::default()).await.unwrap();
        let reply_queue = queue.name().as_str().to_owned();
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let answers =
            channel.basic_consume(short(&reply_queue), short(""), options, FieldTable::default()).await.unwrap();
        Self { url: url.to_owned(), connection, channel, names: names.clone(), reply_queue, answers }
    }

    /// Properties that ask for an answer.
    pub fn properties(&self, correlation_id: &str) -> BasicProperties {
        BasicProperties::default()
            .with_reply_to(short(&self.reply_queue))
            .with_correlation_id(short(correlation_id))
            .with_delivery_mode(2)
    }

    /// Publishes to the topic exchange and waits for the confirm.
    pub async fn publish(&self, key: &str, properties: BasicProperties, body: &[u8]) {
        self.publish_to(self.names.exchange(), key, properties, body).await;
    }

    pub async fn publish_to(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) {
        let options = BasicPublishOptions::default();
        let confirm = self.channel.basic_publish(short(exchange), short(key), options, body, properties).await.unwrap();
        assert!(confirm.await.unwrap().is_ack());
    }

    /// The next answer.
    pub async fn next(&mut self) -> Arrived {
        let delivery = tokio::time::timeout(PATIENCE, self.answers.next()).await;
        let delivery = delivery.expect("an answer in time").expect("the consumer lives").unwrap();
        let json = serde_json::from_slice(&delivery.data).unwrap_or(serde_json::Value::Null);
        Arrived { delivery, json }
    }

    /// Asks, and waits for the answer to that.
    pub async fn ask(&mut self, key: &str, body: &str) -> Arrived {
        let id = uuid::Uuid::now_v7().to_string();
        self.publish(key, self.properties(&id), body.as_bytes()).await;
        let arrived = self.next().await;
        assert_eq!(arrived.correlation_id(), Some(id.as_str()));
        arrived
    }

    /// The next message in a queue, taken; also from a queue that is still to come, or whose node just came back.
    pub async fn take(&self, queue: &str) -> Delivery {
        eventually(&format!("a message in {queue}"), || async {
            let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.ok()?;
            let channel = connection.create_channel().await.ok()?;
            let got = channel.basic_get(short(queue), BasicGetOptions { no_ack: true }).await.ok()?;
            let _ = connection.close(200, short("done")).await;
            got.map(|message| message.delivery)
        })
        .await
    }

    /// How many messages a queue holds ready; none where it isn't there.
    pub async fn depth(&self, queue: &str) -> u32 {
        self.ready_in(queue).await.unwrap_or(0)
    }

    /// Whether a queue is there.
    pub async fn exists(&self, queue: &str) -> bool {
        self.ready_in(queue).await.is_some()
    }

    /// Whether a queue is there, and somebody consumes it.
    pub async fn is_consumed(&self, queue: &str) -> bool {
        let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        // On a channel of its own, as one that is missing closes it.
        let channel = self.connection.create_channel().await.unwrap();
        let found = channel.queue_declare(short(queue), options, FieldTable::default()).await;
        found.is_ok_and(|found| found.consumer_count() > 0)
    }

    /// On a channel of its own, as one that is missing closes it.
    async fn ready_in(&self, queue: &str) -> Option<u32> {
        let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let channel = self.connection.create_channel().await.unwrap();
        let found = channel.queue_declare(short(queue), options, FieldTable::default()).await;
        match found {
            Ok(found) => {
                channel.close(200, short("done")).await.unwrap();
                Some(found.message_count())
            }
            Err(error) if error.to_string().contains("NOT_FOUND") => None,
            Err(error) => panic!("{queue}: {error}"),
        }
    }

    /// Makes the queue for a work queue's dead letters, as its first letter does.
    pub async fn make_dead_letter_queue(&self, of: &WorkQueue) {
        let queue = Queue::dead(&self.names, &self.names.queue(of));
        let options = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
        self.channel.queue_declare(short(&queue.name), options, queue.arguments).await.unwrap();
    }

    /// The next dead letter of a work queue.
    pub async fn dead_letter(&self, queue: &WorkQueue) -> Delivery {
        self.take(&Names::dead(&self.names.queue(queue))).await
    }
}

impl Arrived {
    pub fn correlation_id(&self) -> Option<&str> {
        self.delivery.properties.correlation_id().as_ref().map(ShortString::as_str)
    }

    /// The error's code, where it is an error reply.
    pub fn code(&self) -> Option<&str> {
        self.json["error"]["code"].as_str()
    }

    /// The answer's text, where it is a reply.
    pub fn text(&self) -> Option<&str> {
        self.json["body"].as_str()
    }
}

/// A message's header as text, whatever its type.
pub fn header(delivery: &Delivery, name: &str) -> Option<String> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// A header table.
pub fn headers(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(short(name), value.clone());
    }
    table
}
