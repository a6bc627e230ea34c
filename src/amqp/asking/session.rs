//! One session with the broker: a queue where answers come, and a channel to ask on.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer, ExchangeKind,
    options::{BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::{
    sync::Notify,
    time::{timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Heard, Unasked, pending::Pending};
use crate::{
    amqp::{
        Names,
        connection::{
            address::Broker,
            link::{Link, Use},
        },
        objects::ask::{AskError, answered, attempt},
        presence::{BOT_TYPE, BotHeard, QUESTION_TYPE},
        publishing::publisher::Publisher,
        values::{short, text},
    },
    domain::{Command, DONE_TYPE, ERROR_TYPE, PART_TYPE, REPLY_TYPE},
};

/// How long workers are heard that tell of their bots.
const LISTENS: Duration = Duration::from_millis(500);
/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(1);
/// How long whoever couldn't publish waits for word that the session is over.
const LOOKS: Duration = Duration::from_millis(500);

/// A session.
pub(super) struct Session {
    hears: Link,
    channel: Channel,
    queue: ShortString,
    publisher: Publisher,
    /// That somebody couldn't publish: a channel that was closed for a message is told to the one who published that.
    doubt: Notify,
    /// That it is over: what was asked by it is answered no more.
    pub(super) over: CancellationToken,
}

/// What a person says, which nobody has asked for: JSON.
pub(super) type Said = dyn Fn(Vec<u8>) + Send + Sync;

impl Session {
    /// Opens one.
    pub(super) async fn open(broker: &Broker, names: &Names) -> Result<(Arc<Self>, Consumer), Unasked> {
        let hears = Link::open(broker, "chatbot-worker door, answers", Use::Consume).await?;
        let exchange = names.exchange();
        let (channel, consumer, queue) = {
            let object = format!("exchange '{exchange}'");
            let channel = answered(&hears, &object, hears.channel()).await?;
            let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
            let there = channel.exchange_declare(short(exchange), ExchangeKind::Topic, options, FieldTable::default());
            answered(&hears, &object, there).await?;
            let opened = async {
                let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
                let queue = channel.queue_declare(short(""), options, arguments()).await?;
                let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
                let consumer =
                    channel.basic_consume(queue.name().clone(), short(""), options, FieldTable::default()).await?;
                Ok((consumer, queue.name().clone()))
            };
            let (consumer, queue) = answered(&hears, "the queue for answers", opened).await?;
            (channel, consumer, queue)
        };
        let asks = Link::open(broker, "chatbot-worker door, questions", Use::Forward).await?;
        let publisher =
            Publisher::open(asks, broker.confirm_timeout).await.map_err(|error| Unasked::Lost(error.to_string()))?;
        let session = Self { hears, channel, queue, publisher, doubt: Notify::new(), over: CancellationToken::new() };
        Ok((Arc::new(session), consumer))
    }

    /// The queue where answers come.
    pub(super) fn queue(&self) -> &ShortString {
        &self.queue
    }

    pub(super) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Has it looked whether the session still stands, and waits until it is over; or for a moment, where it stands.
    pub(super) async fn look(&self) {
        self.doubt.notify_one();
        let _ = timeout(LOOKS, self.over.cancelled()).await;
    }

    /// Whether messages can be asked and heard.
    fn stands(&self) -> bool {
        self.publisher.is_open() && self.hears.is_open() && self.channel.status().connected()
    }

    /// Hands out what comes, until the session is lost; tells why it was.
    pub(super) async fn hand_out(&self, consumer: &mut Consumer, pending: &Pending, said: &Said) -> String {
        loop {
            tokio::select! {
                delivery = consumer.next() => match delivery {
                    Some(Ok(delivery)) => {
                        let properties = &delivery.properties;
                        let kind = properties.kind().as_ref().map_or("", |kind| kind.as_str());
                        let correlation = properties.correlation_id().as_ref().map(|id| id.as_str());
                        match (kind, correlation) {
                            (PART_TYPE | BOT_TYPE, Some(id)) => pending.part(id, delivery.data),
                            (REPLY_TYPE, Some(id)) => pending.answer(id, Heard::Reply(delivery.data.into())),
                            (ERROR_TYPE, Some(id)) => pending.answer(id, Heard::Error(delivery.data.into())),
                            (DONE_TYPE, Some(id)) => pending.answer(id, Heard::Done(delivery.data.into())),
                            (kind, None) if kind == Command::Message.as_str() => said(delivery.data),
                            // Another program's, that sets no type.
                            ("", Some(id)) => pending.answer(id, Heard::Bare(delivery.data.into())),
                            _ => tracing::debug!(kind, "a message that is no answer came to the door, and was dropped"),
                        }
                    }
                    Some(Err(error)) => return error.to_string(),
                    None if self.hears.is_open() => return "the channel was closed".to_owned(),
                    None => return self.hears.ended().await.to_string(),
                },
                why = self.publisher.link().ended() => return why.to_string(),
                () = self.doubt.notified() => if !self.stands() {
                    return "the channel that asks was closed".to_owned();
                },
            }
        }
    }

    /// Asks the workers which bots they have, and waits for half a second who answers.
    pub(super) async fn bots(&self, names: &Names, pending: &Pending) -> Result<Vec<BotHeard>, AskError> {
        let (control, correlation) = (names.control_exchange(), Uuid::now_v7().to_string());
        let mut answers = pending.wait(correlation.as_str().into());
        let object = format!("exchange '{control}'");
        // On a channel of its own, which a refusal closes.
        let asked = attempt(&self.hears, &object, async |channel| {
            channel.confirm_select(Default::default()).await?;
            let properties = BasicProperties::default()
                .with_type(short(QUESTION_TYPE))
                .with_reply_to(self.queue.clone())
                .with_correlation_id(short(&correlation));
            let options = BasicPublishOptions::default();
            let published = channel.basic_publish(short(&control), short(""), options, b"", properties);
            published.await?.await.map(|_| ())
        });
        let mut bots = Vec::new();
        let asked = asked.await;
        if asked.is_ok() {
            let until = tokio::time::Instant::now() + LISTENS;
            while let Ok(Some(Heard::Part(body))) = timeout_at(until, answers.recv()).await {
                bots.extend(serde_json::from_slice(&body).ok());
            }
        }
        pending.forget(&correlation);
        asked.map(|()| bots)
    }

    /// Ends it in order.
    pub(super) async fn close(&self) {
        self.over.cancel();
        tokio::join!(self.publisher.link().close(CLOSING), self.hears.close(CLOSING));
    }
}

/// Asks once which bots the workers have, as a door does: by a session of its own, for half a second.
///
/// # Errors
/// Why there is no session, or the workers can't be asked.
pub async fn bots(broker: &Broker, names: &Names) -> Result<Vec<BotHeard>, Unasked> {
    let (session, mut consumer) = Session::open(broker, names).await?;
    let pending = Pending::default();
    let bots = tokio::select! {
        bots = session.bots(names, &pending) => bots.map_err(Unasked::from),
        why = session.hand_out(&mut consumer, &pending, &|_| {}) => Err(Unasked::Lost(why)),
    };
    session.close().await;
    bots
}

/// A virtual host's default may be another type, and no quorum queue is exclusive.
fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-queue-type"), text("classic"));
    arguments
}
