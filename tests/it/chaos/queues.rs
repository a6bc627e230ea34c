//! Queues that are deleted, full, or missing.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chatbot_worker::amqp::{Names, WorkQueue};
use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties,
    options::{BasicConsumeOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    task::{JoinSet, block_in_place},
    time::sleep,
};

use super::{load::Load, report, requests, subject::Subject, until};
use crate::{
    node::Node,
    support::{Client, broker_url, intent, short},
};

#[tokio::test(flavor = "multi_thread")]
async fn work_queue_deleted() {
    let url = broker_url();
    // So few that, also in a short run, the worker doesn't hold all that is in the queue.
    let subject = Subject::new(&url, &url).with("CHATBOT_AMQP_PREFETCH", "16");
    let worker = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let client = Client::new(&url, &subject.names).await;
    let (count, quarter) = (requests(), requests() / 4);
    load.send(quarter).await;
    until("these are answered", || async { load.ledger().progress().1 == 0 }).await;
    // Held, so that it is known what is in the queue: a part is handed out, and the rest ready.
    worker.signal("STOP");
    until("the worker is stopped", || async { worker.is_stopped() }).await;
    let held = Instant::now();
    load.send(quarter).await;
    let ready = delete(&client, &subject.names.queue(&WorkQueue::Requests)).await;
    let deleted = Instant::now();
    worker.signal("CONT");
    let fault = async {
        let unready = worker.unready_after(deleted).await;
        assert!(unready - deleted < Duration::from_secs(1), "not ready only {:?} after", unready - deleted);
        worker.ready_after(unready).await;
        assert!(subject.is_consumed().await, "it says that it is ready, and a consumer is missing");
    };
    tokio::join!(load.send_within(count - 3 * quarter, Duration::from_secs(2)), fault);
    load.send(quarter).await;
    until("what came later is answered", || async { load.ledger().open_after(deleted) == 0 }).await;
    // What was in the queue went with it; that is the operator's doing. Of that, the worker may answer what it held.
    load.ledger().drop_unanswered(|id, published| held < published && published < deleted && load.is_to_requests(id));
    let account = load.settled().await;
    assert!((ready.max(1)..=quarter).contains(&account.dropped), "{ready} were ready: {account:?}");
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
    let node = block_in_place(|| Node::start("leaving"));
    let subject = Subject::new(&node.url, &node.url);
    let worker = subject.start().await;
    let replies = Replies::trace(&node).await;
    let load = Load::start(&[&node.url], &subject.names).await;
    let leaving = Load::unheard(&[&node.url], &subject.names, &[]).await;
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
    // Of those that have left, each answer was seen on its way, and went with their queue, or found nobody.
    let replied = || {
        leaving.ledger().drop_unanswered(|id, _| replies.seen.lock().unwrap().contains(id));
        leaving.ledger().progress().1 == 0
    };
    until("every answer that nobody waits for is seen", || async { replied() }).await;
    let results = async |result: &str| worker.metric(&format!("chatbot_replies_total{{result=\"{result}\"}}")).await;
    let (confirmed, gone) = (results("sent").await, results("gone").await);
    let sent = account.sent + leaving.ledger().account().sent;
    assert!(gone > 0.0, "no reply found the queue gone");
    assert!(confirmed + gone >= sent as f64, "{confirmed} confirmed, {gone} found nobody, of {sent}");
    let account = account.and(leaving.ledger().account());
    report("reply_queue_deleted", &account, load.ledger().recovery(deleted));
}

/// The ids of the requests to which a reply was published, wherever that went, as RabbitMQ's tracing tells them.
struct Replies {
    seen: Arc<Mutex<HashSet<String>>>,
    _connection: Connection,
    _task: JoinSet<()>,
}

impl Replies {
    /// See <https://www.rabbitmq.com/docs/firehose>.
    async fn trace(node: &Node) -> Self {
        block_in_place(|| node.ctl(&["trace_on"]));
        let connection = Connection::connect(&node.url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let (queue, none) = (short("traced"), FieldTable::default);
        let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
        channel.queue_declare(queue.clone(), exclusive, none()).await.unwrap();
        // What is published to the default exchange.
        let (exchange, key) = (short("amq.rabbitmq.trace"), short("publish."));
        channel.queue_bind(queue.clone(), exchange, key, Default::default(), none()).await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let mut traced = channel.basic_consume(queue, short(""), options, none()).await.unwrap();
        let seen = Arc::<Mutex<HashSet<_>>>::default();
        let (mut task, ids) = (JoinSet::new(), seen.clone());
        task.spawn(async move {
            while let Some(Ok(message)) = traced.next().await {
                let reply: serde_json::Value = serde_json::from_slice(&message.data).unwrap_or_default();
                if let (Some("chat.reply"), Some(id)) = (reply["type"].as_str(), reply["in_reply_to"].as_str()) {
                    ids.lock().unwrap().insert(id.to_owned());
                }
            }
        });
        Self { seen, _connection: connection, _task: task }
    }
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
            client.make_dead_letter_queue(&queue).await;
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

/// Deletes a queue that is there; tells how many messages in it were ready.
async fn delete(client: &Client, queue: &str) -> usize {
    assert!(client.exists(queue).await, "{queue}");
    let ready = client.channel.queue_delete(short(queue), QueueDeleteOptions::default()).await.unwrap();
    ready.try_into().unwrap()
}
