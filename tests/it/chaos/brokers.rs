//! Brokers that restart, die, block, or close connections. Each has a node of its own.

use std::time::{Duration, Instant};

use lapin::{Connection, ConnectionProperties};
use tokio::{
    task::block_in_place,
    time::{sleep, timeout},
};

use super::{
    load::Load,
    report, requests,
    subject::{Subject, Worker},
    until,
};
use crate::node::Node;

/// The promise is that a worker consumes again within so long after the broker's return.
const RECOVERY: Duration = Duration::from_secs(2);

/// A broker with a worker and a load. One that fails asks them all, so the node is dropped last.
struct Scene {
    load: Load,
    worker: Worker,
    subject: Subject,
    node: Node,
}

impl Scene {
    /// Settings are variables and values.
    async fn new(name: &str, settings: &[(&str, &str)]) -> Self {
        let node = block_in_place(|| Node::start(name));
        let mut subject = Subject::new(&node.url, &node.url);
        for (variable, value) in settings {
            subject = subject.with(variable, value);
        }
        let worker = subject.start().await;
        let load = Load::start(&[&node.url], &subject.names).await;
        Self { node, subject, worker, load }
    }

    fn ctl(&self, arguments: &[&str]) -> String {
        block_in_place(|| self.node.ctl(arguments))
    }

    /// Waits until the broker accepts connections, and then until the worker is ready; tells when the broker did.
    async fn back(&self) -> Instant {
        until("the broker is back", || async {
            let connecting = Connection::connect(&self.node.url, ConnectionProperties::default());
            matches!(timeout(Duration::from_secs(1), connecting).await, Ok(Ok(_)))
        })
        .await;
        Instant::now()
    }

    /// The worker is ready in time, and not before it has every consumer.
    async fn recovered(&self, returned: Instant) {
        let ready = self.worker.ready_after(returned).await;
        assert!(self.subject.is_consumed().await, "it says that it is ready, and a consumer is missing");
        let took = ready - returned;
        assert!(took < RECOVERY, "ready {took:?} after the broker's return");
    }

    async fn end(self, scenario: &str, fault_ended: Instant) {
        let account = self.load.settled().await;
        report(scenario, &account, self.load.ledger().recovery(fault_ended));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_restarted() {
    let scene = Scene::new("restarted", &[]).await;
    let returned = scene.load.around(restart(&scene)).await;
    scene.end("broker_restarted", returned).await;
}

async fn restart(scene: &Scene) -> Instant {
    let began = Instant::now();
    let (returned, ()) = tokio::join!(
        async {
            scene.worker.unready_after(began).await;
            scene.back().await
        },
        async { block_in_place(|| scene.node.restart()) },
    );
    scene.recovered(returned).await;
    returned
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_killed() {
    let scene = Scene::new("killed", &[]).await;
    // RabbitMQ 3.10 forgets what a quorum queue holds if the node is killed within seconds of the queue's declaration,
    // because its table of names isn't yet on the disk. An orderly restart writes it.
    restart(&scene).await;
    let fault = async {
        let began = Instant::now();
        block_in_place(|| scene.node.kill());
        scene.worker.unready_after(began).await;
        block_in_place(|| scene.node.start_again());
        let returned = scene.back().await;
        scene.recovered(returned).await;
        returned
    };
    let returned = scene.load.around(fault).await;
    scene.end("broker_killed", returned).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_closed_by_the_operator() {
    let scene = Scene::new("closed", &[]).await;
    let fault = async {
        let began = Instant::now();
        scene.ctl(&["close_all_connections", "an operator closes it"]);
        let closed = scene.worker.unready_after(began).await;
        scene.recovered(closed).await;
        closed
    };
    let closed = scene.load.around(fault).await;
    scene.end("connections_closed_by_the_operator", closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_connection_closed() {
    let scene = Scene::new("reply", &[]).await;
    let began = Instant::now();
    let fault = async {
        let connections = scene.ctl(&["--quiet", "list_connections", "pid", "client_properties"]);
        let is_reply = |line: &&str| line.contains(" reply\"");
        let reply = connections.lines().find(is_reply).unwrap_or_else(|| panic!("no reply connection: {connections}"));
        let pid = reply.split('\t').next().unwrap();
        scene.ctl(&["close_connection", pid, "an operator closes it"]);
        Instant::now()
    };
    let closed = scene.load.around(fault).await;
    until("the replies' connection is back", || async { scene.worker.reconnects("replies").await >= 1.0 }).await;
    assert!(scene.worker.stayed_ready_since(began), "it costs nothing but its own connection");
    scene.end("reply_connection_closed", closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_alarm() {
    alarm("memory_alarm", ["set_vm_memory_high_watermark", "0.0000001"], ["set_vm_memory_high_watermark", "0.4"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_alarm() {
    alarm("disk_alarm", ["set_disk_free_limit", "100000GB"], ["set_disk_free_limit", "1MB"]).await;
}

/// An alarm that outlasts the confirm timeout, with answers under way, costs no connection.
async fn alarm(scenario: &str, raise: [&str; 2], lift: [&str; 2]) {
    let scene = Scene::new(&scenario.replace('_', "-"), &[("CHATBOT_AMQP_CONFIRM_TIMEOUT", "1s")]).await;
    let (load, quarter, began) = (&scene.load, requests() / 4, Instant::now());
    load.send(quarter).await;
    until("these are answered", || async { load.ledger().progress().1 == 0 }).await;
    // Held, so that the worker has something to publish when the alarm is in force.
    scene.worker.signal("STOP");
    until("the worker is stopped", || async { scene.worker.is_stopped() }).await;
    load.send(quarter).await;
    scene.ctl(&raise);
    let raised = || async { scene.ctl(&["--quiet", "eval", "rabbit_alarm:get_alarms()."]).trim() != "[]" };
    until("the alarm is in force", raised).await;
    let (answered, waiting) = load.ledger().progress();
    scene.worker.signal("CONT");
    let lifted = async {
        sleep(Duration::from_secs(4)).await;
        let (later, _) = load.ledger().progress();
        assert!(later - answered < waiting / 2, "the broker doesn't block: {} of {waiting} answered", later - answered);
        assert!(scene.worker.metric("chatbot_blocked").await > 0.0, "the worker's connections are blocked");
        scene.ctl(&lift);
        Instant::now()
    };
    let (lifted, ()) = tokio::join!(lifted, load.send(quarter));
    load.send(quarter).await;
    until("none is blocked", || async { scene.worker.metric("chatbot_blocked").await < 1.0 }).await;
    assert!(scene.worker.stayed_ready_since(began), "a connection that is blocked isn't lost");
    scene.end(scenario, lifted).await;
}
