//! A contestant: a process that answers requests, and what the system knows of it.

use std::{
    collections::VecDeque,
    fmt, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use chatbot_worker::{
    amqp::Names,
    app::intents::{BUILT_IN, Dispatch, IntentsFile},
    domain::InvalidName,
};
use clap::ValueEnum;

use crate::{client::Talk, echo, process, topology};

/// The worker as it is shipped.
pub(crate) const WORKER: &str = env!("CARGO_BIN_EXE_chatbot-worker");
/// How long a contestant may take until it consumes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The bare echo.
    Echo,
    /// The same of the queues of conversations, each on a channel of its own: what these cost anybody.
    EchoLanes,
    /// The worker with the sample bot; handlers run where the intent was found.
    Inline,
    /// The same, but each message goes through its intent's queue.
    Queued,
    /// The worker with conversations in its memory; each message is a turn, published to `request`.
    Turns,
    /// The same, published to the conversation's queue.
    Lanes,
    /// As `turns`, with conversations in the Redis of `--redis`.
    Redis,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::EchoLanes => "echo-lanes",
            Self::Inline => "inline",
            Self::Queued => "queued",
            Self::Turns => "turns",
            Self::Lanes => "lanes",
            Self::Redis => "redis",
        }
    }

    /// How it is asked.
    pub(crate) fn talk(self) -> Talk {
        match self {
            Self::Echo | Self::Inline | Self::Queued => Talk::No,
            Self::Turns | Self::Redis => Talk::ToRequest,
            Self::Lanes | Self::EchoLanes => Talk::ToLane,
        }
    }

    /// Where it answers; of this run alone.
    pub(crate) fn names(self) -> Result<Names, InvalidName> {
        Names::new(&format!("bench-{}-{}", std::process::id(), self.name()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A process that answers requests; killed when dropped.
pub(crate) struct Contestant {
    pub(crate) kind: Kind,
    pub(crate) names: Names,
    /// The time from its start until it consumed.
    pub(crate) ready_after: Duration,
    child: Child,
    log: Arc<Mutex<VecDeque<String>>>,
    /// When it said that it consumes, each time.
    ready: mpsc::Receiver<Instant>,
}

impl Contestant {
    /// Starts it, and waits until it consumes.
    pub(crate) fn start(kind: Kind, url: &str, redis: Option<&str>, scratch: &Path) -> anyhow::Result<Self> {
        let names = kind.names()?;
        let command = match kind {
            Kind::Echo | Kind::EchoLanes => {
                let mut command = Command::new(std::env::current_exe()?);
                command.envs([(echo::EXCHANGE, names.exchange()), (echo::URL, url)]);
                if kind == Kind::EchoLanes {
                    command.env(echo::LANES, "yes");
                }
                command
            }
            Kind::Inline => worker(Path::new(WORKER), url, &names),
            Kind::Queued => {
                let mut command = worker(Path::new(WORKER), url, &names);
                command.env("CHATBOT_INTENTS_PATH", queued_bot(scratch)?);
                command
            }
            Kind::Turns | Kind::Lanes | Kind::Redis => {
                let bot = scratch.join("conversing.toml");
                fs::write(&bot, format!("{BUILT_IN}\n[conversation]\n"))
                    .with_context(|| format!("can't write {}", bot.display()))?;
                let mut command = worker(Path::new(WORKER), url, &names);
                command.env("CHATBOT_INTENTS_PATH", bot);
                if kind == Kind::Redis {
                    let redis = redis.context("the contestant 'redis' needs --redis URL")?;
                    command.envs([("CHATBOT_CONVERSATION_STORE", "redis"), ("CHATBOT_CONVERSATION_REDIS_URL", redis)]);
                }
                command
            }
        };
        Self::spawn(kind, names, command)
    }

    /// Starts this command, and waits until it consumes.
    pub(crate) fn spawn(kind: Kind, names: Names, mut command: Command) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let lines = BufReader::new(child.stderr.take().context("no standard error")?).lines();
        let (says, ready) = mpsc::channel();
        let kept = log.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains(r#""message":"ready""#) {
                    let _ = says.send(Instant::now());
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.truncate(20);
                kept.push_front(line);
            }
        });
        let mut this = Self { kind, names, ready_after: Duration::ZERO, child, log, ready };
        this.ready_after = this.ready_since(begin)?;
        Ok(this)
    }

    /// Waits until it consumes, and tells how long after `begin` that was.
    pub(crate) fn ready_since(&self, begin: Instant) -> anyhow::Result<Duration> {
        let found = self.ready.recv_timeout(PATIENCE);
        let at = found.with_context(|| format!("{} isn't ready; it says:\n{}", self.kind, self.last_words()))?;
        Ok(at - begin)
    }

    /// The processor time that it has used.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        process::processor_time(self.child.id()).with_context(|| self.told())
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        process::memory(self.child.id()).with_context(|| self.told())
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().rev().fold(String::new(), |text, line| text + line + "\n")
    }

    fn told(&self) -> String {
        format!("{} says:\n{}", self.kind, self.last_words())
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The worker with its defaults; no setting of whoever runs the benchmark reaches it.
pub(crate) fn worker(program: &Path, url: &str, names: &Names) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHATBOT_")) {
        command.env_remove(name);
    }
    command.arg("run").envs([
        ("CHATBOT_AMQP_URL", url),
        ("CHATBOT_AMQP_EXCHANGE", names.exchange()),
        ("CHATBOT_HTTP_LISTEN", "127.0.0.1:0"),
        ("CHATBOT_LOG_FORMAT", "json"),
    ]);
    command.env("CHATBOT_RETRY_DELAYS", format!("{}ms", topology::RETRY_DELAY.as_millis()));
    command
}

/// The sample bot with every intent dispatched by its queue.
fn queued_bot(scratch: &Path) -> anyhow::Result<PathBuf> {
    let mut text = String::new();
    for line in BUILT_IN.lines() {
        text.push_str(line);
        text.push('\n');
        if line.starts_with("[intents.") {
            text.push_str("dispatch = \"queue\"\n");
        }
    }
    let path = scratch.join("queued.toml");
    let bot = IntentsFile::parse(&path.display().to_string(), &text)?.file;
    ensure!(
        bot.intents.iter().all(|intent| intent.dispatch == Dispatch::Queue),
        "an intent of the sample bot is still dispatched inline"
    );
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
    Ok(path)
}
