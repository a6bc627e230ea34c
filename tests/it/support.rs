//! A worker under test on a real broker, in a namespace of its own, and a client that speaks plain AMQP to it.

mod client;

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use async_trait::async_trait;
use chatbot_worker::{
    amqp::{
        Bot, Names, Replacer, Settings, Worker,
        connection::address::{Access, Broker, Tls},
        objects::{declare::TopologyMode, topology::Topology},
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
use lapin::{
    Connection, ConnectionProperties,
    message::Delivery,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use self::client::{Arrived, Client};

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
