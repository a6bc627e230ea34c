//! A client that loads workers, and can account for every request: each has an id, is persistent and mandatory, its
//! publish is confirmed, and its answer comes to a durable quorum queue.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chatbot_worker::amqp::{Names, objects::topology::Topology};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::AMQPValue,
};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{
    account::{Account, Ledger},
    diagnosis,
    reader::{Reader, close, connect},
    requests, until,
};
use crate::support::{INTENTS, eventually, header, headers, intent, short};

/// So many publishes wait for their confirms at a time.
const UNCONFIRMED: usize = 256;
/// After so long without any answer or dead letter, what isn't accounted for is lost.
const QUIET: Duration = Duration::from_secs(30);
/// A node that is cut off from its cluster confirms nothing and doesn't say so.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(20);

/// In a question, its request's number takes the place of this.
const NUMBER: &str = "{number}";

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
    reader: Option<Reader>,
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
            close(connection).await;
            Some(())
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
            reader: None,
        }
    }

    /// Reads the reply queue from now on.
    pub fn collect(&mut self) {
        self.reader = Some(Reader::start(self.urls.clone(), self.reply_queue.clone(), self.ledger.clone()));
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
                close(connection).await;
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
                    let number = self.number.fetch_add(1, Ordering::Relaxed);
                    let (id, published) = (format!("{}-{number}", self.prefix), Instant::now());
                    let publish = self.publish_one(channel, number, &id).await.ok()?;
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
        number: usize,
        id: &str,
    ) -> lapin::Result<impl Future<Output = lapin::Result<Confirmation>> + use<>> {
        let (key, body) = self.questions[number % self.questions.len()];
        let (body, properties) = (body.replace(NUMBER, &number.to_string()), self.properties(id));
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        channel.basic_publish(short(self.names.exchange()), short(key), options, body.as_bytes(), properties).await
    }

    /// Whether the request with this id went to the queue of requests, and not straight to an intent's.
    pub fn is_to_requests(&self, id: &str) -> bool {
        let number = id.strip_prefix(&self.prefix).and_then(|rest| rest[1..].parse::<usize>().ok());
        number.is_some_and(|number| self.questions[number % self.questions.len()].0.starts_with("request"))
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
                    channel.basic_ack(got.delivery_tag, BasicAckOptions::default()).await.ok()?;
                }
            }
        }
        close(connection).await;
        Some(())
    }

    /// Deletes the reply queue; tells how many answers went with it.
    pub async fn delete_reply_queue(&self) -> usize {
        let deleted = eventually("the reply queue's end", || async {
            let (connection, channel) = connect(&self.urls, 0).await?;
            let left = channel.queue_delete(short(&self.reply_queue), QueueDeleteOptions::default()).await.ok()?;
            close(connection).await;
            Some(left)
        });
        usize::try_from(deleted.await).unwrap()
    }
}

/// A scenario that fails tells what the client knows, and what the broker does.
impl Drop for Load {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let reader = self.reader.as_ref().map_or_else(|| "nobody reads it".to_owned(), Reader::to_string);
        println!("  client: '{}': {reader}", self.reply_queue);
        for line in self.ledger.lock().unwrap_or_else(PoisonError::into_inner).unanswered() {
            println!("  client: {line}");
        }
        let is_ours = |name: &str| name.starts_with(self.names.exchange()) || name == self.reply_queue;
        diagnosis::print(&self.urls, is_ours);
    }
}
