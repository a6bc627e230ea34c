//! Queues that are deleted, full, or missing.

use std::time::{Duration, Instant};

use chatbot_worker::amqp::{Names, WorkQueue};
use lapin::{options::QueueDeleteOptions, types::AMQPValue};
use tokio::time::sleep;

use super::{load::Load, report, requests, subject::Subject, until};
use crate::support::{Client, broker_url, intent, short};

#[tokio::test(flavor = "multi_thread")]
async fn work_queue_deleted() {
    let url = broker_url();
    let subject = Subject::new(&url, &url);
    let worker = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let client = Client::new(&url, &subject.names).await;
    let fault = async {
        let began = Instant::now();
        delete(&client, &subject.names.queue(&WorkQueue::Requests)).await;
        let deleted = Instant::now();
        let unready = worker.unready_after(began).await;
        assert!(unready - deleted < Duration::from_secs(1), "not ready only {:?} after", unready - deleted);
        worker.ready_after(unready).await;
        assert!(subject.is_consumed().await, "it says that it is ready, and a consumer is missing");
        deleted
    };
    let deleted = load.around(fault).await;
    until("what came later is answered", || async { load.ledger().open_after(deleted) == 0 }).await;
    // What was in the queue went with it; that is the operator's doing.
    load.ledger().drop_unanswered_before(deleted);
    let account = load.settled().await;
    report("work_queue_deleted", &account, load.ledger().recovery(deleted));
    load.delete_reply_queue().await;
    drop(worker);
    subject.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn consumer_cancelled_by_the_broker() {
    let url = broker_url();
    let subject = Subject::new(&url, &url);
    let worker = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let client = Client::new(&url, &subject.names).await;
    let fault = async {
        let began = Instant::now();
        // Nothing goes by way of this one, so that nothing goes with it.
        delete(&client, &subject.names.queue(&WorkQueue::Intent(intent("product_info")))).await;
        let cancelled = Instant::now();
        let unready = worker.unready_after(began).await;
        assert!(unready - cancelled < Duration::from_secs(1), "not ready only {:?} after", unready - cancelled);
        worker.ready_after(unready).await;
        assert!(subject.is_consumed().await, "it says that it is ready, and a consumer is missing");
        cancelled
    };
    let cancelled = load.around(fault).await;
    let account = load.settled().await;
    report("consumer_cancelled_by_the_broker", &account, load.ledger().recovery(cancelled));
    load.delete_reply_queue().await;
    drop(worker);
    subject.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_queue_deleted() {
    let url = broker_url();
    let subject = Subject::new(&url, &url);
    let worker = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let leaving = Load::unheard(&[&url], &subject.names, &[]).await;
    let fault = async {
        let leaves = async {
            sleep(Duration::from_millis(500)).await;
            leaving.delete_reply_queue().await;
            Instant::now()
        };
        tokio::join!(leaves, leaving.send_within(requests() / 2, Duration::from_secs(1))).0
    };
    let deleted = load.around(fault).await;
    let account = load.settled().await;
    // Of those that have left, each answer was confirmed, and deleted with their queue, or found nobody.
    let sent = account.sent + leaving.ledger().progress().1;
    until("every answer that nobody waits for is accounted for", || async {
        let confirmed = worker.metric("chatbot_replies_total{result=\"sent\"}").await;
        let gone = worker.metric("chatbot_replies_total{result=\"gone\"}").await;
        gone > 0.0 && confirmed + gone >= sent as f64
    })
    .await;
    leaving.ledger().drop_unanswered_before(Instant::now());
    let account = account.and(leaving.ledger().account());
    report("reply_queue_deleted", &account, load.ledger().recovery(deleted));
    load.delete_reply_queue().await;
    drop(worker);
    subject.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_queue_full() {
    let url = broker_url();
    let subject = Subject::new(&url, &url);
    let worker = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let full =
        [("x-max-length", AMQPValue::LongInt(10)), ("x-overflow", AMQPValue::LongString("reject-publish".into()))];
    let mut stuck = Load::unheard(&[&url], &subject.names, &full).await;
    let fault = async {
        stuck.send_within(requests() / 2, Duration::from_secs(1)).await;
        Instant::now()
    };
    let sent = load.around(fault).await;
    let refusing = "chatbot_dead_letters_total{reason=\"reply_refused\"}";
    until("a reply that is refused", || async { worker.metric(refusing).await > 0.0 }).await;
    stuck.collect();
    let refused = stuck.settled().await;
    assert!(refused.dead > 0 && refused.reasons.keys().all(|reason| reason == "reply_refused"), "{refused:?}");
    let account = load.settled().await.and(refused);
    report("reply_queue_full", &account, load.ledger().recovery(sent));
    load.delete_reply_queue().await;
    stuck.delete_reply_queue().await;
    drop(worker);
    subject.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letter_queue_missing() {
    let url = broker_url();
    let subject = Subject::new(&url, &url);
    let worker = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let broken =
        Load::start(&[&url], &subject.names).await.asking(&[("request", ""), ("intent.queued", "{\"body\":\" \"}")]);
    let client = Client::new(&url, &subject.names).await;
    let fault = async {
        for queue in [WorkQueue::Requests, WorkQueue::Intent(intent("queued"))] {
            delete(&client, &Names::dead(&subject.names.queue(&queue))).await;
        }
        broken.send_within(requests() / 2, Duration::from_secs(1)).await;
        Instant::now()
    };
    let sent = load.around(fault).await;
    let refused = broken.settled().await;
    assert_eq!((refused.dead, refused.untold), (refused.sent, 0), "{refused:?}");
    let account = load.settled().await.and(refused);
    report("dead_letter_queue_missing", &account, load.ledger().recovery(sent));
    broken.delete_reply_queue().await;
    load.delete_reply_queue().await;
    drop(worker);
    subject.remove().await;
}

async fn delete(client: &Client, queue: &str) {
    client.channel.queue_delete(short(queue), QueueDeleteOptions::default()).await.unwrap();
}
