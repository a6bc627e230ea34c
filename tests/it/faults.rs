//! Faults of single messages, and a worker's end with work in hand. Those under load are in `chaos`.

use std::{collections::BTreeSet, time::Duration};

use chatbot_worker::amqp::WorkQueue;
use lapin::{
    BasicProperties,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};

use crate::{
    node::Node,
    process::WorkerProcess,
    support::{Bench, Client, Slow, eventually, header, headers, intent, remove, short},
};

/// A client's durable reply queue, and what arrives in it.
struct Durable {
    queue: String,
}

impl Durable {
    async fn declare(client: &Client) -> Self {
        let queue = format!("{}-answers", client.names.exchange());
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let quorum = headers(&[("x-queue-type", AMQPValue::LongString("quorum".into()))]);
        client.channel.queue_declare(short(&queue), options, quorum).await.unwrap();
        Self { queue }
    }

    fn properties(&self, correlation_id: &str) -> BasicProperties {
        BasicProperties::default()
            .with_reply_to(short(&self.queue))
            .with_correlation_id(short(correlation_id))
            .with_message_id(short(correlation_id))
            .with_delivery_mode(2)
    }

    /// Takes answers until each of these requests has one.
    async fn all(&self, client: &Client, mut wanted: BTreeSet<String>) {
        while !wanted.is_empty() {
            let answer = client.take(&self.queue).await;
            let json: serde_json::Value = serde_json::from_slice(&answer.data).unwrap();
            assert_eq!(json["type"], "chat.reply", "{json}");
            wanted.remove(answer.properties.correlation_id().as_ref().unwrap().as_str());
        }
    }

    async fn delete(&self, client: &Client) {
        client.channel.queue_delete(short(&self.queue), QueueDeleteOptions::default()).await.unwrap();
    }
}

