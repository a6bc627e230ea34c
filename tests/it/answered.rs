//! No duplicate work: what comes again gets the answer that it got, or that is being worked on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatbot_worker::{
    amqp::WorkQueue,
    answered::{Answers, Bounds},
    handler::{Answer, Handler, HandlerError, Job},
};
use tokio::sync::Semaphore;

use crate::{
    mute::Mute,
    support::{Bench, Client, Echo, PATIENCE, Running, broker_url, eventually, short},
};

/// Counts its runs, and waits in each until it may end.
#[derive(Clone)]
pub struct Counting {
    pub runs: Arc<AtomicU32>,
    pub may_end: Arc<Semaphore>,
    given_up: Arc<AtomicBool>,
}

impl Counting {
    /// One that needn't wait.
    pub fn new() -> Self {
        Self::waiting(Semaphore::MAX_PERMITS)
    }

    /// One of which so many runs may end.
    pub fn waiting(runs: usize) -> Self {
        Self { runs: Arc::default(), may_end: Arc::new(Semaphore::new(runs)), given_up: Arc::default() }
    }

    pub fn runs(&self) -> u32 {
        self.runs.load(SeqCst)
    }
}

/// Tells that a run was given up before its end.
struct GivenUp<'a>(&'a AtomicBool);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[async_trait]
impl Handler for Counting {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        self.runs.fetch_add(1, SeqCst);
        let given_up = GivenUp(&self.given_up);
        self.may_end.acquire().await.unwrap().forget();
        std::mem::forget(given_up);
        Echo.handle(job).await
    }
}

/// A worker that speaks to the broker through the proxy, and counts the runs of two intents.
async fn start(counting: &Counting) -> (Mute, Running) {
    let mute = Mute::start(&broker_url()).await;
    let bench = Bench::at(&mute.url).handler("refund", counting.clone()).handler("queued", counting.clone());
    let worker = bench.start().await;
    (mute, worker)
}

async fn client(worker: &Running) -> Client {
    Client::new(&broker_url(), &worker.names).await
}

async fn publish(client: &Client, key: &str, message_id: Option<&str>, body: &str) {
    let mut properties = client.properties("1");
    if let Some(id) = message_id {
        properties = properties.with_message_id(short(id));
    }
    client.publish(key, properties, body.as_bytes()).await;
}

async fn becomes(worker: &Running, expected: bool) {
    let mut ready = worker.ready.clone();
    let became = tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready == expected)).await;
    assert!(became.is_ok_and(|ready| ready.is_ok()), "ready never became {expected}");
}

