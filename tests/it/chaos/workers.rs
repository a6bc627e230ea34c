//! Workers that die, hang, or are killed by a message.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{load::Load, report, subject::Subject, until};
use crate::{
    process::WorkerProcess,
    support::{Bench, Client, broker_url, eventually, remove},
};

#[tokio::test(flavor = "multi_thread")]
async fn worker_killed() {
    let url = broker_url();
    let subject = Subject::new(&url, &url);
    let worker = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let fault = async {
        worker.kill();
        until("the broker has noticed", || async { subject.is_abandoned().await }).await;
        sleep(Duration::from_secs(1)).await;
        (Instant::now(), subject.start().await)
    };
    let (restarted, _second) = load.around(fault).await;
    let account = load.settled().await;
    report("worker_killed", &account, load.ledger().recovery(restarted));
    load.delete_reply_queue().await;
    subject.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_stopped_past_its_heartbeats() {
    let url = broker_url();
    let subject = Subject::new(&url, &url).with("CHATBOT_AMQP_HEARTBEAT", "1s");
    let worker = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let fault = async {
        worker.signal("STOP");
        until("the broker gives the worker up", || async { subject.is_abandoned().await }).await;
        let continued = Instant::now();
        worker.signal("CONT");
        continued
    };
    let continued = load.around(fault).await;
    let account = load.settled().await;
    assert!(worker.reconnects("consuming").await >= 1.0, "it lost no connection");
    report("worker_stopped_past_its_heartbeats", &account, load.ledger().recovery(continued));
    load.delete_reply_queue().await;
    subject.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_of_two_killed() {
    let url = broker_url();
    let subject = Subject::new(&url, &url);
    let (first, _second) = (subject.start().await, subject.start().await);
    let load = Load::start(&[&url], &subject.names).await;
    let killed = load.around(async { (Instant::now(), first.kill()).0 }).await;
    let account = load.settled().await;
    report("one_worker_of_two_killed", &account, load.ledger().recovery(killed));
    load.delete_reply_queue().await;
    subject.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_that_kills_the_worker_each_time() {
    let bench = Bench::new();
    let (url, names) = (broker_url(), bench.names.clone());
    // The first start declares.
    bench.start().await.stop_and_leave().await;
    let client = Client::new(&url, &names).await;
    let load = Load::start(&[&url], &names).await;
    let deaths = AtomicU32::new(0);
    // What an operator's supervisor does: start it again.
    let supervisor = async {
        let mut worker = WorkerProcess::start(&url, &names);
        loop {
            if worker.has_ended() {
                deaths.fetch_add(1, Ordering::Relaxed);
                worker = WorkerProcess::start(&url, &names);
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let work = async {
        let fault = async {
            let killer = load.properties("killer");
            client.publish("request", killer, b"refund crash").await;
            load.ledger().confirmed("killer", Instant::now());
        };
        load.around(fault).await;
        let told = || async { load.ledger().has_failed("killer", "crashed").then_some(()) };
        eventually("the killer's client is told", told).await;
        load.settled().await
    };
    let account = tokio::select! {
        account = work => account,
        () = supervisor => unreachable!(),
    };
    let deaths = deaths.into_inner();
    assert!((1..8).contains(&deaths), "it ended {deaths} workers");
    assert_eq!(load.ledger().dead(), ["killer"].into(), "only the culprit");
    assert!(account.reasons.keys().all(|reason| reason == "crashed"), "{account:?}");
    report("message_that_kills_the_worker_each_time", &account, None);
    load.delete_reply_queue().await;
    remove(&url, &names).await;
}