async fn publish(client: &Client, answers: &Durable, count: usize) -> BTreeSet<String> {
    let ids: BTreeSet<String> = (0..count).map(|number| format!("r{number}")).collect();
    for id in &ids {
        client.publish("request", answers.properties(id), b"refund").await;
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_with_a_hundred_requests_in_flight_loses_none() {
    let bench = Bench::new();
    let (url, names) = (crate::support::broker_url(), bench.names.clone());
    // The first start declares; it then stops, so that the requests wait.
    bench.start().await.stop_and_leave().await;
    let client = Client::new(&url, &names).await;
    let answers = Durable::declare(&client).await;
    let ids = publish(&client, &answers, 100).await;
    let mut worker = WorkerProcess::start(&url, &names);
    let requests = names.queue(&WorkQueue::Requests);
    eventually("all requests in flight", || async { (client.depth(&requests).await == 0).then_some(()) }).await;
    worker.kill();
    let _second = WorkerProcess::start(&url, &names);
    answers.all(&client, ids).await;
    answers.delete(&client).await;
    remove(&url, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forward_whose_queue_is_missing_is_declared_again_and_retried() {
    let worker = Bench::new().start().await;
    let client = worker.client().await;
    let queue = worker.names.queue(&WorkQueue::Intent(intent("outside")));
    client.channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await.unwrap();
    client.publish("request", client.properties("c"), b"outside").await;
    assert_eq!(client.take(&queue).await.data, b"outside");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_in_a_queue_is_told_by_the_worker_that_comes() {
    let bench = Bench::new();
    let (url, names) = (crate::support::broker_url(), bench.names.clone());
    bench.start().await.stop_and_leave().await;
    let mut client = Client::new(&url, &names).await;
    client.publish("request.x", client.properties("late").with_expiration(short("1")), b"refund").await;
    let died = names.died();
    eventually("the expiry", || async { (client.depth(&died).await == 1).then_some(()) }).await;
    let mut bench = Bench::new();
    bench.names = names.clone();
    bench.settings.names = names;
    let worker = bench.start().await;
    let told = client.next().await;
    assert_eq!((told.code(), told.correlation_id()), (Some("deadline_exceeded"), Some("late")));
    let letter = client.dead_letter(&WorkQueue::Requests).await;
    assert_eq!(header(&letter, "chatbot-routing-key").as_deref(), Some("request.x"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_what_is_in_flight_and_leaves_the_rest_in_its_queue() {
    let worker = Bench::new().start().await;
    let client = worker.client().await;
    let answers = Durable::declare(&client).await;
    let ids = publish(&client, &answers, 300).await;
    let (url, names) = (worker.url.clone(), worker.names.clone());
    worker.stop_and_leave().await;
    let mut bench = Bench::new();
    bench.names = names.clone();
    bench.settings.names = names.clone();
    let worker = bench.start().await;
    answers.all(&client, ids).await;
    let requests = names.queue(&WorkQueue::Requests);
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let left = client.channel.queue_declare(short(&requests), options, FieldTable::default()).await.unwrap();
    assert_eq!(left.message_count(), 0);
    answers.delete(&client).await;
    worker.stop_and_leave().await;
    remove(&url, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_first_queue_that_nobody_has_is_not_believed() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    for queue in ["intent.nosuch", "requests.dead", "retry.100"] {
        let queue = format!("{}.{queue}", worker.names.exchange());
        let forged = headers(&[("chatbot-queue", AMQPValue::LongString(queue.as_str().into()))]);
        client.publish("request", client.properties("c").with_headers(forged), b"").await;
        assert_eq!(client.next().await.code(), Some("invalid_message"), "{queue}");
        let letter = client.dead_letter(&WorkQueue::Requests).await;
        assert_eq!(header(&letter, "chatbot-queue"), Some(worker.names.queue(&WorkQueue::Requests)));
    }
    // As a worker's own forward would come back through the alternate exchange.
    let forged = headers(&[
        ("chatbot-queue", AMQPValue::LongString(format!("{}.intent.nosuch", worker.names.exchange()).into())),
        ("chatbot-intent", AMQPValue::LongString("nosuch".into())),
    ]);
    let properties = client.properties("c").with_headers(forged);
    client.publish_to(&worker.names.died(), "intent.nosuch", properties, b"x").await;
    assert_eq!(client.next().await.code(), Some("unroutable"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_with_a_backlog_hands_each_message_back_once() {
    let mut bench = Bench::new();
    for name in ["refund", "queued", "help_info", "product_info"] {
        bench = bench.handler(name, Slow(Duration::from_millis(50)));
    }
    bench.settings.prefetch = std::num::NonZeroU16::new(20).unwrap();
    // Room for two at a time, so that the rest of the prefetched isn't started.
    bench.settings.memory_budget = 2 * 1024;
    let worker = bench.start().await;
    let client = worker.client().await;
    let answers = Durable::declare(&client).await;
    // A backlog in each queue: the consumers of some are there yet while others are being cancelled.
    for number in 0..100 {
        for key in ["request", "intent.refund", "intent.queued", "intent.help_info", "intent.product_info"] {
            client.publish(key, answers.properties(&number.to_string()), b"refund").await;
        }
    }
    let (url, names) = (worker.url.clone(), worker.names.clone());
    worker.stop_and_leave().await;
    let mut counts = Vec::new();
    let intents = ["refund", "queued", "help_info", "product_info"].map(|name| WorkQueue::Intent(intent(name)));
    for queue in intents.into_iter().chain([WorkQueue::Requests]).map(|queue| names.queue(&queue)) {
        while client.depth(&queue).await > 0 {
            let message = client.take(&queue).await;
            counts.push(header(&message, "x-delivery-count").map_or(0, |count| count.parse::<u32>().unwrap()));
        }
    }
    assert!(counts.len() > 20, "{} are left", counts.len());
    assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
    answers.delete(&client).await;
    remove(&url, &names).await;
}

/// All that a session needs is declared anew, bindings too: nothing on the broker tells that they are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_reset_while_the_worker_ran_is_set_up_again() {
    let node = Node::start("reset");
    let worker = Bench::at(&node.url).start().await;
    let mut client = worker.client().await;
    assert_eq!(client.ask("request", "refund please").await.text(), Some("refund: refund please"));
    let mut ready = worker.ready.clone();
    for command in ["stop_app", "reset", "start_app"] {
        node.ctl(&[command]);
    }
    ready.wait_for(|ready| *ready).await.unwrap();
    let mut client = eventually("a client", || async {
        let url = worker.url.clone();
        lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.ok()?;
        Some(worker.client().await)
    })
    .await;
    // The session of before may only now notice that its broker is gone.
    eventually("the queue of requests", || async {
        client.exists(&worker.names.queue(&WorkQueue::Requests)).await.then_some(())
    })
    .await;
    ready.wait_for(|ready| *ready).await.unwrap();
    for key in ["request", "intent.queued"] {
        assert!(client.ask(key, "queued please").await.text().is_some(), "{key}");
    }
    client.publish("intent.refund", client.properties("c"), b"").await;
    client.dead_letter(&WorkQueue::Intent(intent("refund"))).await;
    worker.stop_and_leave().await;
}
