//! Clusters of three nodes: a queue's leader is killed, a node is cut off and comes back.
//!
//! Only `scripts/chaos` runs these: a cluster takes root, and half a minute to start.

use std::time::{Duration, Instant};

use chatbot_worker::amqp::WorkQueue;
use tokio::{task::block_in_place, time::sleep};

use super::{
    at_full_length,
    load::Load,
    report,
    subject::{Subject, Worker},
    until,
};
use crate::node::{Cluster, Node};

/// A cluster with two workers and a load, which know all nodes. One that fails asks them all, so the nodes are dropped
/// last.
struct Scene {
    load: Load,
    _workers: [Worker; 2],
    subject: Subject,
    cluster: Cluster,
}

impl Scene {
    async fn new(name: &str) -> Self {
        let cluster = block_in_place(|| Cluster::start(name));
        let urls = cluster.urls();
        let subject = Subject::new(&urls.join(","), urls[0])
            .with("CHATBOT_AMQP_HEARTBEAT", "2s")
            .with("CHATBOT_AMQP_CONFIRM_TIMEOUT", "15s");
        let workers = [subject.start().await, subject.start().await];
        let load = Load::start(&urls, &subject.names).await;
        Self { cluster, subject, _workers: workers, load }
    }

    /// The node that leads the queue of requests.
    fn leader(&self) -> &Node {
        block_in_place(|| self.cluster.leader(&self.subject.names.queue(&WorkQueue::Requests), None)).expect("a leader")
    }

    /// Waits until the others have made one of them the leader.
    async fn has_left(&self, leader: &Node) {
        let queue = self.subject.names.queue(&WorkQueue::Requests);
        let is_another = |node: &Node| node.url != leader.url;
        let another = || block_in_place(|| self.cluster.leader(&queue, Some(leader)).is_some_and(is_another));
        until("another leader", || async { another() }).await;
    }

    async fn end(self, scenario: &str, fault_ended: Instant) {
        let account = self.load.settled().await;
        report(scenario, &account, self.load.ledger().recovery(fault_ended));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_leader_killed() {
    if !at_full_length() {
        return;
    }
    let scene = Scene::new("leader").await;
    let leader = scene.leader();
    let fault = async {
        block_in_place(|| leader.kill());
        let killed = Instant::now();
        scene.has_left(leader).await;
        sleep(Duration::from_secs(5)).await;
        block_in_place(|| leader.start_again());
        killed
    };
    let killed = scene.load.around(fault).await;
    scene.end("cluster_leader_killed", killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_node_partitioned() {
    if !at_full_length() {
        return;
    }
    let scene = Scene::new("cut").await;
    let leader = scene.leader();
    let fault = async {
        block_in_place(|| leader.partition());
        // Longer than the nodes take to notice.
        sleep(Duration::from_secs(30)).await;
        scene.has_left(leader).await;
        block_in_place(|| leader.heal());
        Instant::now()
    };
    let healed = scene.load.around(fault).await;
    scene.end("cluster_node_partitioned", healed).await;
}