/// Asks, and has the ack of the answer lost; the two answers that come, as bytes.
async fn asked_and_delivered_again(mute: &Mute, client: &mut Client, key: &str, id: Option<&str>) -> [Vec<u8>; 2] {
    mute.swallow_acks();
    publish(client, key, id, "refund 退货").await;
    let first = client.next().await;
    assert_eq!(first.json["type"], "chat.reply", "{}", first.json);
    mute.cut();
    let second = client.next().await;
    [first.delivery.data, second.delivery.data]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_ack_is_lost_is_given_again_without_a_second_run() {
    for (key, id) in [("request", Some("m")), ("intent.refund", Some("m")), ("request", None)] {
        let counting = Counting::new();
        let (mute, worker) = start(&counting).await;
        let mut client = client(&worker).await;
        let [first, second] = asked_and_delivered_again(&mute, &mut client, key, id).await;
        // The same by its id too; without an id nobody can tell that it is the same.
        assert_eq!(first == second, id.is_some(), "{key} {id:?}");
        assert_eq!(counting.runs(), if id.is_some() { 1 } else { 2 });
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_remembered_where_that_is_off() {
    let counting = Counting::new();
    let mute = Mute::start(&broker_url()).await;
    let mut bench = Bench::at(&mute.url).handler("refund", counting.clone());
    bench.answers = None;
    let worker = bench.start().await;
    let mut client = client(&worker).await;
    let [first, second] = asked_and_delivered_again(&mute, &mut client, "request", Some("m")).await;
    assert_ne!(first, second);
    assert_eq!(counting.runs(), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forwarded_twice_is_handled_once() {
    let counting = Counting::new();
    let (mute, worker) = start(&counting).await;
    let mut client = client(&worker).await;
    // The ack of the request is swallowed as well as that of its forward: both come again, and it is forwarded again.
    mute.swallow_acks();
    publish(&client, "request", Some("m"), "queued").await;
    let first = client.next().await;
    mute.cut();
    for _ in 0..2 {
        assert_eq!(client.next().await.delivery.data, first.delivery.data);
    }
    assert_eq!(counting.runs(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_the_answer_to_anothers_message_of_the_same_id() {
    let counting = Counting::new();
    let (mute, worker) = start(&counting).await;
    let (mut ann, mut bob) = (client(&worker).await, client(&worker).await);
    mute.swallow_acks();
    for (client, text) in
        [(&ann, "refund for Ann"), (&ann, "refund 二"), (&bob, "refund for Ann"), (&bob, "refund for Bob")]
    {
        publish(client, "request", Some("1"), text).await;
    }
    let mut answers = Vec::new();
    for round in 0..2 {
        for (client, texts) in
            [(&mut ann, ["refund for Ann", "refund 二"]), (&mut bob, ["refund for Ann", "refund for Bob"])]
        {
            let mut got = [client.next().await, client.next().await].map(|arrived| arrived.json);
            got.sort_by_key(|json| json["body"].to_string());
            let mut expected = texts.map(|text| format!("refund: {text}"));
            expected.sort();
            assert_eq!(
                got.each_ref().map(|json| json["body"].as_str().unwrap()),
                expected.each_ref().map(String::as_str)
            );
            answers.extend(got.map(|json| json["id"].to_string()));
        }
        if round == 0 {
            mute.cut();
        }
    }
    let (first, second) = answers.split_at(4);
    assert_eq!(first, second, "each its own, again");
    assert_eq!(counting.runs(), 4);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_its_client_sends_twice_is_answered_anew() {
    let counting = Counting::new();
    let (_mute, worker) = start(&counting).await;
    let mut client = client(&worker).await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        publish(&client, "request", Some("1"), "refund").await;
        answers.push(client.next().await.delivery.data);
    }
    assert_ne!(answers[0], answers[1]);
    assert_eq!(counting.runs(), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_while_the_first_is_worked_on_waits_for_its_answer() {
    let counting = Counting::waiting(0);
    let (mute, worker) = start(&counting).await;
    let mut client = client(&worker).await;
    publish(&client, "request", Some("m"), "refund").await;
    eventually("the first run", || async { (counting.runs() == 1).then_some(()) }).await;
    mute.cut();
    becomes(&worker, false).await;
    becomes(&worker, true).await;
    // It is delivered again, and worked on; a second run would end at once and show.
    let requests = worker.names.queue(&WorkQueue::Requests);
    eventually("the redelivery", || async { (client.depth(&requests).await == 0).then_some(()) }).await;
    counting.may_end.add_permits(100);
    assert_eq!(client.next().await.text(), Some("refund: refund"));
    assert_eq!(counting.runs(), 1);
    assert_eq!(client.ask("request", "refund").await.text(), Some("refund: refund"), "and nothing else comes");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_lost_session_ends_with_the_worker_at_once() {
    let counting = Counting::waiting(0);
    let (mute, mut worker) = start(&counting).await;
    let client = client(&worker).await;
    publish(&client, "request", Some("m"), "refund").await;
    eventually("the run", || async { (counting.runs() == 1).then_some(()) }).await;
    mute.cut_for_good();
    becomes(&worker, false).await;
    assert!(!counting.given_up.load(SeqCst), "it is let finish");
    worker.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(3), worker.task.take().unwrap()).await;
    ended.expect("it ends at once").unwrap().unwrap();
    assert!(counting.given_up.load(SeqCst), "no run is left behind");
    crate::support::remove(&broker_url(), &worker.names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_without_an_id_is_given_up_with_its_session() {
    let counting = Counting::waiting(0);
    let (mute, worker) = start(&counting).await;
    let mut client = client(&worker).await;
    publish(&client, "request", None, "refund").await;
    eventually("the run", || async { (counting.runs() == 1).then_some(()) }).await;
    mute.cut();
    eventually("its end", || async { counting.given_up.load(SeqCst).then_some(()) }).await;
    counting.may_end.add_permits(100);
    assert_eq!(client.next().await.text(), Some("refund: refund"));
    assert_eq!(counting.runs(), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_forgotten_is_worked_out_again() {
    let counting = Counting::new();
    let mute = Mute::start(&broker_url()).await;
    let mut bench = Bench::at(&mute.url).handler("refund", counting.clone());
    let bounds = Bounds { entries: 1, bytes: 1 << 20, age: Duration::from_secs(600) };
    bench.answers = Some(Arc::new(Answers::new(bounds, None)));
    let worker = bench.start().await;
    let mut client = client(&worker).await;
    mute.swallow_acks();
    for id in ["old", "new"] {
        publish(&client, "request", Some(id), "refund").await;
        client.next().await;
    }
    mute.cut();
    client.next().await;
    client.next().await;
    // The old one at least. Its answer takes the place of the new one's, if that wasn't looked up before.
    assert!((3..=4).contains(&counting.runs()), "{}", counting.runs());
    worker.stop().await;
}
