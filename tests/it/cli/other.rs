//! Another program, which consumes an intent's queue.

use chatbot_worker::amqp::{Names, WorkQueue};
use futures_util::StreamExt;
use lapin::{
    Channel, Connection, ConnectionProperties, Consumer, ExchangeKind,
    message::Delivery,
    options::{
        BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};

use crate::support::{PATIENCE, broker_url, intent, short};

pub async fn connect() -> (Connection, Channel) {
    let connection = Connection::connect(&broker_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Somebody else's program that consumes an intent's queue.
pub struct Other {
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
}

impl Other {
    /// Consumes the queue of `intent`, which is bound or isn't.
    pub async fn new(names: &Names, name: &str, bound: bool) -> Self {
        let (connection, channel) = connect().await;
        let (exchange, none) = (names.exchange(), FieldTable::default());
        let queue = names.queue(&WorkQueue::Intent(intent(name)));
        let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
        channel.exchange_declare(short(exchange), ExchangeKind::Topic, options, none.clone()).await.unwrap();
        let options = QueueDeclareOptions { exclusive: false, auto_delete: true, durable: true, ..Default::default() };
        channel.queue_declare(short(&queue), options, none.clone()).await.unwrap();
        // The exchange goes when its last binding does.
        let key = if bound { Names::intent_key(&intent(name)) } else { "elsewhere".to_owned() };
        let options = QueueBindOptions::default();
        channel.queue_bind(short(&queue), short(exchange), short(&key), options, none.clone()).await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consumer = channel.basic_consume(short(&queue), short(""), options, none).await.unwrap();
        Self { connection, channel, consumer }
    }

    pub async fn next(&mut self) -> Delivery {
        tokio::time::timeout(PATIENCE, self.consumer.next()).await.unwrap().unwrap().unwrap()
    }

    pub async fn answer(&self, to: &Delivery, body: &str) {
        let properties =
            lapin::BasicProperties::default().with_correlation_id(to.properties.correlation_id().clone().unwrap());
        let (reply_to, options) = (to.properties.reply_to().clone().unwrap(), BasicPublishOptions::default());
        self.channel.basic_publish(short(""), reply_to, options, body.as_bytes(), properties).await.unwrap();
    }

    pub async fn stop(self) {
        self.connection.close(200, short("done")).await.unwrap();
    }
}

pub fn reply(body: &str) -> String {
    format!(r#"{{"type":"chat.reply","id":"r","sender":"other","body":"{body}","intent":{{"name":"slow"}}}}"#)
}
