//! The memory of a worker that has much more to do than it can, with large bodies or large headers.

use chatbot_worker::amqp::WorkQueue;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use crate::{
    process::WorkerProcess,
    support::{Bench, Client, broker_url, eventually, headers, intent, remove, short},
};

/// How many messages each queue gets: more than a prefetch.
const EACH: u32 = 150;
/// How large each body is, in bytes.
const BODY: usize = 256 << 10;
/// How much a worker may take for them, in MiB: its budget in work, and as much handed out and waiting, twice over for
/// what the allocator keeps.
const MOST: usize = 4 * (LARGE_BUDGET >> 20);
/// The memory budget of [`WorkerProcess::start_large`], in bytes.
pub const LARGE_BUDGET: usize = 12 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_with_large_bodies_in_all_queues() {
    let body = format!("refund {}", "x".repeat(BODY));
    is_bounded(EACH, &BasicProperties::default(), body.as_bytes()).await;
}

/// How large all headers of a message are together, in bytes: nearly what is accepted.
const HEADERS: usize = 30 << 10;

/// Bodies of ten bytes: what counts are the headers, one that is large or thousands that are small. The latter take in
/// memory twenty times what they have on the wire.
#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_with_large_headers_in_all_queues() {
    let one = headers(&[("big", AMQPValue::LongString("x".repeat(HEADERS).into()))]);
    is_bounded(4 * EACH, &BasicProperties::default().with_headers(one), b"refund xyz").await;
    let mut many = FieldTable::default();
    for number in 0..HEADERS / 6 {
        many.insert(short(&format!("{number:04}")), AMQPValue::Void);
    }
    is_bounded(4 * EACH, &BasicProperties::default().with_headers(many), b"refund xyz").await;
}

/// Holds the memory of a worker that never answers to its budget, while each queue gets `each` of these messages.
async fn is_bounded(each: u32, properties: &BasicProperties, body: &[u8]) {
    let names = Bench::new().names;
    // Declares everything; its process is the measure of one that has nothing to do.
    let mut worker = WorkerProcess::start_large(&broker_url(), &names);
    let client = Client::new(&broker_url(), &names).await;
    let queues: Vec<_> = [WorkQueue::Requests]
        .into_iter()
        .chain(["help_info", "product_info", "queued", "refund"].map(|name| WorkQueue::Intent(intent(name))))
        .map(|queue| names.queue(&queue))
        .collect();
    eventually("a worker", || async { (consumers(&client.url, queues.last()?).await? == 1).then_some(()) }).await;
    let idle = worker.peak_memory();
    worker.kill();

    for queue in &queues {
        let publish = || client.publish_to("", queue, properties.clone(), body);
        futures_util::future::join_all((0..each).map(|_| publish())).await;
    }
    let worker = WorkerProcess::start_large(&broker_url(), &names);
    let mut last = (u32::MAX, 0);
    while last.1 < 40 {
        let depths = futures_util::future::join_all(queues.iter().map(|queue| client.depth(queue))).await;
        // To the last one, requests are forwarded.
        let all_taken_from = depths.iter().rev().skip(1).all(|&depth| depth < each);
        let waiting = depths.iter().sum();
        last = if waiting == last.0 && all_taken_from { (waiting, last.1 + 1) } else { (waiting, 0) };
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let grown = worker.peak_memory().saturating_sub(idle) >> 20;
    println!("{idle} bytes idle, {grown} MiB more with {} messages waiting in the broker", last.0);
    assert!(grown <= MOST, "the worker took {grown} MiB more than idle");
    drop(worker);
    remove(&broker_url(), &names).await;
}

/// How many consume a queue; none where it isn't there.
async fn consumers(url: &str, queue: &str) -> Option<u32> {
    let connection = lapin::Connection::connect(url, Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
    let declared = channel.queue_declare(crate::support::short(queue), options, Default::default()).await;
    let _ = connection.close(200, crate::support::short("done")).await;
    declared.ok().map(|queue| queue.consumer_count())
}
