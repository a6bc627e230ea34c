//! Models and handlers that hang, fail, flap, panic; each in a worker of the test's own.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chatbot_worker::{
    domain::Prediction,
    handler::{Answer, Handler, HandlerError, Job},
    model::{Failure, ModelClient, ModelError, Query},
};

use super::{account::Account, load::Load, report, requests};
use crate::support::{Bench, Echo, FirstWord, broker_url, intent};

/// What a fault does to one call.
#[derive(Clone, Copy)]
enum Fault {
    Hangs,
    Fails,
    Panics,
}

/// Which calls have the fault.
#[derive(Clone, Copy)]
enum When {
    /// Those for every text with this word.
    Always,
    /// The first for each message with this word.
    Flapping,
}

const WORD: &str = "fault";
/// Half of them have the word; every one is another text.
const QUESTIONS: [(&str, &str); 4] = [
    ("request", "product_info 我想查询产品规格"),
    ("request", "product_info fault"),
    ("request", "queued 我的包裹在哪里"),
    ("request", "queued fault"),
];

/// A model or handler with a fault.
struct Faulty {
    fault: Fault,
    when: When,
    /// The requests that had their fault.
    had: Mutex<HashSet<String>>,
}

impl Faulty {
    fn new(fault: Fault, when: When) -> Self {
        Self { fault, when, had: Mutex::default() }
    }

    /// Whether this call has the fault.
    fn strikes(&self, text: &str, id: Option<&str>) -> bool {
        let struck = |id: &str| !self.had.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        text.contains(WORD) && (matches!(self.when, When::Always) || !struck(id.unwrap_or(text)))
    }

    async fn strike(&self) {
        match self.fault {
            Fault::Hangs => std::future::pending().await,
            Fault::Panics => panic!("as this test's part was told"),
            Fault::Fails => {}
        }
    }
}

#[async_trait]
impl ModelClient for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        if self.strikes(query.text, None) {
            self.strike().await;
            return Err(ModelError::new(&"faulty".into(), Failure::Unreachable, "away"));
        }
        FirstWord.classify(query).await
    }
}

#[async_trait]
impl Handler for Faulty {
    async fn handle(&self, job: &Job<'_>) -> Result<Answer, HandlerError> {
        if self.strikes(&job.request.text, job.request.id.as_deref()) {
            self.strike().await;
            return Err(HandlerError::Unavailable { intent: intent("product_info"), reason: "away".to_owned() });
        }
        Echo.handle(job).await
    }
}

/// A worker with short limits.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.parts.model_timeout = Duration::from_millis(200);
    bench.parts.handler_timeout = Duration::from_millis(200);
    bench
}

async fn account(scenario: &str, bench: Bench) -> Account {
    let worker = bench.start().await;
    let load = Load::start(&[&broker_url()], &worker.names).await.asking(&QUESTIONS);
    load.send(requests()).await;
    let account = load.settled().await;
    assert!(!worker.ready.has_changed().unwrap(), "a model or handler that fails costs no session");
    report(scenario, &account, None);
    load.delete_reply_queue().await;
    worker.stop().await;
    account
}

/// Half of the messages fail for good, and their clients are told so.
async fn fails(scenario: &str, bench: Bench, reason: &str) {
    let account = account(scenario, bench).await;
    assert_eq!(
        (account.answered, account.dead, account.untold),
        (account.sent / 2, account.sent / 2, 0),
        "{account:?}"
    );
    assert_eq!(account.reasons, [(reason.to_owned(), account.dead)].into());
}

/// All are answered, after a retry.
async fn recovers(scenario: &str, bench: Bench) {
    let account = account(scenario, bench).await;
    assert_eq!((account.answered, account.dead), (account.sent, 0), "{account:?}");
}

fn model(fault: Fault, when: When) -> Bench {
    bench().model(Faulty::new(fault, when))
}

fn handler(fault: Fault, when: When) -> Bench {
    bench().handler("product_info", Faulty::new(fault, when)).handler("queued", Faulty::new(fault, when))
}

#[tokio::test(flavor = "multi_thread")]
async fn model_hangs() {
    fails("model_hangs", model(Fault::Hangs, When::Always), "timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model_fails() {
    fails("model_fails", model(Fault::Fails, When::Always), "model_unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model_flaps() {
    recovers("model_flaps", model(Fault::Fails, When::Flapping)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model_panics() {
    fails("model_panics", model(Fault::Panics, When::Always), "internal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_hangs() {
    fails("handler_hangs", handler(Fault::Hangs, When::Always), "timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_fails() {
    fails("handler_fails", handler(Fault::Fails, When::Always), "internal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_flaps() {
    recovers("handler_flaps", handler(Fault::Fails, When::Flapping)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_panics() {
    fails("handler_panics", handler(Fault::Panics, When::Always), "internal").await;
}
