//! How workers hear of each other and speak: an exclusive queue behind the control exchange, and a channel to publish on.
//!
//! **Invariants:** what is heard is bounded by the queue's arguments and the prefetch. A beat is transient, unconfirmed, and
//! never waited for longer than [`SAYING`].

use std::time::Duration;

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Beat, GONE, MOST,
    bot::{BOT_TYPE, BotTold, QUESTION_TYPE},
    inbox::{Ack, Inbox, Source},
};
use crate::amqp::{
    Names,
    connection::link::Link,
    message::{cancel, reply_to},
    objects::{
        ask::{AskError, answered, attempt},
        names::CANCEL_KEY,
        topology::millis,
    },
    values::{short, text},
};

/// The `type` of a beat.
const BEAT_TYPE: &str = "chat.worker";
/// How long handing over a beat may take; then it isn't waited for.
const SAYING: Duration = Duration::from_secs(1);
/// How many messages the broker hands out at a time.
const PREFETCH: u16 = 16;
/// The body of a question from outside. Workers of earlier versions don't read it.
const OUTSIDE: &[u8] = b"from outside";

/// A queue that hears, and a channel that speaks. Whatever waits has it alone: an ack that isn't through can't be shared.
pub(super) struct Line {
    names: Names,
    hears: Channel,
    inbox: Inbox<Deliveries>,
    speaks: Channel,
}

/// What a queue hands out.
struct Deliveries {
    consumer: Consumer,
    channel: Channel,
}

impl Source for Deliveries {
    type Message = Delivery;

    async fn next(&mut self) -> Option<(Delivery, Ack)> {
        let delivery = self.consumer.next().await?.ok()?;
        let (channel, tag) = (self.channel.clone(), delivery.delivery_tag);
        // By the channel, and not by lapin's acker, whose command may never end.
        let ack: Ack = Box::pin(async move {
            let acked = channel.basic_ack(tag, BasicAckOptions::default());
            timeout(SAYING, acked).await.is_ok_and(|acked| acked.is_ok())
        });
        Some((delivery, ack))
    }
}

/// Who asks which bot a worker has.
pub(super) struct Asking {
    reply_to: ShortString,
    correlation: ShortString,
}

/// What a message of a worker's queue is.
pub(super) enum Heard {
    Beat(Beat),
    /// Somebody asks who is alive: another worker, or who asks from outside and listens for a moment only.
    Question {
        outside: bool,
    },
    /// Somebody asks which bot this is, and waits for the answer.
    Asked(Asking),
    /// A client cancels a request, or has left.
    Cancel(cancel::Word),
    Nothing,
}

impl Line {
    /// Opens one, which hears on one connection and speaks on another, and asks who is alive. `is_worker`: it also hears what
    /// clients have stopped; else it asks from outside.
    ///
    /// # Errors
    /// [`AskError`]: refused also where the control exchange isn't there, or may not be written to.
    pub(super) async fn open(hears: &Link, speaks: &Link, names: &Names, is_worker: bool) -> Result<Self, AskError> {
        let queue = names.worker_queue(Uuid::now_v7());
        let object = format!("queue '{queue}'");
        let control = names.control_exchange();
        let opened = async {
            let (channel, name) = (hears.channel().await?, short(&queue));
            let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
            channel.queue_declare(name.clone(), options, arguments()).await?;
            let bind = |exchange: &str, key: &str| {
                let options = QueueBindOptions::default();
                channel.queue_bind(name.clone(), short(exchange), short(key), options, FieldTable::default())
            };
            bind(&control, "").await?;
            if is_worker {
                bind(names.exchange(), CANCEL_KEY).await?;
            }
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
            let options = BasicConsumeOptions::default();
            let consumer = channel.basic_consume(name.clone(), short(""), options, FieldTable::default()).await?;
            Ok((channel, consumer))
        };
        let (channel, consumer) = answered(hears, &object, opened).await?;
        // On a channel of its own with confirms, as only these tell that it may not be published.
        let object = format!("exchange '{control}'");
        attempt(speaks, &object, async |channel| {
            channel.confirm_select(Default::default()).await?;
            let options = BasicPublishOptions::default();
            let body: &[u8] = if is_worker { b"" } else { OUTSIDE };
            let published = channel.basic_publish(short(&control), short(""), options, body, properties(QUESTION_TYPE));
            published.await?.await.map(|_| ())
        })
        .await?;
        let speaks = answered(speaks, &object, speaks.channel()).await?;
        let inbox = Inbox::new(Deliveries { consumer, channel: channel.clone() });
        Ok(Self { names: names.clone(), hears: channel, inbox, speaks })
    }

