//! Exchanges and bindings that somebody takes away while a worker runs.

use std::time::Duration;

use chatbot_worker::amqp::{Names, WorkQueue, objects::declare::TopologyMode};
use lapin::{
    Confirmation,
    options::{BasicPublishOptions, ExchangeDeleteOptions},
    types::FieldTable,
};
use tokio::time::{Instant, timeout};

use crate::{
    admin::{Admin, complaints, shell},
    support::{Arrived, Bench, Client, PATIENCE, broker_url, eventually, intent, short},
};

/// A worker that looks all the time, or never, whether somebody took something away.
fn bench(upkeep: Duration) -> Bench {
    let mut bench = Bench::new();
    bench.settings.upkeep = upkeep;
    bench
}

const ALWAYS: Duration = Duration::from_millis(100);
const NEVER: Duration = Duration::from_secs(3600);

async fn unbind(client: &Client, queue: &WorkQueue, key: &str) {
    let (queue, exchange) = (short(&client.names.queue(queue)), short(client.names.exchange()));
    client.channel.queue_unbind(queue, exchange, short(key), FieldTable::default()).await.unwrap();
}

async fn delete_exchange(client: &Client) {
    let exchange = short(client.names.exchange());
    client.channel.exchange_delete(exchange, ExchangeDeleteOptions::default()).await.unwrap();
}

/// Publishes until a queue takes it, and waits for the answer.
async fn asked(client: &mut Client, key: &str, text: &str) -> Arrived {
    let asker = &*client;
    eventually("a queue that takes it", || async {
        // On a channel of its own, which an exchange that is missing closes.
        let channel = asker.connection.create_channel().await.unwrap();
        channel.confirm_select(Default::default()).await.unwrap();
        let (options, exchange) =
            (BasicPublishOptions { mandatory: true, ..Default::default() }, short(asker.names.exchange()));
        let publish = channel.basic_publish(exchange, short(key), options, text.as_bytes(), asker.properties("c1"));
        let confirmed = publish.await.ok()?.await;
        let is_taken = matches!(confirmed, Ok(Confirmation::Ack(None)));
        let _ = channel.close(200, short("done")).await;
        is_taken.then_some(())
    })
    .await;
    client.next().await
}

/// Asks until the answer is another than that nobody binds the key.
async fn asked_until_bound(client: &mut Client, key: &str, text: &str) -> Arrived {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.ask(key, text).await;
        if answer.code() != Some("unroutable") {
            return answer;
        }
        assert!(Instant::now() < deadline, "'{key}' stays unbound");
    }
}

fn set_unroutable_policy(admin: &Admin) {
    let printed = admin.run(&["topology", "policy"]).out;
    let policy = |line: &&str| line.starts_with("rabbitmqctl") && line.contains("alternate-exchange");
    shell(printed.lines().find(policy).unwrap());
}

