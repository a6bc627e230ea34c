//! The program as a process: its environment, what it is fed, what it writes, how it ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use chatbot_worker::{
    amqp::Names,
    app::{
        self,
        intents::{BUILT_IN, IntentsFile},
        settings::Settings,
    },
    config::Variables,
};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use serde_json::Value;

use super::other::connect;
use crate::support::{PATIENCE, broker_url, short};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_chatbot-worker");

/// The program, in an environment with these variables and no others.
pub struct Program {
    pub names: Names,
    variables: Vec<(String, String)>,
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A worker that runs as a process.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    log: String,
}

impl Program {
    /// With the test's broker, and an exchange of its own.
    pub fn new() -> Self {
        let exchange = format!("t{}", &uuid::Uuid::now_v7().simple().to_string()[12..]);
        Self { names: Names::new(&exchange).unwrap(), variables: Vec::new() }
            .with("CHATBOT_AMQP_URL", &broker_url())
            .with("CHATBOT_AMQP_EXCHANGE", &exchange)
            .with("CHATBOT_HTTP_LISTEN", "127.0.0.1:0")
    }

    /// With the test's broker, and this exchange.
    pub fn of(names: &Names) -> Self {
        let new = Self::new().without("CHATBOT_AMQP_EXCHANGE").with("CHATBOT_AMQP_EXCHANGE", names.exchange());
        Self { names: names.clone(), ..new }
    }

    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, variable: &str) -> Self {
        self.variables.retain(|(name, _)| name != variable);
        self
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.fed(arguments, b"")
    }

    /// Runs a command to its end, with this on standard input.
    pub fn fed(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let (mut to, input) = (child.stdin.take().unwrap(), input.to_owned());
        // A command that needn't read its input may end before that is written.
        thread::spawn(move || to.write_all(&input));
        let out = in_background(child.stdout.take().unwrap());
        let err = in_background(child.stderr.take().unwrap());
        let status = end_of(&mut child);
        Ended { code: status.code(), out: out.join().unwrap(), err: err.join().unwrap() }
    }

    /// Starts a worker.
    pub fn start(&self) -> Process {
        let mut child = self.command(&["run"]).stdout(Stdio::null()).spawn().unwrap();
        let (sender, lines) = channel();
        let err = child.stderr.take().unwrap();
        thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Process { child, lines, log: String::new() }
    }

    /// Starts a worker and waits until it is ready.
    pub fn start_ready(&self) -> Process {
        let mut process = self.start();
        process.until(" ready ");
        process
    }

    /// Takes what a worker of the built-in bot declared from the broker.
    pub async fn remove(&self) {
        let settings = Settings::load(&Variables::default(), &|path| std::fs::read(path)).unwrap().settings;
        let bot = IntentsFile::parse("built in", BUILT_IN).unwrap().file;
        let topology = app::topology(&settings, &self.names, &bot);
        let (connection, channel) = connect().await;
        for queue in topology.queues {
            channel.queue_delete(short(&queue.name), QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in topology.exchanges {
            channel.exchange_delete(short(&exchange.name), ExchangeDeleteOptions::default()).await.unwrap();
        }
        connection.close(200, short("done")).await.unwrap();
    }
}

impl Ended {
    /// Asserts how it ended, and what standard error holds.
    #[track_caller]
    pub fn failed(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for text in said {
            assert!(self.err.contains(text), "{text:?} isn't told: {self:?}");
        }
    }

    /// Asserts that it went well, and returns its output.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        &self.out
    }

    /// Asserts that it went well with one JSON value a line, and returns these.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Process {
    /// Waits for a line of the log with this text, and returns it.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                panic!("no {text:?} in the log: {}", self.log)
            };
            self.log.push_str(&line);
            self.log.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The address of its health and metrics.
    pub fn address(&mut self) -> String {
        self.until("/readyz").rsplit_once("address=").unwrap().1.to_owned()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end; the exit code, and the log.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = end_of(&mut self.child);
        for line in self.lines.iter() {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        (status.code(), std::mem::take(&mut self.log))
    }
}

/// A test that fails leaves no process behind, and shows its log.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.lines.iter().for_each(|line| println!("  worker: {line}"));
        }
    }
}

pub fn in_background(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

#[track_caller]
pub fn end_of(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it doesn't end");
        }
        thread::sleep(Duration::from_millis(10));
    }
}
