//! Retries and deadlines, on a real broker: growing delays, and nothing done for an answer that nobody waits for.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chatbot_worker::{
    amqp::WorkQueue,
    handler::{Answer, Handler, HandlerError, Job},
};

use lapin::{message::Delivery, options::BasicRejectOptions, types::AMQPValue};

use crate::{
    answered::Counting,
    support::{Arrived, Bench, eventually, header, headers, intent, short},
};

/// Is away, each time that it is asked.
#[derive(Clone, Default)]
struct Away(Arc<Mutex<Vec<Instant>>>);

impl Away {
    fn asked(&self) -> Vec<Instant> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Handler for Away {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, _: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        self.0.lock().unwrap().push(Instant::now());
        Err(HandlerError::Unavailable { intent: intent("refund"), reason: "away".to_owned() })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delays_grow_and_the_client_is_told_at_once_when_attempts_are_used_up() {
    let away = Away::default();
    let worker = Bench::new().handler("refund", away.clone()).start().await;
    let mut client = worker.client().await;
    assert_eq!(client.ask("request", "refund").await.code(), Some("internal"));
    let told = Instant::now();
    let asked = away.asked();
    let waits: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits.len(), 2);
    assert!(waits[0] >= Duration::from_millis(100) && waits[1] >= Duration::from_millis(200), "{waits:?}");
    // The shortest delay would show.
    assert!(told - asked[2] < Duration::from_millis(2_000), "{:?}", told - asked[2]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_tried_again_past_the_deadline_and_the_client_is_told_at_once() {
    let away = Away::default();
    let mut bench = Bench::new().handler("refund", away.clone());
    bench.parts.retry.delays = vec![Duration::from_millis(100), Duration::from_secs(30)];
    let worker = bench.start().await;
    let mut client = worker.client().await;
    let began = Instant::now();
    client.publish("request", client.properties("c").with_expiration(short("20000")), b"refund").await;
    assert_eq!(client.next().await.code(), Some("internal"), "the second delay would end after the deadline");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(away.asked().len(), 2);
    let letter = client.dead_letter(&WorkQueue::Requests).await;
    assert_eq!(header(&letter, "chatbot-attempt").as_deref(), Some("2"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_after_a_retrys_delay_is_told_from_what_expires() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let outside = WorkQueue::Intent(intent("outside"));
    let queue = worker.names.queue(&outside);
    // As a program that answers an intent may try again later: by way of the workers' delays.
    let delay = headers(&[("chatbot-retry-delay-ms", AMQPValue::LongLongInt(100))]);
    client
        .publish_to(&worker.names.retry_exchange(), &queue, client.properties("rejected").with_headers(delay), b"x")
        .await;
    let message = eventually("the message after its delay", || async {
        client.channel.basic_get(short(&queue), Default::default()).await.unwrap()
    });
    let delivery = message.await.delivery;
    assert_eq!(header(&delivery, "x-first-death-reason").as_deref(), Some("expired"));
    delivery.acker.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let check = |id: &str, code: &str, answer: Arrived, letter: Delivery| {
        assert_eq!((answer.correlation_id(), answer.code()), (Some(id), Some(code)));
        assert_eq!(header(&letter, "chatbot-dead-reason").as_deref(), Some(code));
    };
    let (answer, letter) = (client.next().await, client.dead_letter(&outside).await);
    check("rejected", "handler_failed", answer, letter);
    client.publish("intent.outside", client.properties("expired").with_expiration(short("100")), b"x").await;
    let (answer, letter) = (client.next().await, client.dead_letter(&outside).await);
    check("expired", "deadline_exceeded", answer, letter);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_memory_until_its_deadline_is_not_worked_on() {
    let counting = Counting::waiting(0);
    let late = [("second", "help_info"), ("third", "product_info"), ("fourth", "queued")];
    let mut bench = Bench::new().handler("refund", counting.clone());
    for (_, name) in late {
        bench = bench.handler(name, counting.clone());
    }
    // Room for one at a time, and for what the broker took out of a queue.
    bench.settings.memory_budget = 20 * 1024;
    let worker = bench.start().await;
    let mut client = worker.client().await;
    let body = "x".repeat(12 * 1024);
    client.publish("intent.refund", client.properties("first"), body.as_bytes()).await;
    eventually("the first run", || async { (counting.runs() == 1).then_some(()) }).await;
    for (id, name) in late {
        let properties = client.properties(id).with_expiration(short("1000"));
        client.publish(&format!("intent.{name}"), properties, body.as_bytes()).await;
        let queue = worker.names.queue(&WorkQueue::Intent(intent(name)));
        eventually("its delivery", || async { (client.depth(&queue).await == 0).then_some(()) }).await;
    }
    // Nobody consumes that queue: when this has expired, so have they.
    client.publish("intent.outside", client.properties("after").with_expiration(short("3000")), b"x").await;
    assert_eq!(client.next().await.correlation_id(), Some("after"));
    counting.may_end.add_permits(100);
    let mut told = Vec::new();
    for _ in 0..4 {
        let answer = client.next().await;
        told.push((answer.correlation_id().unwrap().to_owned(), answer.code().map(str::to_owned)));
    }
    told.sort();
    let late = Some("deadline_exceeded".to_owned());
    let expected = [("first", None), ("fourth", late.clone()), ("second", late.clone()), ("third", late)];
    assert_eq!(told, expected.map(|(id, code)| (id.to_owned(), code)));
    assert_eq!(counting.runs(), 1);
    worker.stop().await;
}