    /// The next message; none where the line is lost. Given up, it loses nothing.
    pub(super) async fn heard(&mut self) -> Option<Heard> {
        let delivery = self.inbox.next().await?;
        Some(self.read(delivery))
    }

    /// Whoever may publish to the topic exchange can put what it likes into the queue, but by another exchange than workers
    /// do.
    fn read(&self, delivery: Delivery) -> Heard {
        let kind = delivery.properties.kind().as_ref().map(|kind| kind.as_str());
        let exchange = delivery.exchange.as_str();
        if exchange == self.names.control_exchange() {
            match kind {
                Some(BEAT_TYPE) => Beat::read(&delivery.data).map_or(Heard::Nothing, Heard::Beat),
                Some(QUESTION_TYPE) => asking(&delivery.properties, &self.names)
                    .map_or(Heard::Question { outside: delivery.data == OUTSIDE }, Heard::Asked),
                _ => Heard::Nothing,
            }
        } else if exchange == self.names.exchange() {
            cancel::cancelled(&delivery.properties, &delivery.data).map_or(Heard::Nothing, Heard::Cancel)
        } else {
            Heard::Nothing
        }
    }

    /// Tells all others. Whether the line still stands.
    pub(super) async fn say(&mut self, beat: &Beat) -> bool {
        let (control, options) = (short(&self.names.control_exchange()), BasicPublishOptions::default());
        let body = beat.write();
        let published = self.speaks.basic_publish(control, short(""), options, &body, properties(BEAT_TYPE));
        // What isn't taken in time is old.
        timeout(SAYING, published).await.is_err() || self.speaks.status().connected()
    }

    /// Tells who has asked which bot this is.
    pub(super) async fn tell(&mut self, asking: Asking, bot: &BotTold<'_>) {
        let body = serde_json::to_vec(bot).unwrap_or_default();
        let properties = properties(BOT_TYPE).with_correlation_id(asking.correlation);
        let options = BasicPublishOptions::default();
        let published = self.speaks.basic_publish(short(""), asking.reply_to, options, &body, properties);
        // Whoever asks asks again.
        let _ = timeout(SAYING, published).await;
    }

    /// Closes it in order.
    pub(super) async fn close(&mut self) {
        let close = [&self.hears, &self.speaks].map(|channel| channel.close(200, short("done")));
        let _ = timeout(SAYING, futures_util::future::join_all(close)).await;
    }
}

/// Who asks, where it waits for an answer at a place where one may go.
fn asking(properties: &BasicProperties, names: &Names) -> Option<Asking> {
    let reply_to = reply_to::check(properties.reply_to().as_ref(), names, &[]).ok()??;
    let correlation = properties.correlation_id().clone()?;
    Some(Asking { reply_to: reply_to.address, correlation }).filter(|_| !reply_to.direct)
}

fn properties(kind: &str) -> BasicProperties {
    const TRANSIENT: u8 = 1;
    BasicProperties::default()
        .with_type(short(kind))
        .with_app_id(short("chatbot-worker"))
        .with_content_type(short("application/json"))
        .with_delivery_mode(TRANSIENT)
}

/// What is too much goes at the front, as the newest says most; what is older than what is held for gone says nothing.
fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    // A virtual host's default may be another, and no quorum queue is exclusive.
    arguments.insert(short("x-queue-type"), text("classic"));
    arguments.insert(short("x-max-length"), AMQPValue::LongLongInt(i64::try_from(MOST).unwrap_or(i64::MAX)));
    arguments.insert(short("x-overflow"), text("drop-head"));
    arguments.insert(short("x-message-ttl"), AMQPValue::LongLongInt(millis(GONE)));
    arguments
}
