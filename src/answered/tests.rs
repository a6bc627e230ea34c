//! Tests of what is remembered, joined and forgotten. Redis's are `tests/it/redis.rs`, on a real one.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{Answers, Bounds, Found, Key, SharedAnswers};
use crate::domain::{Details, ErrorCode, IntentName, MessageError, Outcome, Reply};

const BOUNDS: Bounds = Bounds { entries: 100, bytes: 1 << 20, age: Duration::from_secs(600) };

fn key(name: &str) -> Key {
    Key::of([Some(name.as_bytes())])
}

fn answer(text: &str) -> Outcome {
    Outcome::Reply(Arc::new(Reply {
        id: "id".to_owned(),
        in_reply_to: None,
        receiver: None,
        conversation: None,
        metadata: None,
        text: text.to_owned(),
        locale: None,
        intent: IntentName::new("refund").unwrap(),
        classification: None,
        entities: Vec::new(),
        details: Details::default(),
    }))
}

fn error() -> Outcome {
    Outcome::Retry { delay: Duration::from_secs(1), error: MessageError::new(ErrorCode::Timeout, "why") }
}

async fn remember(answers: &Answers, name: &str, outcome: &Outcome) {
    answers.claim(key(name)).unwrap().finish(outcome).done().await;
}

/// The answer's text that is known of a request that comes again.
async fn known(answers: &Answers, name: &str) -> Option<String> {
    match answers.look_up(key(name)).await {
        Found::Outcome(Outcome::Reply(reply)) => Some(reply.text.clone()),
        Found::Outcome(_) | Found::Nothing(_) => None,
    }
}

/// Lets the other tasks of this test's one thread come as far as they can.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_is_remembered_and_an_error_is_not() {
    let answers = Answers::new(BOUNDS, None);
    remember(&answers, "a", &answer("退货")).await;
    assert_eq!(known(&answers, "a").await.as_deref(), Some("退货"));
    assert_eq!(known(&answers, "b").await, None);
    for outcome in [error(), Outcome::DeadLetter(MessageError::new(ErrorCode::HandlerFailed, "no").into())] {
        remember(&answers, "c", &outcome).await;
        assert_eq!(known(&answers, "c").await, None, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_new_request_under_a_used_id_forgets_the_old_answer() {
    let answers = Answers::new(BOUNDS, None);
    remember(&answers, "a", &answer("old")).await;
    drop(answers.claim(key("a")).unwrap());
    assert_eq!(known(&answers, "a").await, None);
    remember(&answers, "a", &answer("new")).await;
    assert_eq!(known(&answers, "a").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn what_comes_again_while_it_is_worked_on_gets_whatever_comes_of_it() {
    for outcome in [answer("once"), error()] {
        let answers = Arc::new(Answers::new(BOUNDS, None));
        let claim = answers.claim(key("a")).unwrap();
        assert!(answers.claim(key("a")).is_none(), "one claim at a time");
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let answers = answers.clone();
                tokio::spawn(async move {
                    match answers.look_up(key("a")).await {
                        Found::Outcome(outcome) => outcome,
                        Found::Nothing(_) => unreachable!("it is being worked on"),
                    }
                })
            })
            .collect();
        settle().await;
        assert!(waiting.iter().all(|task| !task.is_finished()));
        claim.finish(&outcome).done().await;
        for task in waiting {
            assert_eq!(task.await.unwrap(), outcome);
        }
    }
}

#[tokio::test]
async fn work_that_is_given_up_passes_to_one_of_those_who_wait() {
    let answers = Arc::new(Answers::new(BOUNDS, None));
    let runs = Arc::new(AtomicU32::new(0));
    let claim = answers.claim(key("a")).unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (answers, runs) = (answers.clone(), runs.clone());
            tokio::spawn(async move {
                match answers.look_up(key("a")).await {
                    Found::Outcome(outcome) => outcome,
                    Found::Nothing(claim) => {
                        runs.fetch_add(1, SeqCst);
                        let outcome = answer("second");
                        claim.finish(&outcome).done().await;
                        outcome
                    }
                }
            })
        })
        .collect();
    settle().await;
    drop(claim);
    for task in waiting {
        assert_eq!(task.await.unwrap(), answer("second"));
    }
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test]
async fn the_oldest_answers_go_when_there_are_too_many() {
    let answers = Answers::new(Bounds { entries: 3, ..BOUNDS }, None);
    // The same one again and again takes one place.
    for name in ["a", "a", "b", "a", "c", "d", "e"] {
        remember(&answers, name, &answer(name)).await;
    }
    for (name, expected) in [("a", None), ("b", None), ("c", Some("c")), ("d", Some("d")), ("e", Some("e"))] {
        assert_eq!(known(&answers, name).await.as_deref(), expected, "{name}");
    }
}

#[tokio::test]
async fn the_oldest_answers_go_when_they_take_too_much_memory() {
    let answers = Answers::new(Bounds { bytes: 25_000, ..BOUNDS }, None);
    let long = "长".repeat(3_000);
    for name in ["a", "b", "c"] {
        remember(&answers, name, &answer(&long)).await;
    }
    for (name, expected) in [("a", false), ("b", true), ("c", true)] {
        assert_eq!(known(&answers, name).await.is_some(), expected, "{name}");
    }
    // One that is larger than all the memory costs no other.
    remember(&answers, "d", &answer(&"长".repeat(9_000))).await;
    assert_eq!(known(&answers, "d").await, None);
    assert_eq!(known(&answers, "c").await, Some(long));
}

#[tokio::test]
async fn answers_are_forgotten_when_they_are_old() {
    let answers = Answers::new(Bounds { age: Duration::from_millis(30), ..BOUNDS }, None);
    remember(&answers, "a", &answer("a")).await;
    assert!(known(&answers, "a").await.is_some());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while known(&answers, "a").await.is_some() {
        assert!(tokio::time::Instant::now() < deadline, "it is never forgotten");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Answers of other workers.
#[derive(Default)]
struct Elsewhere {
    answers: Mutex<Vec<(Key, Reply)>>,
    asked: AtomicU32,
}

#[async_trait]
impl SharedAnswers for Elsewhere {
    async fn get(&self, key: &Key) -> Option<Reply> {
        self.asked.fetch_add(1, SeqCst);
        let answers = self.answers.lock().unwrap();
        answers.iter().find(|(known, _)| known == key).map(|(_, reply)| reply.clone())
    }

    async fn put(&self, key: &Key, reply: &Reply) {
        self.answers.lock().unwrap().push((*key, reply.clone()));
    }
}

#[tokio::test]
async fn answers_of_other_workers_are_found_once_and_only_for_what_comes_again() {
    let elsewhere = Arc::new(Elsewhere::default());
    let [first, second] = [(); 2].map(|()| Answers::new(BOUNDS, Some(elsewhere.clone())));
    remember(&first, "a", &answer("shared")).await;
    remember(&first, "b", &error()).await;
    assert_eq!(elsewhere.asked.load(SeqCst), 0, "nobody asks for what comes for the first time");
    for _ in 0..3 {
        assert_eq!(known(&second, "a").await.as_deref(), Some("shared"));
    }
    assert_eq!(elsewhere.asked.load(SeqCst), 1, "then it is remembered here");
    assert_eq!(known(&second, "b").await, None);
    assert_eq!(elsewhere.answers.lock().unwrap().len(), 1, "an error isn't shared");
}
