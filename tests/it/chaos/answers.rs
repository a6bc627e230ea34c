//! Models and handlers that hang, fail, flap, panic; each in a worker of the test's own.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
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
    ("request", "product_info 我想查询产品规格 {number}"),
    ("request", "product_info fault {number}"),
    ("request", "queued 我的包裹在哪里 {number}"),
    ("request", "queued fault {number}"),
];

/// A model or handler with a fault.
#[derive(Clone)]
struct Faulty {
    fault: Fault,
    when: When,
    /// The texts that had their fault.
    had: Arc<Mutex<HashSet<String>>>,
}

/// A worker with a fault, and what had it.
struct Scene {
    bench: Bench,
    faulty: Faulty,
}

impl Faulty {
    fn new(fault: Fault, when: When) -> Self {
        Self { fault, when, had: Arc::default() }
    }

    /// Whether this call has the fault.
    fn strikes(&self, text: &str) -> bool {
        let strikes = || self.had.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned());
        text.contains(WORD) && (strikes() || matches!(self.when, When::Always))
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
        if self.strikes(query.text) {
            self.strike().await;
            return Err(ModelError::new(&"faulty".into(), Failure::Unreachable, "away"));
        }
        FirstWord.classify(query).await
    }
}

#[async_trait]
impl Handler for Faulty {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        if self.strikes(&job.request.text) {
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

async fn account(scenario: &str, Scene { bench, faulty }: Scene) -> Account {
    let worker = bench.start().await;
    let load = Load::start(&[&broker_url()], &worker.names).await.asking(&QUESTIONS);
    load.send(requests()).await;
    let account = load.settled().await;
    let had = faulty.had.lock().unwrap_or_else(PoisonError::into_inner).len();
    assert_eq!(had, account.sent / 2, "each with the word had its fault");
    assert!(!worker.ready.has_changed().unwrap(), "a model or handler that fails costs no session");
    report(scenario, &account, None);
    load.delete_reply_queue().await;
    worker.stop().await;
    account
}

/// Half of the messages fail for good, and their clients are told so.
async fn fails(scenario: &str, scene: Scene, reason: &str) {
    let account = account(scenario, scene).await;
    assert_eq!(
        (account.answered, account.dead, account.untold),
        (account.sent / 2, account.sent / 2, 0),
        "{account:?}"
    );
    assert_eq!(account.reasons, [(reason.to_owned(), account.dead)].into());
}

/// All are answered, after a retry.
async fn recovers(scenario: &str, scene: Scene) {
    let account = account(scenario, scene).await;
    assert_eq!((account.answered, account.dead), (account.sent, 0), "{account:?}");
}

fn model(fault: Fault, when: When) -> Scene {
    let faulty = Faulty::new(fault, when);
    Scene { bench: bench().model(faulty.clone()), faulty }
}

fn handler(fault: Fault, when: When) -> Scene {
    let faulty = Faulty::new(fault, when);
    Scene { bench: bench().handler("product_info", faulty.clone()).handler("queued", faulty.clone()), faulty }
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
