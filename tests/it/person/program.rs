//! A person's program, as a test writes it.

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Consumer,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use serde_json::{Value, json};

use crate::support::{Arrived, Client, PATIENCE, Running, header, headers, short};

/// A person's program.
pub struct Person {
    pub(super) client: Client,
    handed: Consumer,
}

/// What lets it speak.
pub type Pass = String;

impl Person {
    /// One that takes what comes.
    pub async fn at(worker: &Running) -> Self {
        Self::by(worker.client().await, true).await
    }

    /// One that holds the first that comes, and takes no other.
    pub(super) async fn busy(worker: &Running) -> Self {
        Self::by(worker.client().await, false).await
    }

    /// One that speaks by this client.
    pub(super) async fn by(client: Client, no_ack: bool) -> Self {
        client.channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let queue = short(&format!("{}.person", client.names.exchange()));
        let options = BasicConsumeOptions { no_ack, ..Default::default() };
        let handed = client.channel.basic_consume(queue, short(""), options, FieldTable::default()).await.unwrap();
        Self { client, handed }
    }

    /// The next request that was handed over.
    pub async fn next(&mut self) -> (Arrived, Pass) {
        let delivery = tokio::time::timeout(PATIENCE, self.handed.next()).await.expect("it is handed over in time");
        let delivery = delivery.expect("the consumer lives").unwrap();
        let json = serde_json::from_slice(&delivery.data).unwrap();
        let pass = header(&delivery, "chatbot-conversation").expect("a pass");
        (Arrived { delivery, json }, pass)
    }

    pub(super) fn properties(&self, kind: &str, pass: &str) -> BasicProperties {
        let pass = lapin::types::AMQPValue::LongString(pass.into());
        let properties = self.client.properties(kind).with_type(short(kind));
        properties.with_headers(headers(&[("chatbot-conversation", pass)]))
    }

    /// Answers a request that was handed over, to where its user listens.
    pub async fn answers(&self, handed: &Arrived, text: &str) {
        let properties = handed.delivery.properties.clone();
        let answer = BasicProperties::default().with_correlation_id(properties.correlation_id().clone().unwrap());
        let (reply_to, body) = (properties.reply_to().clone().unwrap(), json!({"body": text}).to_string());
        self.client.publish_to("", reply_to.as_str(), answer, body.as_bytes()).await;
    }

    /// Says or does something; what comes of it.
    pub async fn sends(&mut self, kind: &str, pass: &str, body: &Value) -> Arrived {
        self.sends_as(self.properties(kind, pass), body).await
    }

    pub(super) async fn sends_as(&mut self, properties: BasicProperties, body: &Value) -> Arrived {
        self.client.publish("request", properties, body.to_string().as_bytes()).await;
        self.client.next().await
    }
}
