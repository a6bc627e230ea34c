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

    /// The node that leads a quorum queue, as the nodes but this one see it; none while they elect it.
    pub fn leader(&self, queue: &str, but: Option<&Node>) -> Option<&Node> {
        let asked = self.nodes.iter().find(|node| but.is_none_or(|but| node.name != but.name)).expect("another");
        let listed = asked.ctl(&["--quiet", "list_queues", "name", "leader"]);
        let leader = listed.lines().find_map(|line| line.strip_prefix(queue)?.strip_prefix('\t'))?;
        let leader = leader.trim_matches('"').split('@').next()?.to_owned();
        self.nodes.iter().find(|node| node.name == leader)
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
    try_broker(arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// What `scripts/broker` prints.
///
/// # Errors
/// The same, with the command, where that fails.
pub fn try_broker(arguments: &[&str]) -> Result<String, String> {
    let output = command(arguments).output().expect("scripts/broker runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(out.into_owned())
    } else {
        Err(format!("scripts/broker {arguments:?}: {out}{err}"))
    }
}

/// The node that this URL leads to, where `scripts/broker` started it.
pub fn name_of(url: &str) -> Option<String> {
    let port = url.rsplit_once(':')?.1.split('/').next()?;
    // It fails where a node is stopped, and prints them all the same.
    let nodes = command(&["status"]).output().ok()?.stdout;
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let nodes: Vec<_> = String::from_utf8_lossy(&nodes).lines().map(fields).collect();
    nodes.into_iter().find(|fields| fields.get(2).is_some_and(|at| at == port)).map(|mut fields| fields.swap_remove(0))
}
