//! Answers as they are written, and answers that nobody wants any more.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatbot_worker::handler::{Answer, Handler, HandlerError, Job};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    conversations::Kept,
    support::{Bench, PATIENCE, Running, broker_url, eventually, headers, short},
};

/// Writes an answer word by word, each when it is told to.
#[derive(Clone, Default)]
pub struct Writes {
    next: Arc<Notify>,
    began: Arc<AtomicUsize>,
    /// How many were dropped before their end.
    stopped: Arc<AtomicUsize>,
    written: Arc<Mutex<usize>>,
}

pub const WORDS: [&str; 4] = ["退货", "很简单", "，", "三十天内"];

/// Tells that it was dropped before its end.
struct Unless<'a>(Option<&'a AtomicUsize>);

impl Drop for Unless<'_> {
    fn drop(&mut self) {
        if let Some(stopped) = self.0 {
            stopped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Handler for Writes {
    fn name(&self) -> &'static str {
        "test"
    }

    fn may_be_stopped(&self) -> bool {
        true
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let mut unless = Unless(Some(&self.stopped));
        self.began.fetch_add(1, Ordering::SeqCst);
        for end in 1..=WORDS.len() {
            self.next.notified().await;
            if let Some(listener) = job.listener {
                listener.so_far(WORDS[..end].concat(), Vec::new());
            }
            *self.written.lock().unwrap() = end;
        }
        unless.0 = None;
        Ok(Some(Answer::text(WORDS.concat() + "。", Some("zh".to_owned()))))
    }
}

impl Writes {
    /// Has the next words be written, up to the word of this number.
    pub async fn write(&self, words: usize) {
        eventually("the word is written", || async {
            let written = *self.written.lock().unwrap();
            if written < words {
                self.next.notify_one();
            }
            (written >= words).then_some(())
        })
        .await;
    }

    pub async fn begins(&self) {
        eventually("the answer is begun", || async { (self.began.load(Ordering::SeqCst) > 0).then_some(()) }).await;
    }

    /// Has the next word be written, whichever it is.
    pub fn go_on(&self) {
        self.next.notify_one();
    }

    pub fn begun(&self) -> usize {
        self.began.load(Ordering::SeqCst)
    }

    pub async fn is_stopped(&self) {
        eventually("the answer is stopped", || async { (self.stopped.load(Ordering::SeqCst) > 0).then_some(()) }).await;
    }
}

pub async fn worker(writes: &Writes) -> Running {
    let mut bench = Bench::new().handler("refund", writes.clone());
    bench.parts.handler_timeout = Duration::from_secs(60);
    let worker = bench.start().await;
    hears_cancels(&worker).await;
    worker
}

/// Waits until the worker hears what is cancelled: a moment after it is ready.
pub async fn hears_cancels(worker: &Running) {
    let client = worker.client().await;
    eventually("what is cancelled has a queue", || async {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let (exchange, none) = (short(worker.names.exchange()), BasicProperties::default());
        let confirm = client.channel.basic_publish(exchange, short("cancel"), options, b"", none).await.unwrap();
        matches!(confirm.await.unwrap(), Confirmation::Ack(None)).then_some(())
    })
    .await;
}

/// A client by direct reply-to, as most are.
struct Direct {
    connection: Connection,
    channel: Channel,
    answers: Consumer,
    exchange: String,
}

impl Direct {
    async fn of(worker: &Running) -> Self {
        let connection = Connection::connect(&broker_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let address = short("amq.rabbitmq.reply-to");
        let answers = channel.basic_consume(address, short(""), options, FieldTable::default()).await.unwrap();
        Self { connection, channel, answers, exchange: worker.names.exchange().to_owned() }
    }

    async fn publish(&self, key: &str, properties: BasicProperties, body: &Value) {
        let properties = properties.with_reply_to(short("amq.rabbitmq.reply-to")).with_correlation_id(short("c"));
        let options = BasicPublishOptions::default();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.channel.basic_publish(short(&self.exchange), short(key), options, &body, properties).await.unwrap();
    }

    /// Asks for an answer in parts.
    async fn ask(&self, id: &str) {
        self.publish("request", BasicProperties::default(), &json!({"id": id, "body": "refund", "stream": true})).await;
    }

    async fn next(&mut self) -> (Option<String>, Value) {
        let delivery = tokio::time::timeout(PATIENCE, self.answers.next()).await.expect("in time").unwrap().unwrap();
        assert_eq!(delivery.properties.correlation_id().as_ref().map(|id| id.as_str()), Some("c"));
        (
            delivery.properties.kind().as_ref().map(|kind| kind.to_string()),
            serde_json::from_slice(&delivery.data).unwrap(),
        )
    }

    /// The parts until the reply, and the reply.
    async fn rest(&mut self) -> (Vec<Value>, Value) {
        let mut parts = Vec::new();
        loop {
            match self.next().await {
                (Some(kind), part) if kind == "chat.reply.part" => parts.push(part),
                (_, reply) => return (parts, reply),
            }
        }
    }
}

fn text_of(parts: &[Value]) -> String {
    let run = parts.last().map(|part| part["run"].clone()).unwrap_or_default();
    let of_run: Vec<&Value> = parts.iter().filter(|part| part["run"] == run).collect();
    for (seq, part) in of_run.iter().enumerate() {
        assert_eq!(part["seq"], json!(seq), "{parts:?}");
    }
    of_run.iter().map(|part| part["delta"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_come_as_they_are_written_and_the_reply_is_whole() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let mut client = Direct::of(&worker).await;
    client.ask("7").await;
    for (seq, word) in WORDS.into_iter().enumerate() {
        writes.write(seq + 1).await;
        let (kind, part) = client.next().await;
        assert_eq!(kind.as_deref(), Some("chat.reply.part"));
        let run = part["run"].clone();
        let expected = json!({"type": "chat.reply.part", "in_reply_to": "7", "run": run, "seq": seq, "delta": word});
        assert_eq!(part, expected);
    }
    let (parts, reply) = client.rest().await;
    assert_eq!(
        (parts.len(), &reply["type"], &reply["body"]),
        (0, &json!("chat.reply"), &json!("退货很简单，三十天内。"))
    );
    assert_eq!(reply.get("finish"), None);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_asked_for_by_a_header_or_a_field_and_nobody_else_gets_any() {
    let text = |text: &str| AMQPValue::LongString(text.into());
    for (header, field, gets) in [
        (None, json!(true), true),
        (Some(AMQPValue::Boolean(true)), Value::Null, true),
        (Some(text("true")), Value::Null, true),
        (Some(AMQPValue::LongInt(1)), Value::Null, true),
        (None, Value::Null, false),
        (None, json!(false), false),
        (None, json!("yes"), false),
        (Some(AMQPValue::Boolean(false)), Value::Null, false),
        (Some(text("false")), Value::Null, false),
    ] {
        let writes = Writes::default();
        let worker = worker(&writes).await;
        let mut client = Direct::of(&worker).await;
        let mut properties = BasicProperties::default();
        if let Some(header) = header.clone() {
            properties = properties.with_headers(headers(&[("accept-stream", header)]));
        }
        client.publish("request", properties, &json!({"body": "refund", "stream": field})).await;
        writes.write(WORDS.len()).await;
        let (parts, reply) = client.rest().await;
        assert_eq!(reply["body"], "退货很简单，三十天内。");
        assert_eq!(text_of(&parts), if gets { WORDS.concat() } else { String::new() }, "{header:?} {field}");
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_stopped_once_its_client_has_left() {
    // By direct reply-to, with parts or without.
    for stream in [true, false] {
        let writes = Writes::default();
        let worker = worker(&writes).await;
        let client = Direct::of(&worker).await;
        let body = json!({"body": "refund", "stream": stream});
        client.publish("request", BasicProperties::default(), &body).await;
        writes.write(1).await;
        client.connection.close(200, short("bye")).await.unwrap();
        writes.is_stopped().await;
        worker.stop().await;
    }
    // At an exclusive queue, which nobody else may ask about: the next part tells.
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let client = worker.client().await;
    client.publish("request", client.properties("c"), br#"{"body":"refund","stream":true}"#).await;
    writes.write(1).await;
    client.connection.close(200, short("bye")).await.unwrap();
    // RabbitMQ 4.3 deletes it a moment later.
    let queue = client.reply_queue.clone();
    eventually("its queue is gone", || async {
        let connection = Connection::connect(&broker_url(), ConnectionProperties::default()).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let gone = channel.queue_declare(short(&queue), options, FieldTable::default()).await.err();
        let _ = connection.close(200, short("done")).await;
        gone.filter(|why| why.to_string().contains("NOT_FOUND")).map(|_| ())
    })
    .await;
    writes.write(2).await;
    writes.is_stopped().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_before_costs_nothing_and_who_comes_back_gets_the_whole() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let client = worker.client().await;
    let gone = BasicProperties::default().with_reply_to(short("nobody.is.here")).with_message_id(short("7"));
    client.publish("request", gone, b"refund").await;
    // Whoever comes behind it finds that it was never begun.
    let mut direct = Direct::of(&worker).await;
    direct.publish("request", BasicProperties::default().with_message_id(short("7")), &json!({"body": "refund"})).await;
    writes.begins().await;
    writes.write(WORDS.len()).await;
    let (_, reply) = direct.rest().await;
    assert_eq!((&reply["body"], reply.get("finish")), (&json!("退货很简单，三十天内。"), None));
    assert_eq!(writes.began.load(Ordering::SeqCst), 1);
    worker.stop().await;
}

/// Cancels the request of this id, as a client does that has no other right than to ask.
async fn cancel(client: &Direct, id: &str) {
    let properties = BasicProperties::default().with_type(short("chat.cancel"));
    client.publish("cancel", properties, &json!({"id": id})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stops_its_answer_and_gets_what_there_was() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let (mut client, other) = (Direct::of(&worker).await, Direct::of(&worker).await);
    client.ask("7").await;
    writes.write(2).await;
    // Neither another's, nor another request's.
    cancel(&other, "7").await;
    cancel(&client, "8").await;
    client.publish("cancel", BasicProperties::default().with_message_id(short("7")), &json!({"body": "stop"})).await;
    writes.write(3).await;
    assert_eq!(writes.stopped.load(Ordering::SeqCst), 0);
    cancel(&client, "7").await;
    let (parts, reply) = client.rest().await;
    assert_eq!(text_of(&parts), "退货很简单，");
    let told = (&reply["body"], &reply["finish"], &reply["in_reply_to"], &reply["handler"]);
    assert_eq!(told, (&json!("退货很简单，"), &json!("cancelled"), &json!("7"), &json!("test")));
    writes.is_stopped().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_cancelled_before_it_is_begun_is_not_begun() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let mut client = Direct::of(&worker).await;
    // Heard before the request comes, as one in work shows that is cancelled behind it.
    cancel(&client, "8").await;
    client.ask("7").await;
    writes.begins().await;
    cancel(&client, "7").await;
    assert_eq!(client.rest().await.1["in_reply_to"], "7");
    for key in ["request", "intent.refund"] {
        client
            .publish(key, BasicProperties::default(), &json!({"id": "8", "body": "refund", "metadata": {"a": 1}}))
            .await;
        let (parts, reply) = client.rest().await;
        assert!(parts.is_empty());
        let told = (&reply["body"], &reply["finish"], &reply["in_reply_to"], &reply["metadata"]["a"]);
        assert_eq!(told, (&json!(""), &json!("cancelled"), &json!("8"), &json!(1)), "{key}");
    }
    assert_eq!(writes.began.load(Ordering::SeqCst), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_stopped_counts_with_what_was_said() {
    let (writes, store) = (Writes::default(), Arc::new(Kept::default()));
    let mut bench = Bench::new().handler("refund", writes.clone()).conversations(store.clone());
    bench.parts.handler_timeout = Duration::from_secs(60);
    let worker = bench.start().await;
    hears_cancels(&worker).await;
    let mut client = Direct::of(&worker).await;
    let body = json!({"id": "7", "body": "refund", "conversation": "c", "stream": true});
    client.publish("request", BasicProperties::default(), &body).await;
    writes.write(2).await;
    cancel(&client, "7").await;
    let (parts, reply) = client.rest().await;
    assert_eq!((text_of(&parts).as_str(), &reply["finish"]), ("退货很简单", &json!("cancelled")));
    assert_eq!(store.said()["c"], ["refund"]);
    // A repetition has the same reply, and no parts.
    client.publish("request", BasicProperties::default(), &body).await;
    let (parts, again) = client.rest().await;
    assert_eq!((parts.len(), again), (0, reply));
    client.publish("request", BasicProperties::default(), &json!({"body": "help_info", "conversation": "c"})).await;
    assert_eq!(client.rest().await.1["body"], "help_info: help_info");
    assert_eq!(store.said()["c"], ["refund", "help_info"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_in_the_middle_of_a_turn_and_comes_back_gets_the_whole() {
    let (writes, store) = (Writes::default(), Arc::new(Kept::default()));
    let mut bench = Bench::new().handler("refund", writes.clone()).conversations(store.clone());
    bench.parts.handler_timeout = Duration::from_secs(60);
    let worker = bench.start().await;
    let client = Direct::of(&worker).await;
    let body = json!({"id": "7", "body": "refund", "conversation": "c", "stream": true});
    client.publish("request", BasicProperties::default(), &body).await;
    writes.write(2).await;
    client.connection.close(200, short("bye")).await.unwrap();
    writes.is_stopped().await;
    let mut again = Direct::of(&worker).await;
    again.publish("request", BasicProperties::default(), &body).await;
    writes.write(WORDS.len()).await;
    let (_, reply) = again.rest().await;
    assert_eq!((&reply["body"], reply.get("finish")), (&json!("退货很简单，三十天内。"), None));
    assert_eq!(store.said()["c"], ["refund"], "it is said once");
    worker.stop().await;
}
