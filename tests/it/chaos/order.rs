//! The order of conversations while workers, connections, the broker and Redis have faults: fails on a turn out of order,
//! one that was applied twice, and one that is lost.
//!
//! Those of clusters run in `scripts/chaos` only, as others of clusters do.

use std::time::{Duration, Instant};

use chatbot_worker::{amqp::WorkQueue, domain::Lane};
use tokio::{task::block_in_place, time::sleep};

use super::{at_full_length, proxy::Proxy, subject::Worker, talk::Scene, until};
use crate::{
    node::{Cluster, Node},
    redis_server::RedisServer,
    support::broker_url,
};

#[tokio::test(flavor = "multi_thread")]
async fn order_while_workers_are_killed() {
    let url = broker_url();
    let scene = Scene::new(&[&url], &url).await;
    let (first, second) = (scene.subject.start().await, scene.subject.start().await);
    let fault = async {
        scene.until_answered(0.2).await;
        first.kill();
        let third = scene.subject.start().await;
        scene.until_answered(0.5).await;
        second.kill();
        vec![third, scene.subject.start().await]
    };
    let ((), workers) = tokio::join!(scene.talk(), fault);
    scene.end("order_while_workers_are_killed", workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_through_a_rolling_restart() {
    let url = broker_url();
    let scene = Scene::new(&[&url], &url).await;
    let mut workers = vec![scene.subject.start().await, scene.subject.start().await];
    let fault = async {
        for part in [0.2, 0.4, 0.6] {
            scene.until_answered(part).await;
            workers.remove(0).signal("TERM");
            workers.push(scene.subject.start().await);
        }
        workers
    };
    let ((), workers) = tokio::join!(scene.talk(), fault);
    scene.end("order_through_a_rolling_restart", workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_while_a_worker_is_stopped_and_goes_on() {
    let url = broker_url();
    let scene = Scene::new(&[&url], &url).await;
    let (first, second) = (scene.subject.start().await, scene.subject.start().await);
    let fault = async {
        for part in [0.2, 0.5] {
            scene.until_answered(part).await;
            first.signal("STOP");
            until("it is stopped", || async { first.is_stopped() }).await;
            // Twice its heartbeat, after which the broker gives it up.
            sleep(Duration::from_secs(6)).await;
            first.signal("CONT");
        }
        vec![first, second]
    };
    let ((), workers) = tokio::join!(scene.talk(), fault);
    scene.end("order_while_a_worker_is_stopped_and_goes_on", workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_while_the_network_is_cut() {
    let url = broker_url();
    let proxy = Proxy::start(&url).await;
    let scene = Scene::new(&[&url], proxy.url()).await;
    let workers = vec![scene.subject.start().await, scene.subject.start().await];
    let fault = async {
        for part in [0.1, 0.3, 0.5, 0.7] {
            scene.until_answered(part).await;
            proxy.cut();
        }
        workers
    };
    let ((), workers) = tokio::join!(scene.talk(), fault);
    scene.end("order_while_the_network_is_cut", workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_while_redis_is_killed_and_slow() {
    let url = broker_url();
    let mut scene = Scene::new(&[&url], &url).await;
    let workers = vec![scene.subject.start().await, scene.subject.start().await];
    let mut redis = std::mem::replace(&mut scene.redis, RedisServer::away());
    let fault = async {
        scene.until_answered(0.2).await;
        redis.kill();
        sleep(Duration::from_secs(1)).await;
        redis.start_again().await;
        scene.until_answered(0.5).await;
        redis.freeze();
        sleep(Duration::from_secs(2)).await;
        redis.thaw();
        workers
    };
    let ((), workers) = tokio::join!(scene.talk(), fault);
    scene.end("order_while_redis_is_killed_and_slow", workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_while_the_broker_is_killed() {
    let node = block_in_place(|| Node::start("order"));
    let scene = Scene::new(&[&node.url], &node.url).await;
    let workers = vec![scene.subject.start().await, scene.subject.start().await];
    // RabbitMQ 3.10 leaves a queue without a leader for ever if the node is killed within seconds of its declaration, because
    // its table of names isn't yet on the disk. An orderly restart writes it.
    let stopped = Instant::now();
    block_in_place(|| node.restart());
    for worker in &workers {
        worker.ready_after(worker.unready_after(stopped).await).await;
    }
    let fault = async {
        scene.until_answered(0.3).await;
        block_in_place(|| node.kill());
        block_in_place(|| node.start_again());
        workers
    };
    let ((), workers) = tokio::join!(scene.talk(), fault);
    scene.end("order_while_the_broker_is_killed", workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_while_the_broker_closes_connections() {
    let node = block_in_place(|| Node::start("closing"));
    let scene = Scene::new(&[&node.url], &node.url).await;
    let workers = vec![scene.subject.start().await, scene.subject.start().await];
    let fault = async {
        for part in [0.2, 0.4, 0.6] {
            scene.until_answered(part).await;
            block_in_place(|| node.ctl(&["close_all_connections", "an operator closes it"]));
        }
        workers
    };
    let ((), workers) = tokio::join!(scene.talk(), fault);
    scene.end("order_while_the_broker_closes_connections", workers).await;
}

/// A cluster, two workers that know all nodes, and a lane whose leader has the faults.
async fn on_a_cluster(scenario: &str, fault: impl AsyncFnOnce(&Scene, &Cluster, &Node, &str)) {
    if !at_full_length() {
        return;
    }
    let cluster = block_in_place(|| Cluster::start("lanes"));
    let urls = cluster.urls();
    let mut scene = Scene::new(&urls, &urls.join(",")).await;
    scene.subject = scene.subject.with("CHATBOT_AMQP_CONFIRM_TIMEOUT", "15s");
    let workers: Vec<Worker> = vec![scene.subject.start().await, scene.subject.start().await];
    let lane = scene.subject.names.queue(&WorkQueue::Conversation(Lane::of("c0")));
    let leader = block_in_place(|| cluster.leader(&lane, None)).expect("a leader");
    let fault = async {
        scene.until_answered(0.2).await;
        fault(&scene, &cluster, leader, &lane).await;
        workers
    };
    let ((), workers) = tokio::join!(scene.talk(), fault);
    scene.end(scenario, workers).await;
}

/// Waits until the others have made one of them the leader of a queue.
async fn has_left(cluster: &Cluster, leader: &Node, queue: &str) {
    let is_another = |node: &Node| node.url != leader.url;
    let another = || block_in_place(|| cluster.leader(queue, Some(leader)).is_some_and(is_another));
    until("another leader", || async { another() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_while_a_lanes_leader_is_killed() {
    on_a_cluster("order_while_a_lanes_leader_is_killed", async |_, cluster, leader, lane| {
        block_in_place(|| leader.kill());
        has_left(cluster, leader, lane).await;
        sleep(Duration::from_secs(5)).await;
        block_in_place(|| leader.start_again());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_while_a_lanes_leader_is_cut_off() {
    on_a_cluster("order_while_a_lanes_leader_is_cut_off", async |_, cluster, leader, lane| {
        block_in_place(|| leader.partition());
        // Longer than the nodes take to notice.
        sleep(Duration::from_secs(30)).await;
        has_left(cluster, leader, lane).await;
        block_in_place(|| leader.heal());
    })
    .await;
}
