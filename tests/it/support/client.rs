//! A client that speaks plain AMQP to the worker under test.

use chatbot_worker::amqp::{Names, WorkQueue, objects::topology::Queue};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicGetOptions, BasicPublishOptions},
    types::{FieldTable, ShortString},
};

use super::{PATIENCE, eventually, short};

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
        assert!(self.is_taken(exchange, key, properties, body).await);
    }

    /// Publishes to an exchange of which a queue may just be going away, which RabbitMQ 4 answers with a nack; again until it
    /// takes it.
    pub async fn publish_to_who_is_left(&self, exchange: &str, properties: BasicProperties, body: &[u8]) {
        let taken = async { while !self.is_taken(exchange, "", properties.clone(), body).await {} };
        tokio::time::timeout(PATIENCE, taken).await.expect("the broker takes it in time");
    }

    async fn is_taken(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) -> bool {
        let options = BasicPublishOptions::default();
        let confirm = self.channel.basic_publish(short(exchange), short(key), options, body, properties).await.unwrap();
        confirm.await.unwrap().is_ack()
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
