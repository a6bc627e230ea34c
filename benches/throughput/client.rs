//! The client: keeps a number of requests in flight and times each.
//!
//! It asks as a client would that wants its answer soon: persistent requests, and RabbitMQ's direct reply-to.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chatbot_worker::domain::Lane;
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    options::{BasicConsumeOptions, BasicPublishOptions},
    types::{FieldTable, ShortString},
};

use crate::topology::short;

const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// The type of a reply that is one.
const REPLY: &str = "chat.reply";
/// How long the last answers may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many turns a conversation has.
const TURNS: usize = 20;

/// Whether requests belong to conversations: of as many at a time as there are requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    No,
    /// Published to `request`.
    ToRequest,
    /// Published to the conversation's queue.
    ToLane,
}

/// What one stretch of asking showed.
pub(crate) struct Load {
    /// How long it took to answer each request, ascending.
    pub(crate) latencies: Vec<Duration>,
    /// Answered within the stretch, a second.
    pub(crate) rate: f64,
}

impl Load {
    /// A quantile of the latencies, in milliseconds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    pub(crate) fn at(&self, quantile: f64) -> f64 {
        let index = (self.latencies.len() as f64 * quantile) as usize;
        self.latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

/// How often a client asks.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// So that so many requests are unanswered.
    InFlight(usize),
    /// So often a second, however long the answers take.
    ASecond(u32),
}

/// A client.
pub(crate) struct Client {
    _connection: Connection,
    asking: Option<Asking>,
}

struct Asking {
    channel: Channel,
    replies: Consumer,
    bodies: Vec<Vec<u8>>,
    /// The routing keys, taken in turn.
    keys: Vec<String>,
    asked: usize,
    talk: Talk,
    /// How many turns each slot has had.
    turns: Vec<usize>,
}

impl Client {
    /// A client that sends these bodies in turn.
    pub(crate) async fn connect(url: &str, bodies: Vec<Vec<u8>>) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let replies = channel.basic_consume(short(REPLY_TO), short(""), options, FieldTable::default()).await?;
        let keys = vec!["request".to_owned()];
        Ok(Self {
            _connection: connection,
            asking: Some(Asking { channel, replies, bodies, keys, asked: 0, talk: Talk::No, turns: Vec::new() }),
        })
    }

    /// Publishes with these routing keys instead.
    pub(crate) fn by(mut self, keys: Vec<String>) -> Self {
        if let Some(asking) = &mut self.asking {
            asking.keys = keys;
        }
        self
    }

    /// Whether its requests belong to conversations from now on.
    pub(crate) fn talks(&mut self, talk: Talk) {
        if let Some(asking) = &mut self.asking {
            asking.talk = talk;
        }
    }

    /// Sends one request; its answer, if one comes, is let go.
    pub(crate) async fn tell(&self, exchange: &str) -> anyhow::Result<()> {
        let asking = self.asking.as_ref().context("an earlier turn failed")?;
        let properties = BasicProperties::default().with_delivery_mode(2).with_reply_to(short(REPLY_TO));
        let key = short(asking.keys.first().map_or("", String::as_str));
        let body = asking.bodies.first().map_or(&[][..], Vec::as_slice);
        let options = BasicPublishOptions::default();
        drop(asking.channel.basic_publish(short(exchange), key, options, body, properties).await?);
        Ok(())
    }

    /// Keeps `in_flight` requests unanswered for so long, then waits for the last answers.
    pub(crate) async fn ask(&mut self, exchange: &str, in_flight: usize, duration: Duration) -> anyhow::Result<Load> {
        self.ask_by(Pace::InFlight(in_flight), exchange, duration).await
    }

    /// Asks so often a second for so long, however long the answers take, then waits for the last ones.
    pub(crate) async fn ask_at_pace(
        &mut self,
        exchange: &str,
        a_second: u32,
        duration: Duration,
    ) -> anyhow::Result<Load> {
        self.ask_by(Pace::ASecond(a_second), exchange, duration).await
    }

    async fn ask_by(&mut self, pace: Pace, exchange: &str, duration: Duration) -> anyhow::Result<Load> {
        let mut asking = self.asking.take().context("an earlier turn failed")?;
        let exchange = short(exchange);
        // In a task: on the thread of `block_on`, each answer would cost a hand-off.
        let task = tokio::spawn(async move {
            let run = async {
                match pace {
                    Pace::InFlight(requests) => asking.run(exchange, requests, duration).await,
                    Pace::ASecond(requests) => asking.run_at_pace(exchange, requests, duration).await,
                }
            };
            let load = tokio::time::timeout(duration + PATIENCE, run).await;
            (asking, load)
        });
        let (asking, load) = task.await?;
        self.asking = Some(asking);
        load.with_context(|| format!("some requests are unanswered after {PATIENCE:?}"))?
    }
}

