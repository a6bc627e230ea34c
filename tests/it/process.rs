//! A worker in a process of its own, to be killed: this test binary, started again.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use async_trait::async_trait;
use chatbot_worker::{
    amqp::Names,
    handler::{Answer, Handler, HandlerError, Job},
};
use tokio_util::sync::CancellationToken;

use crate::{
    memory::LARGE_BUDGET,
    support::{Bench, Echo},
};

const EXCHANGE: &str = "TEST_WORKER_EXCHANGE";
const URL: &str = "TEST_WORKER_URL";
const REDIS: &str = "TEST_WORKER_REDIS_URL";
const LARGE: &str = "TEST_WORKER_LARGE";
const PEOPLE: &str = "TEST_WORKER_PEOPLE_REDIS_URL";

/// Takes its time, and ends the process where the text says so.
struct Crashing;

#[async_trait]
impl Handler for Crashing {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        if job.request.text.contains("crash") {
            std::process::abort();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        Echo.handle(job).await
    }
}

/// Never answers.
struct Never;

#[async_trait]
impl Handler for Never {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, _: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        std::future::pending().await
    }
}

/// With large bodies, which it takes and never answers.
fn large(mut bench: Bench) -> Bench {
    for name in ["help_info", "product_info", "refund", "queued"] {
        bench = bench.handler(name, Never);
    }
    bench.parts.handler_timeout = Duration::from_secs(600);
    (bench.settings.max_body, bench.settings.memory_budget) = (1 << 20, LARGE_BUDGET);
    bench.parts.inline.bytes = LARGE_BUDGET / 2;
    bench
}

/// Not a test: what [`WorkerProcess::start`] runs. Without its variables it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_when_told_so() {
    let (Ok(exchange), Ok(url)) = (std::env::var(EXCHANGE), std::env::var(URL)) else { return };
    let mut bench = Bench::at(&url).handler("refund", Crashing);
    bench.names = Names::new(&exchange).unwrap();
    bench.settings.names = bench.names.clone();
    if let Ok(redis) = std::env::var(REDIS) {
        bench = crate::redis::sharing(bench, &redis).0;
    }
    if std::env::var(LARGE).is_ok() {
        bench = large(bench);
    }
    if let Ok(redis) = std::env::var(PEOPLE) {
        bench = crate::person::kept_in(crate::person::people(bench), &redis);
    }
    bench.worker().run(CancellationToken::new()).await.unwrap();
}

/// A worker process; killed when dropped.
pub struct WorkerProcess(Child);

impl WorkerProcess {
    /// Starts one; it takes a moment until it consumes.
    pub fn start(url: &str, names: &Names) -> Self {
        Self::start_with(url, names, [])
    }

    /// The same, sharing its answers in a Redis.
    pub fn start_sharing(url: &str, names: &Names, redis: &str) -> Self {
        Self::start_with(url, names, [(REDIS, redis)])
    }

    /// The same, for large bodies, which it never answers; the memory budget is [`LARGE_BUDGET`].
    pub fn start_large(url: &str, names: &Names) -> Self {
        Self::start_with(url, names, [(LARGE, "yes")])
    }

    /// The same, with conversations in a Redis, which it hands to people.
    pub fn start_with_people(url: &str, names: &Names, redis: &str) -> Self {
        Self::start_with(url, names, [(PEOPLE, redis)])
    }

    fn start_with<const N: usize>(url: &str, names: &Names, further: [(&str, &str); N]) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["process::a_worker_when_told_so", "--exact"])
            .envs([(EXCHANGE, names.exchange()), (URL, url)])
            .envs(further)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// The most memory that it has had resident so far, in bytes (`VmHWM` of proc(5)).
    pub fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")).unwrap();
        peak.trim().parse::<usize>().unwrap() << 10
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
