//! A Redis of a test's own, which it may stop and kill.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use crate::support::eventually;

/// A `redis-server` on a free port, which stores nothing on the disk; killed when dropped.
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with further options of its own.
    pub async fn start_with(options: &[&str]) -> Self {
        let mut server = Self::away();
        server.arguments.extend(options.iter().map(ToString::to_string));
        server.start_again().await;
        server
    }

    /// One that isn't started yet.
    pub fn away() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = format!("--port {port} --bind 127.0.0.1 --appendonly no --save");
        let arguments = arguments.split(' ').map(str::to_owned).chain([String::new()]).collect();
        Self { port, arguments, child: None }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Starts it, empty, and waits until it accepts connections.
    pub async fn start_again(&mut self) {
        let spawned = Command::new("redis-server").args(&self.arguments).stdout(Stdio::null()).spawn();
        self.child = Some(spawned.expect("redis-server isn't installed: scripts/test installs it"));
        eventually("Redis", || async { tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok() }).await;
    }

    /// SIGSTOP: it accepts connections, and says nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What it says to a command.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        let (name, arguments) = command.split_first().unwrap();
        redis::cmd(name).arg(arguments).query(&mut connection).unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