impl Asking {
    async fn run(&mut self, exchange: ShortString, in_flight: usize, duration: Duration) -> anyhow::Result<Load> {
        let begin = Instant::now();
        let mut asked_at = vec![begin; in_flight];
        for (slot, at) in asked_at.iter_mut().enumerate() {
            *at = Instant::now();
            self.publish(&exchange, slot).await?;
        }
        let (mut latencies, mut unanswered, mut in_time) = (Vec::new(), in_flight, 0_u32);
        while unanswered > 0 {
            let slot = self.answered().await?;
            let now = Instant::now();
            let at = asked_at.get_mut(slot).context("an answer to somebody else")?;
            latencies.push(now - *at);
            if now - begin < duration {
                in_time += 1;
                *at = now;
                self.publish(&exchange, slot).await?;
            } else {
                unanswered -= 1;
            }
        }
        latencies.sort_unstable();
        Ok(Load { latencies, rate: f64::from(in_time) / duration.as_secs_f64() })
    }

    async fn run_at_pace(&mut self, exchange: ShortString, a_second: u32, duration: Duration) -> anyhow::Result<Load> {
        let (begin, mut due) = (Instant::now(), tokio::time::interval(Duration::from_secs(1) / a_second));
        let (mut asked_at, mut latencies) = (Vec::new(), Vec::new());
        while begin.elapsed() < duration || latencies.len() < asked_at.len() {
            tokio::select! {
                _ = due.tick(), if begin.elapsed() < duration => {
                    asked_at.push(Instant::now());
                    self.publish(&exchange, asked_at.len() - 1).await?;
                }
                slot = self.answered() => {
                    latencies.push(asked_at.get(slot?).context("an answer to somebody else")?.elapsed());
                }
            }
        }
        latencies.sort_unstable();
        let rate = latencies.len() as f64 / begin.elapsed().as_secs_f64();
        Ok(Load { latencies, rate })
    }

    /// Waits for the next answer, and tells to whose request.
    async fn answered(&mut self) -> anyhow::Result<usize> {
        let reply = self.replies.next().await.context("the client's consumer has ended")??;
        let kind = reply.properties.kind().as_ref().map(ShortString::as_str);
        ensure!(kind == Some(REPLY), "an answer of type {kind:?}: {}", String::from_utf8_lossy(&reply.data));
        let id = reply.properties.correlation_id().as_ref().context("an answer without a correlation id")?;
        id.as_str().parse().context("an answer to somebody else")
    }

    async fn publish(&mut self, exchange: &ShortString, slot: usize) -> anyhow::Result<()> {
        let mut body = std::borrow::Cow::Borrowed(&self.bodies[self.asked % self.bodies.len()][..]);
        let mut key = short(&self.keys[self.asked % self.keys.len()]);
        self.asked += 1;
        if self.talk != Talk::No {
            self.turns.resize(self.turns.len().max(slot + 1), 0);
            let conversation = format!("{exchange}-{slot}-{}", self.turns[slot] / TURNS);
            self.turns[slot] += 1;
            // Each body is an object.
            body = [format!(r#"{{"conversation":"{conversation}","#).as_bytes(), &body[1..]].concat().into();
            if self.talk == Talk::ToLane {
                key = short(&format!("conversation.{}", Lane::of(&conversation)));
            }
        }
        let properties = BasicProperties::default()
            .with_content_type(short("application/json"))
            .with_delivery_mode(2)
            .with_reply_to(short(REPLY_TO))
            .with_correlation_id(short(&slot.to_string()));
        let options = BasicPublishOptions::default();
        // The channel confirms nothing: a request that is lost is one that stays unanswered.
        drop(self.channel.basic_publish(exchange.clone(), key, options, &body, properties).await?);
        Ok(())
    }
}
