//! A network between worker and broker that is cut, refuses, delays, holds.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    load::Load,
    proxy::{Proxy, Way},
    report,
    subject::{Subject, Worker},
};
use crate::support::broker_url;

/// A worker behind a proxy, and a load that isn't.
struct Scene {
    load: Load,
    worker: Worker,
    subject: Subject,
    proxy: Proxy,
}

impl Scene {
    async fn new() -> Self {
        let proxy = Proxy::start(&broker_url()).await;
        let subject = Subject::new(proxy.url(), &broker_url()).with("CHATBOT_AMQP_HEARTBEAT", "1s");
        let worker = subject.start().await;
        let load = Load::start(&[&broker_url()], &subject.names).await;
        Self { proxy, subject, worker, load }
    }

    async fn end(self, scenario: &str, healed: Instant) {
        let account = self.load.settled().await;
        let ready = self.worker.ready_after(healed).await;
        assert!(ready - healed < Duration::from_secs(30));
        report(scenario, &account, self.load.ledger().recovery(healed));
        self.load.delete_reply_queue().await;
        drop(self.worker);
        self.subject.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn network_cut() {
    let scene = Scene::new().await;
    let fault = async {
        let began = Instant::now();
        scene.proxy.cut();
        scene.worker.unready_after(began).await;
        began
    };
    let healed = scene.load.around(fault).await;
    scene.end("network_cut", healed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_refused() {
    let mut scene = Scene::new().await;
    let (proxy, worker) = (&mut scene.proxy, &scene.worker);
    let fault = async {
        let began = Instant::now();
        proxy.refuse().await;
        worker.unready_after(began).await;
        sleep(Duration::from_secs(2)).await;
        proxy.heal().await;
        Instant::now()
    };
    let healed = scene.load.around(fault).await;
    scene.end("network_refused", healed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_slow() {
    let mut scene = Scene::new().await;
    let (proxy, worker) = (&mut scene.proxy, &scene.worker);
    let began = Instant::now();
    let fault = async {
        proxy.delay(Duration::from_millis(300));
        sleep(Duration::from_secs(3)).await;
        proxy.heal().await;
        Instant::now()
    };
    let healed = scene.load.around(fault).await;
    assert!(worker.stayed_ready_since(began), "slow isn't lost");
    // Each way once.
    let longest = scene.load.ledger().longest_wait();
    assert!(longest > Some(Duration::from_millis(600)), "the network wasn't slow: {longest:?}");
    scene.end("network_slow", healed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_black_hole() {
    held("network_black_hole", &[Way::Up, Way::Down]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_half_open_to_the_broker() {
    held("network_half_open_to_the_broker", &[Way::Up]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_half_open_from_the_broker() {
    held("network_half_open_from_the_broker", &[Way::Down]).await;
}

/// Connections stand and carry nothing, until both sides' heartbeats tell.
async fn held(scenario: &str, ways: &[Way]) {
    let mut scene = Scene::new().await;
    let (proxy, worker) = (&mut scene.proxy, &scene.worker);
    let fault = async {
        let began = Instant::now();
        ways.iter().for_each(|&way| proxy.hold(way));
        worker.unready_after(began).await;
        sleep(Duration::from_secs(1)).await;
        proxy.heal().await;
        Instant::now()
    };
    let healed = scene.load.around(fault).await;
    scene.end(scenario, healed).await;
}
