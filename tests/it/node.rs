//! A broker of a test's own, for faults that others mustn't suffer.
//!
//! `TEST_BROKER_VERSION` is the RabbitMQ to start, where it isn't the machine's.

use std::{path::Path, process::Command};

/// A node that `scripts/broker` started; removed when dropped.
pub struct Node {
    name: String,
    pub url: String,
}

impl Node {
    /// Starts a node on a free port.
    pub fn start(name: &str) -> Self {
        let name = format!("{name}{}", std::process::id());
        broker(&[&["start", &name, "--port", "0"], &*version()].concat());
        let url = broker(&["url", &name]).trim().to_owned();
        Self { name, url }
    }

    /// Starts a node that takes TLS as well, with the certificates of this folder; the URL is that for TLS.
    pub fn start_tls(name: &str, certificates: &Path) -> Self {
        let name = format!("{name}{}", std::process::id());
        broker(&[&["start", &name, "--port", "0", "--tls", certificates.to_str().unwrap()], &*version()].concat());
        let url = broker(&["url", &name, "--tls"]).trim().to_owned();
        Self { name, url }
    }

    /// Its URL without TLS.
    pub fn plain_url(&self) -> String {
        broker(&["url", &self.name]).trim().to_owned()
    }

    /// Stops a node, and starts it with the certificates that the folder holds now.
    pub fn restart_tls(&self, certificates: &Path) {
        broker(&["stop", &self.name]);
        broker(&["start", &self.name, "--tls", certificates.to_str().unwrap()]);
    }

    /// `rabbitmqctl` on this node.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        broker(&[&["ctl", &self.name][..], arguments].concat())
    }

    /// SIGKILL.
    pub fn kill(&self) {
        broker(&["kill", &self.name]);
    }

    /// Starts the node again, with its data and on its port.
    pub fn start_again(&self) {
        broker(&["start", &self.name]);
    }

    /// Cuts a cluster's node off from the others.
    pub fn partition(&self) {
        broker(&["partition", &self.name]);
    }

    /// Ends the partition.
    pub fn heal(&self) {
        broker(&["heal", &self.name]);
    }

    /// Stops it in order and starts it again.
    pub fn restart(&self) {
        broker(&["restart", &self.name]);
    }
}

/// A cluster of three nodes; removed when dropped. Needs root.
pub struct Cluster {
    pub nodes: [Node; 3],
}

impl Cluster {
    pub fn start(name: &str) -> Self {
        let name = format!("{name}{}", std::process::id());
        broker(&[&["cluster", &name], &*version()].concat());
        let node = |number: usize| {
            let name = format!("{name}-{number}");
            Node { url: broker(&["url", &name]).trim().to_owned(), name }
        };
        Self { nodes: [node(1), node(2), node(3)] }
    }

    pub fn urls(&self) -> [&str; 3] {
        [0, 1, 2].map(|index| self.nodes[index].url.as_str())
    }

    /// The node that leads a quorum queue.
    pub fn leader(&self, queue: &str) -> &Node {
        let listed = self.nodes[0].ctl(&["--quiet", "list_queues", "name", "leader"]);
        let leader = listed.lines().find_map(|line| line.strip_prefix(queue)?.strip_prefix('\t')).expect("a leader");
        let leader = leader.trim_matches('"').split('@').next().unwrap().to_owned();
        self.nodes.iter().find(|node| node.name == leader).expect("one of the three")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = command(&["remove", &self.name]).output();
    }
}

/// The option that asks for another RabbitMQ than the machine's.
fn version() -> Vec<&'static str> {
    match std::env::var("TEST_BROKER_VERSION") {
        Ok(version) => vec!["--version", version.leak()],
        Err(_) => Vec::new(),
    }
}

fn command(arguments: &[&str]) -> Command {
    let script = std::env::var("TEST_BROKER").unwrap_or_else(|_| "scripts/broker".to_owned());
    let mut command = Command::new(script);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn broker(arguments: &[&str]) -> String {
    let output = command(arguments).output().expect("scripts/broker runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "scripts/broker {arguments:?}: {out}{err}");
    out.into_owned()
}
