//! Too much to do: what is turned away, and that nobody who is slow stands in the others' way.

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use chatbot_worker::{
    amqp::{Names, WorkQueue},
    domain::Prediction,
    handler::{Answer, Handler, HandlerError, Job},
    model::{ModelClient, ModelError, Query},
};
use lapin::BasicProperties;
use tokio_util::sync::CancellationToken;

use crate::support::{Bench, Client, Echo, FirstWord, Slow, broker_url, header};

/// Answers nothing until it is let go.
struct Hanging(CancellationToken);

#[async_trait]
impl Handler for Hanging {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        self.0.cancelled().await;
        Echo.handle(job).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn intents_that_hang_with_large_bodies_leave_the_others_their_answers() {
    let let_go = CancellationToken::new();
    let mut bench = Bench::new();
    for name in ["refund", "queued"] {
        bench = bench.handler(name, Hanging(let_go.clone()));
    }
    bench.parts.handler_timeout = Duration::from_secs(120);
    let worker = bench.start().await;
    let mut client = worker.client().await;
    // More than the memory budget, and more than the prefetch, of each: inline by way of the requests, inline by their
    // own queue, and queued.
    let filler = "x".repeat(60 * 1024);
    for _ in 0..150 {
        for (key, text) in
            [("request", "refund "), ("intent.refund", ""), ("request", "queued "), ("intent.queued", "")]
        {
            client.publish(key, BasicProperties::default(), format!("{text}{filler}").as_bytes()).await;
        }
    }
    let started = tokio::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(client.ask("request", "product_info").await.text(), Some("product_info: product_info"));
        assert_eq!(client.ask("intent.product_info", "x").await.text(), Some("product_info: x"));
    }
    let large = format!("product_info {}", "y".repeat(60 * 1024));
    assert!(client.ask("request", &large).await.text().is_some());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    // They do hang, and what hangs beside them isn't lost.
    assert!(client.depth(&worker.names.queue(&WorkQueue::Intent(crate::support::intent("refund")))).await > 50);
    let_go.cancel();
    for name in ["refund", "queued"] {
        let queue = worker.names.queue(&WorkQueue::Intent(crate::support::intent(name)));
        crate::support::eventually("an empty queue", || async { (client.depth(&queue).await == 0).then_some(()) })
            .await;
    }
    worker.stop().await;
}

/// A model that counts how often it is asked.
struct Counting(Arc<AtomicUsize>);

#[async_trait]
impl ModelClient for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        FirstWord.classify(query).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_more_than_may_wait_is_turned_away_at_once_and_kept() {
    let bench = Bench::new();
    let names = bench.names.clone();
    bench.start().await.stop_and_leave().await;
    let mut client = Client::new(&broker_url(), &names).await;
    for number in 0..100 {
        client.publish("request", client.properties(&number.to_string()), b"refund").await;
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let mut bench = Bench::new().handler("refund", Slow(Duration::from_millis(100))).model(Counting(asked.clone()));
    bench.names = names.clone();
    bench.settings.names = names.clone();
    bench.settings.prefetch = NonZeroU16::new(5).unwrap();
    bench.settings.overload.max_depth = Some(10);
    let worker = bench.start().await;
    let (mut answered, mut turned_away) = (0, 0);
    for _ in 0..100 {
        let arrived = client.next().await;
        match arrived.code() {
            None => answered += 1,
            Some(code) => {
                assert_eq!((code, arrived.json["error"]["retryable"].as_bool()), ("overloaded", Some(true)));
                turned_away += 1;
            }
        }
    }
    assert!(turned_away >= 70 && answered >= 10, "{answered} answered, {turned_away} turned away");
    assert_eq!(asked.load(Ordering::Relaxed), answered, "no model is asked about what is turned away");
    let dead = Names::dead(&names.queue(&WorkQueue::Requests));
    assert_eq!(usize::try_from(client.depth(&dead).await).unwrap(), turned_away);
    assert_eq!(header(&client.take(&dead).await, "chatbot-dead-reason").as_deref(), Some("overloaded"));
    assert_eq!(client.ask("request", "product_info").await.text(), Some("product_info: product_info"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_too_long_is_turned_away() {
    let mut bench = Bench::new();
    bench.settings.overload.max_age = Some(Duration::from_secs(60));
    let worker = bench.start().await;
    let mut client = worker.client().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (key, sent, expected) in [
        ("request", now - 120, Some("overloaded")),
        ("intent.refund", now - 120, Some("overloaded")),
        ("request", now, None),
    ] {
        client.publish(key, client.properties("c").with_timestamp(sent), b"refund").await;
        assert_eq!(client.next().await.code(), expected, "{key} {sent}");
    }
    worker.stop().await;
}
