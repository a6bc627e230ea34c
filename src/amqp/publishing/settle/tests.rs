//! Where a dead letter goes when the queue for it isn't there, and what a reply and an ack wait for.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use lapin::{BasicProperties, message::Delivery as Delivered};
use tokio::sync::Notify;

use super::*;
use crate::{
    amqp::{objects::names::FIRST_QUEUE, publishing::acks::Acks},
    answered::{Answers, Bounds, SharedAnswers},
    domain::{Details, Key},
};

const DEAD: &str = "shop.intent.refund.dead";
const OTHERS: &str = "shop.requests.dead";

/// A broker with some queues; it returns what has none.
#[derive(Default)]
struct Queues {
    there: Mutex<HashSet<String>>,
    /// What may be made.
    may_make: bool,
    /// Whether what is made is gone at once.
    forgets: bool,
    /// What it did, in order.
    done: Mutex<Vec<String>>,
    nacks: Mutex<usize>,
    replied: Notify,
    headers: Mutex<Vec<BasicProperties>>,
}

impl Queues {
    fn did(&self, what: &str) {
        self.done.lock().unwrap().push(what.to_owned());
    }
}

impl Broker for Arc<Queues> {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let queue = message.routing_key.to_string();
        if !self.there.lock().unwrap().contains(&queue) {
            return Err(PublishError::Returned(queue));
        }
        let mut nacks = self.nacks.lock().unwrap();
        if *nacks > 0 {
            *nacks -= 1;
            self.did("nack");
            return Err(PublishError::Nacked);
        }
        self.did(&queue);
        self.headers.lock().unwrap().push(message.properties.clone());
        Ok(())
    }

    async fn reply(&self, _: impl Fn() -> Message + Send + Sync, _: bool) -> Result<(), ReplyError> {
        self.did("reply sent");
        self.replied.notify_one();
        Ok(())
    }

    async fn declare_again(&self) -> Result<(), SessionLost> {
        self.did("declare again");
        self.there.lock().unwrap().insert(OTHERS.to_owned());
        Ok(())
    }

    async fn make_dead_letter_queue(&self, of: &WorkQueue, missing: bool) -> Result<bool, SessionLost> {
        assert_eq!(of.to_string(), "intent.refund");
        self.did(if missing { "missing" } else { "make" });
        if self.may_make && !self.forgets {
            self.there.lock().unwrap().insert(DEAD.to_owned());
        }
        Ok(self.may_make)
    }

    async fn pause(&self, _: Duration) {}

    async fn ack(&self, _: Ack, outcome: &'static str, _: Instant) {
        self.did(outcome);
    }
}

/// Settles a dead letter of an intent's queue; what the broker did.
async fn settled(broker: Queues) -> (Vec<String>, Arc<Queues>) {
    let broker = Arc::new(broker);
    let letter = DeadLetter { reason: DeadReason::Error(ErrorCode::Internal), message: "why".to_owned() };
    settle(&broker, None, Outcome::DeadLetter(letter), Sharing::default()).await;
    let done = broker.done.lock().unwrap().clone();
    (done, broker)
}

async fn settle(broker: &Arc<Queues>, reply_to: Option<ReplyTo>, outcome: Outcome, sharing: Sharing) {
    let names = Names::new("shop").unwrap();
    let delivered = Delivered::mock(1, short("shop"), short("intent.refund"), false, b"x".to_vec());
    let queue = WorkQueue::parse("intent.refund");
    let received = Box::new(Received::read(delivered, queue, &[], &names, 1, None));
    let retry = RetryPolicy { delays: Vec::new() };
    let settler = Settler { broker: broker.clone(), names, retry, worker: "test".to_owned() };
    let (ack, started) = (Acks::new().0.of(1), Instant::now());
    let delivery = Delivery { received, reply_to, request_id: None, started, sharing, ack };
    settler.settle(delivery, outcome).await.unwrap();
}

/// Takes an answer only after the reply was sent.
#[async_trait]
impl SharedAnswers for Queues {
    async fn get(&self, _: &Key) -> Option<Reply> {
        None
    }

    async fn put(&self, _: &Key, _: &Reply) {
        self.replied.notified().await;
        self.did("shared");
    }
}

#[tokio::test]
async fn an_answer_is_shared_beside_its_reply_and_before_its_ack() {
    let broker = Arc::new(Queues::default());
    let bounds = Bounds { entries: 10, bytes: 1 << 20, age: Duration::from_secs(60) };
    let answers = Answers::new(bounds, Some(broker.clone()));
    let outcome = Outcome::Reply(Arc::new(Reply {
        id: "id".to_owned(),
        in_reply_to: None,
        receiver: None,
        conversation: None,
        metadata: None,
        text: "yes".to_owned(),
        locale: None,
        intent: IntentName::new("refund").unwrap(),
        classification: None,
        entities: Vec::new(),
        details: Details::default(),
    }));
    let sharing = answers.claim(Key::of([Some(&b"m"[..])])).unwrap().finish(&outcome);
    let reply_to = ReplyTo { address: short("answers"), direct: false };
    let settled = settle(&broker, Some(reply_to), outcome, sharing);
    assert!(timeout(Duration::from_secs(10), settled).await.is_ok(), "the reply waits for what waits for it");
    assert_eq!(*broker.done.lock().unwrap(), ["reply sent", "shared", "reply"]);
}

fn with(there: &[&str]) -> Queues {
    let there = there.iter().map(|&queue| queue.to_owned()).collect();
    Queues { there: Mutex::new(there), may_make: true, ..Queues::default() }
}

#[tokio::test]
async fn a_letter_is_put_where_it_belongs_or_among_those_of_the_requests() {
    async fn check(broker: Queues, expected: &[&str]) {
        let (done, broker) = settled(broker).await;
        assert_eq!(done, expected);
        // Wherever it is, it says whose it is.
        let headers = broker.headers.lock().unwrap()[0].headers().clone().unwrap();
        let first = headers.inner().get(FIRST_QUEUE).cloned();
        assert_eq!(first, Some(lapin::types::AMQPValue::LongString("shop.intent.refund".into())));
    }
    check(with(&[DEAD, OTHERS]), &["make", DEAD, "dead-letter"]).await;
    check(with(&[OTHERS]), &["make", DEAD, "dead-letter"]).await;
    // A queue that several nodes make at once may refuse its first message.
    check(Queues { nacks: 1.into(), ..with(&[OTHERS]) }, &["make", "nack", DEAD, "dead-letter"]).await;
    check(Queues { may_make: false, ..with(&[OTHERS]) }, &["make", "missing", OTHERS, "dead-letter"]).await;
    // It was made, and is gone again.
    check(Queues { forgets: true, ..with(&[OTHERS]) }, &["make", "missing", OTHERS, "dead-letter"]).await;
    let all_missing = &["make", "missing", "declare again", OTHERS, "dead-letter"];
    check(Queues { may_make: false, ..with(&[]) }, all_missing).await;
}
