//! The highest rate that the machine carries, for minutes, with faults all the while: memory stays flat.
//!
//! Only `scripts/chaos --soak MINUTES` runs it.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    load::Load,
    note,
    proxy::Proxy,
    report,
    subject::{Subject, Worker},
};
use crate::support::broker_url;

/// A fault each so often.
const FAULT_EVERY: Duration = Duration::from_secs(15);
/// How much more the second half may take at its highest than the first half did, in KiB.
const GROWTH: u64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn soak() {
    let Ok(minutes) = std::env::var("CHAOS_SOAK") else { return };
    let end = Instant::now() + Duration::from_secs(60 * minutes.parse::<u64>().expect("CHAOS_SOAK is a number"));
    let url = broker_url();
    let proxy = Proxy::start(&url).await;
    let subject = Subject::new(proxy.url(), &url);
    let steady = subject.start().await;
    let load = Load::start(&[&url], &subject.names).await;
    let began = Instant::now();
    let (_, samples, ()) = tokio::join!(asking(&load, end), memory(&steady, end), faults(&proxy, &subject, end));
    let account = load.settled().await;
    let (first, second) = samples.split_at(samples.len() / 2);
    let highest = |samples: &[u64]| samples.iter().copied().max().unwrap();
    note(&format!(
        "soak: {} requests a second; the worker's memory was at most {} KiB in the first half, {} KiB in the second",
        account.sent as u64 / began.elapsed().as_secs(),
        highest(first),
        highest(second)
    ));
    report("soak", &account, None);
    assert!(highest(second) <= highest(first) + GROWTH, "memory grows, in KiB: {samples:?}");
    load.delete_reply_queue().await;
    drop(steady);
    subject.remove().await;
}

/// Sends as fast as answers come: with so many unanswered, it waits.
async fn asking(load: &Load, end: Instant) {
    while Instant::now() < end {
        if load.ledger().progress().1 < 2000 {
            load.send(500).await;
        } else {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The resident memory of the worker that lives through it all, each second.
async fn memory(worker: &Worker, end: Instant) -> Vec<u64> {
    let mut samples = Vec::new();
    while Instant::now() < end {
        samples.push(worker.resident());
        sleep(Duration::from_secs(1)).await;
    }
    samples
}

/// In turn: all connections cut, and a second worker killed.
async fn faults(proxy: &Proxy, subject: &Subject, end: Instant) {
    while Instant::now() + FAULT_EVERY < end {
        let second = subject.start().await;
        sleep(FAULT_EVERY / 2).await;
        proxy.cut();
        sleep(FAULT_EVERY / 2).await;
        second.kill();
    }
}
