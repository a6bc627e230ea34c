//! A broker of a test's own, for faults that others mustn't suffer.

use std::process::Command;

/// A node that `scripts/broker` started; removed when dropped.
pub struct Node {
    name: String,
    pub url: String,
}

impl Node {
    /// Starts a node on a free port.
    pub fn start(name: &str) -> Self {
        let name = format!("{name}{}", std::process::id());
        broker(&["start", &name, "--port", "0"]);
        let url = broker(&["url", &name]).trim().to_owned();
        Self { name, url }
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

    /// Stops it in order and starts it again.
    pub fn restart(&self) {
        broker(&["restart", &self.name]);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = command(&["remove", &self.name]).output();
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
