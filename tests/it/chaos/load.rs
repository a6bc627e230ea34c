//! A client that loads workers, and can account for every request: each has an id, is persistent and mandatory, its
//! publish is confirmed, and its answer comes to a durable quorum queue.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chatbot_worker::amqp::{Names, topology::Topology};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    account::{Account, Ledger},
    requests, until,
};
use crate::support::{INTENTS, eventually, header, headers, intent, short};

/// So many publishes wait for their confirms at a time.
const UNCONFIRMED: usize = 256;
/// After so long without any answer or dead letter, what isn't accounted for is lost.
const QUIET: Duration = Duration::from_secs(30);
/// A node that is cut off from its cluster confirms nothing and doesn't say so.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(20);

/// What the client asks: routing key and body. Every second one goes by way of the intent's queue.
const QUESTIONS: [(&str, &str); 4] = [
    ("request", "product_info 我想查询产品规格"),
    ("request.web", r#"{"body":"queued, where is my parcel","locale":"en"}"#),
    ("request.wechat", r#"{"body":"product_info how big is the kettle"}"#),
    ("intent.queued", "queued 我的包裹在哪里"),
];

/// A load on the workers of one exchange.
pub struct Load {
    /// The nodes, tried in turn.
    urls: Vec<String>,
    names: Names,
    reply_queue: String,
    questions: Vec<(&'static str, &'static str)>,
    ledger: Arc<Mutex<Ledger>>,
    /// What its ids begin with: the dead letters of two loads are in the same queues.
    prefix: String,
    number: AtomicUsize,
    collector: JoinSet<()>,
}

impl Load {
    /// Declares a reply queue, and collects what comes in.
    pub async fn start(urls: &[&str], names: &Names) -> Self {
        let mut load = Self::unheard(urls, names, &[]).await;
        load.collect();
        load
    }

    /// The same, with more arguments for the reply queue, and nobody who reads it.
    pub async fn unheard(urls: &[&str], names: &Names, arguments: &[(&str, AMQPValue)]) -> Self {
        let urls: Vec<String> = urls.iter().map(|&url| url.to_owned()).collect();
        let prefix = uuid::Uuid::now_v7().simple().to_string();
        let reply_queue = format!("answers-{prefix}");
        let arguments = [&[("x-queue-type", AMQPValue::LongString("quorum".into()))], arguments].concat();
        eventually("a reply queue", || async {
            let (connection, channel) = connect(&urls, 0).await?;
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            channel.queue_declare(short(&reply_queue), options, headers(&arguments)).await.ok()?;
            connection.close(200, short("done")).await.ok()
        })
        .await;
        Self {
            urls,
            names: names.clone(),
            reply_queue,
            questions: QUESTIONS.to_vec(),
            ledger: Arc::default(),
            prefix,
            number: AtomicUsize::new(0),
            collector: JoinSet::new(),
        }
    }

    /// Reads the reply queue from now on.
    pub fn collect(&mut self) {
        self.collector.spawn(collect(self.urls.clone(), self.reply_queue.clone(), self.ledger.clone()));
    }

    /// Asks these instead.
    pub fn asking(mut self, questions: &[(&'static str, &'static str)]) -> Self {
        self.questions = questions.to_vec();
        self
    }

    pub fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Sends until so many more are confirmed, as fast as the broker takes them.
    pub async fn send(&self, count: usize) {
        self.send_within(count, Duration::ZERO).await;
    }

    /// The same, spread over this time. A connection that is lost is made again.
    pub async fn send_within(&self, count: usize, time: Duration) {
        let pace = time / u32::try_from(count.max(1)).unwrap();
        let (mut confirmed, mut tries) = (0, self.number.load(Ordering::Relaxed));
        while confirmed < count {
            if let Some((connection, channel)) = connect(&self.urls, tries).await
                && self.publish(&channel, count, &mut confirmed, pace).await.is_some()
            {
                let _ = connection.close(200, short("done")).await;
            }
            tries += 1;
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends all of a scenario's requests, with a fault in their middle: it begins while many are in work.
    pub async fn around<T>(&self, fault: impl Future<Output = T>) -> T {
        let (count, quarter) = (requests(), requests() / 4);
        self.send(quarter).await;
        let middle = async {
            self.send(quarter).await;
            self.send_within(count - 3 * quarter, Duration::from_secs(2)).await;
        };
        let ((), result) = tokio::join!(middle, async {
            let confirmed = || {
                let (told, open) = self.ledger().progress();
                told + open
            };
            until("some more are confirmed", || async { confirmed() > quarter }).await;
            fault.await
        });
        self.send(quarter).await;
        result
    }

    /// Publishes on one channel; none when that is lost.
    async fn publish(&self, channel: &Channel, count: usize, confirmed: &mut usize, pace: Duration) -> Option<()> {
        channel.confirm_select(Default::default()).await.ok()?;
        let mut ticks = interval(pace.max(Duration::from_nanos(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut waiting = FuturesUnordered::new();
        while *confirmed < count {
            let more = waiting.len() < UNCONFIRMED && *confirmed + waiting.len() < count;
            tokio::select! {
                _ = ticks.tick(), if more => {
                    let id = format!("{}-{}", self.prefix, self.number.fetch_add(1, Ordering::Relaxed));
                    let published = Instant::now();
                    let publish = self.publish_one(channel, &id).await.ok()?;
                    waiting.push(async move { (id, published, publish.await) });
                }
                Some((id, published, confirmation)) = waiting.next() => if let Confirmation::Ack(returned) = confirmation.ok()? {
                    self.ledger().confirmed(&id, published);
                    *confirmed += 1;
                    if let Some(returned) = returned {
                        // lapin may tell this of another message than the one that came back; that knows its id.
                        let id = returned.properties.message_id().clone().unwrap();
                        self.ledger().returned(id.as_str());
                        *confirmed -= 1;
                    }
                },
                () = sleep(CONFIRM_PATIENCE), if !waiting.is_empty() => return None,
            }
        }
        Some(())
    }

    /// Publishes one request; what it returns is its confirm.
    async fn publish_one(
        &self,
        channel: &Channel,
        id: &str,
    ) -> lapin::Result<impl Future<Output = lapin::Result<Confirmation>> + use<>> {
        let number = self.number.load(Ordering::Relaxed);
        let (key, body) = self.questions[number % self.questions.len()];
        let properties = self.properties(id);
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        channel.basic_publish(short(self.names.exchange()), short(key), options, body.as_bytes(), properties).await
    }

    /// The properties of a request with this id.
    pub fn properties(&self, id: &str) -> BasicProperties {
        BasicProperties::default()
            .with_reply_to(short(&self.reply_queue))
            .with_correlation_id(short(id))
            .with_message_id(short(id))
            .with_delivery_mode(2)
    }

    /// Waits until every request is accounted for, or nothing comes any more. Takes what is in the dead-letter queues: of
    /// two loads, the one whose requests end there has to be the first.
    pub async fn settled(&self) -> Account {
        let (mut before, mut changed) = (0, Instant::now());
        loop {
            let (told, open) = self.ledger().progress();
            if open == 0 {
                break;
            }
            if told > before {
                (before, changed) = (told, Instant::now());
            } else if changed.elapsed() > QUIET {
                break;
            }
            sleep(Duration::from_millis(200)).await;
            self.read_dead_letters().await;
        }
        self.read_dead_letters().await;
        self.ledger().account()
    }

    /// Takes what is in the dead-letter queues.
    async fn read_dead_letters(&self) -> Option<()> {
        let (connection, _) = connect(&self.urls, self.number.load(Ordering::Relaxed)).await?;
        let intents: Vec<_> = INTENTS.iter().map(|&name| intent(name)).collect();
        for queue in Topology::new(&self.names, &intents, &[]).queues {
            if queue.name.ends_with(".dead") {
                // A queue that isn't there closes the channel; that of an intent which this bot doesn't have.
                let channel = connection.create_channel().await.ok()?;
                while let Ok(Some(got)) = channel.basic_get(short(&queue.name), BasicGetOptions::default()).await {
                    let reason = header(&got.delivery, "chatbot-dead-reason").unwrap_or_default();
                    if let Some(id) = got.delivery.properties.message_id() {
                        self.ledger().dead_lettered(id.as_str(), reason);
                    }
                    got.delivery.acker.ack(BasicAckOptions::default()).await.ok()?;
                }
            }
        }
        connection.close(200, short("done")).await.ok()
    }

    /// Deletes the reply queue; tells how many answers went with it.
    pub async fn delete_reply_queue(&self) -> usize {
        let deleted = eventually("the reply queue's end", || async {
            let (connection, channel) = connect(&self.urls, 0).await?;
            let left = channel.queue_delete(short(&self.reply_queue), QueueDeleteOptions::default()).await.ok()?;
            connection.close(200, short("done")).await.ok()?;
            Some(left)
        });
        usize::try_from(deleted.await).unwrap()
    }
}

async fn connect(urls: &[String], tries: usize) -> Option<(Connection, Channel)> {
    let url = &urls[tries % urls.len()];
    let connecting = async {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        Some((connection, channel))
    };
    timeout(Duration::from_secs(5), connecting).await.ok().flatten()
}

/// Takes what comes into a reply queue, for ever.
async fn collect(urls: Vec<String>, queue: String, ledger: Arc<Mutex<Ledger>>) {
    for tries in 0.. {
        collect_once(&urls, tries, &queue, &ledger).await;
        sleep(Duration::from_millis(50)).await;
    }
}

async fn collect_once(urls: &[String], tries: usize, queue: &str, ledger: &Mutex<Ledger>) -> Option<()> {
    let (_connection, channel) = connect(urls, tries).await?;
    channel.basic_qos(1000, BasicQosOptions::default()).await.ok()?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let consuming = channel.basic_consume(short(queue), short(""), options, none);
    let mut consumer = timeout(CONFIRM_PATIENCE, consuming).await.ok()?.ok()?;
    loop {
        let answer = consumer.next().await?.ok()?;
        take(&answer, ledger);
        answer.acker.ack(BasicAckOptions::default()).await.ok()?;
    }
}

fn take(answer: &Delivery, ledger: &Mutex<Ledger>) {
    let text = |value: &Option<ShortString>| value.as_ref().map(ShortString::to_string).unwrap_or_default();
    let id = text(answer.properties.correlation_id());
    let mut ledger = ledger.lock().unwrap();
    if text(answer.properties.kind()) == "chat.reply" {
        ledger.replied(&id, text(answer.properties.message_id()), answer.redelivered);
    } else {
        let json: serde_json::Value = serde_json::from_slice(&answer.data).unwrap();
        ledger.failed(&id, json["error"]["code"].as_str().unwrap().to_owned());
    }
}
