//! The worker under fault: the program itself, as a process.

use std::{
    io::{Read, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chatbot_worker::amqp::{Names, WorkQueue};
use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, block_in_place},
    time::{sleep, timeout},
};

use super::reader::close;
use crate::{
    cli::program::{Process, Program},
    support::{eventually, intent, remove, short},
};

/// The bot: answers one intent where it is classified, another by way of its queue.
const BOT: &str = r#"
fallback = "help_info"
[intents.help_info]
examples.en = ["help me", "what can you do", "I need help", "who are you", "how does this work"]
examples.zh = ["帮助", "你能做什么", "怎么用", "你是谁", "菜单"]
reply.en = "help"
reply.zh = "帮助"
[intents.product_info]
examples.en = ["product_info", "product_info how big is the kettle", "kettle", "what is it made of", "product details"]
examples.zh = ["product_info 我想查询产品规格", "水壶多大", "是什么材料的", "产品规格", "产品参数"]
reply.en = "product"
reply.zh = "产品"
[intents.queued]
dispatch = "queue"
examples.en = ["queued", "queued, where is my parcel", "where is my order", "track my parcel", "has it been shipped"]
examples.zh = ["queued 我的包裹在哪里", "包裹在哪里", "查物流", "我的订单到哪了", "发货了吗"]
reply.en = "queued"
reply.zh = "排队"
"#;
/// The queues that it consumes.
const CONSUMED: [&str; 3] = ["help_info", "product_info", "queued"];

/// A program to start workers of, in a namespace of its own.
pub struct Subject {
    program: Program,
    pub names: Names,
    /// The broker, as the client reaches it.
    url: String,
    bot: PathBuf,
}

/// A worker that runs.
pub struct Worker {
    process: Process,
    address: String,
    /// When it was ready, and when not.
    seen: Arc<Mutex<Vec<(Instant, bool)>>>,
    _watch: JoinSet<()>,
}

impl Subject {
    /// A program whose worker reaches the broker by `urls`, and the client by the first of `reached`.
    pub fn new(urls: &str, reached: &str) -> Self {
        Self::of(BOT, urls, reached)
    }

    /// The same with another bot.
    pub fn of(text: &str, urls: &str, reached: &str) -> Self {
        let program = Program::new();
        let names = program.names.clone();
        let bot = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", names.exchange()));
        std::fs::write(&bot, text).unwrap();
        let program = program
            .with("CHATBOT_AMQP_URL", urls)
            .with("CHATBOT_INTENTS_PATH", bot.to_str().unwrap())
            .with("CHATBOT_RETRY_DELAYS", "100ms,200ms");
        Self { program, names, url: reached.to_owned(), bot }
    }

    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.program = self.program.with(variable, value);
        self
    }

    /// Starts a worker and waits until it is ready.
    pub async fn start(&self) -> Worker {
        let worker = self.spawn().await;
        eventually("a worker that is ready", || async { worker.is_ready().await.then_some(()) }).await;
        worker
    }

    /// Starts a worker.
    pub async fn spawn(&self) -> Worker {
        let (process, address) = block_in_place(|| {
            let mut process = self.program.start();
            let address = process.address();
            (process, address)
        });
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut watch = JoinSet::new();
        watch.spawn(watch_readiness(address.clone(), seen.clone()));
        Worker { process, address, seen, _watch: watch }
    }

    /// Whether the broker knows a consumer of each queue that the worker consumes.
    pub async fn is_consumed(&self) -> bool {
        self.consumers().await.is_some_and(|consumers| consumers.iter().all(|count| *count > 0))
    }

    /// Whether the broker says that nobody consumes any of them.
    pub async fn is_abandoned(&self) -> bool {
        self.consumers().await.is_some_and(|consumers| consumers.iter().all(|count| *count == 0))
    }

    async fn consumers(&self) -> Option<Vec<u32>> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.ok()?;
        let channel = connection.create_channel().await.ok()?;
        let intents = CONSUMED.map(|name| WorkQueue::Intent(intent(name)));
        let mut consumers = Vec::new();
        for queue in intents.into_iter().chain([WorkQueue::Requests, WorkQueue::Suspects]) {
            let options = QueueDeclareOptions { passive: true, ..Default::default() };
            let name = self.names.queue(&queue);
            let found = channel.queue_declare(short(&name), options, FieldTable::default()).await.ok()?;
            consumers.push(found.consumer_count());
        }
        close(connection).await;
        Some(consumers)
    }

    /// Takes everything from the broker.
    pub async fn remove(self) {
        remove(&self.url, &self.names).await;
        std::fs::remove_file(&self.bot).unwrap();
    }
}

impl Worker {
    /// SIGKILL.
    pub fn kill(self) {
        drop(self);
    }

    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub async fn is_ready(&self) -> bool {
        get(&self.address, "/readyz").await.is_some_and(|answer| answer.contains(" 200 "))
    }

    /// A metric's value, by its name and labels as they are printed; 0 where it isn't yet.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = eventually("the metrics", || get(&self.address, "/metrics")).await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// How often each connection was made again.
    pub async fn reconnects(&self, connection: &str) -> f64 {
        self.metric(&format!("chatbot_reconnects_total{{connection=\"{connection}\"}}")).await
    }

    /// Waits until it isn't ready any more, after this moment; tells when that was.
    pub async fn unready_after(&self, moment: Instant) -> Instant {
        self.became(false, moment).await
    }

    /// Waits until it is ready again, after this moment; tells when that was.
    pub async fn ready_after(&self, moment: Instant) -> Instant {
        self.became(true, moment).await
    }

    async fn became(&self, ready: bool, after: Instant) -> Instant {
        let found =
            || self.seen.lock().unwrap().iter().find(|(at, seen)| *at > after && *seen == ready).map(|(at, _)| *at);
        eventually(&format!("ready: {ready}"), || async { found() }).await
    }

    /// Whether it was never seen unready since.
    pub fn stayed_ready_since(&self, moment: Instant) -> bool {
        !self.seen.lock().unwrap().iter().any(|(at, ready)| *at > moment && !ready)
    }

    /// Whether SIGSTOP has had its effect.
    pub fn is_stopped(&self) -> bool {
        self.status("State:").starts_with('T')
    }

    /// The memory that it holds, in KiB.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:").trim_end_matches(" kB").parse().unwrap()
    }

    /// A line of what the kernel knows of it.
    fn status(&self, key: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
    }
}

/// A scenario that fails tells what the worker says of itself; its log follows.
impl Drop for Worker {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let ask = |path| ask_plainly(&self.address, path).unwrap_or_else(|error| format!("no answer: {error}"));
        println!("  worker at {}: /readyz: {}", self.address, ask("/readyz").lines().next().unwrap_or_default());
        let is_told = |line: &&str| line.starts_with("chatbot_") && !line.ends_with(" 0") && !line.contains("_bucket{");
        ask("/metrics").lines().filter(is_told).for_each(|line| println!("  worker at {}: {line}", self.address));
    }
}

/// What the worker answers, where nothing can be awaited.
fn ask_plainly(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

async fn watch_readiness(address: String, seen: Arc<Mutex<Vec<(Instant, bool)>>>) {
    loop {
        if let Some(answer) = get(&address, "/readyz").await {
            seen.lock().unwrap().push((Instant::now(), answer.contains(" 200 ")));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// What the worker answers; none where it doesn't within a second.
async fn get(address: &str, path: &str) -> Option<String> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    timeout(Duration::from_secs(1), asking).await.ok().flatten()
}