fn clear_unroutable_policy(names: &Names) {
    shell(&format!("rabbitmqctl clear_policy {}", names.unroutable_policy()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_that_somebody_deletes_is_made_again_and_ends_no_session() {
    let worker = bench(ALWAYS).start().await;
    let ready = worker.ready.clone();
    let mut client = worker.client().await;
    for (queue, key) in [(WorkQueue::Requests, "request.#"), (WorkQueue::Intent(intent("refund")), "intent.refund")] {
        unbind(&client, &queue, key).await;
        let answer = asked(&mut client, key.trim_end_matches(".#"), "refund please").await;
        assert_eq!(answer.text(), Some("refund: refund please"));
    }
    assert!(!ready.has_changed().unwrap(), "the session lives on");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_somebody_deletes_is_made_again_with_all_its_bindings() {
    let worker = bench(ALWAYS).start().await;
    let mut client = worker.client().await;
    delete_exchange(&client).await;
    for (key, text) in [("request", "refund please"), ("intent.refund", "refund please")] {
        assert_eq!(asked(&mut client, key, text).await.text(), Some("refund: refund please"));
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_not_declare_is_not_ready_while_its_exchange_is_missing() {
    let mut bench = bench(ALWAYS);
    bench.settings.topology = TopologyMode::Verify;
    let admin = Admin::new(&bench.names, &broker_url());
    assert_eq!(admin.run(&["topology", "declare"]).code, Some(0));
    let worker = bench.start().await;
    let mut ready = worker.ready.clone();
    let mut client = worker.client().await;
    delete_exchange(&client).await;
    assert!(timeout(PATIENCE, ready.wait_for(|ready| !*ready)).await.is_ok_and(|ready| ready.is_ok()));
    assert_eq!(admin.run(&["topology", "declare"]).code, Some(0));
    assert!(timeout(PATIENCE, ready.wait_for(|ready| *ready)).await.is_ok_and(|ready| ready.is_ok()));
    assert_eq!(asked(&mut client, "request", "refund please").await.text(), Some("refund: refund please"));
    worker.stop_and_leave().await;
    admin.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_as_unroutable_has_its_queue_bound_again_at_once() {
    let worker = bench(NEVER).start().await;
    let admin = Admin::new(&worker.names, &broker_url());
    set_unroutable_policy(&admin);
    let mut client = worker.client().await;
    unbind(&client, &WorkQueue::Requests, "request.#").await;
    assert_eq!(client.ask("request", "refund please").await.code(), Some("unroutable"));
    let answer = asked_until_bound(&mut client, "request", "refund please").await;
    assert_eq!(answer.text(), Some("refund: refund please"));
    clear_unroutable_policy(&worker.names);
    worker.stop_and_leave().await;
    admin.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_fails_where_a_binding_or_an_exchange_is_missing_while_a_worker_runs() {
    let worker = bench(NEVER).start().await;
    let names = worker.names.clone();
    let admin = Admin::new(&names, &broker_url());
    let mut client = worker.client().await;
    let refund = WorkQueue::Intent(intent("refund"));
    let missing = |queue: &WorkQueue, key: &str| {
        [format!(
            "fail: bindings to exchange '{}' are missing, so what clients publish doesn't arrive: queue '{}' by '{key}'",
            names.exchange(),
            names.queue(queue)
        )]
    };
    let (found, code) = admin.check();
    assert_eq!((code, complaints(&found, "bindings")), (Some(0), vec![]), "{found:?}");

    unbind(&client, &WorkQueue::Requests, "request.#").await;
    let (found, code) = admin.check();
    assert_eq!((code, complaints(&found, "bindings")), (Some(78), missing(&WorkQueue::Requests, "request.#").to_vec()));
    assert_eq!(admin.run(&["topology", "declare"]).code, Some(0));
    assert_eq!(client.ask("request", "refund please").await.text(), Some("refund: refund please"));

    // Where the broker returns nothing, as the policy leads it to a worker; that one is told by the probe, too.
    set_unroutable_policy(&admin);
    unbind(&client, &refund, "intent.refund").await;
    let (found, code) = admin.check();
    assert_eq!((code, complaints(&found, "bindings")), (Some(78), missing(&refund, "intent.refund").to_vec()));
    assert_eq!(asked_until_bound(&mut client, "intent.refund", "please").await.text(), Some("refund: please"));
    let (found, code) = admin.check();
    assert_eq!((code, complaints(&found, "bindings")), (Some(0), vec![]), "{found:?}");
    clear_unroutable_policy(&names);
    // The probes are dropped, wherever they went: none became a dead letter.
    let invalid = admin.run(&["dead", "list", "--reason", "invalid_message"]);
    assert!(invalid.out.starts_with("No dead letter"), "{invalid:?}");

    delete_exchange(&client).await;
    let (found, code) = admin.check();
    let expected = format!("fail: 1 of 16 exchanges and queues are missing: exchange '{}'", names.exchange());
    assert_eq!((code, complaints(&found, "topology")), (Some(78), vec![expected]));
    worker.stop_and_leave().await;
    admin.remove().await;
}
