//! The model check of settlement: every interleaving of deliveries, publishes, confirms, nacks, returns, acks, lost
//! sessions and crashes of a few messages, with so many faults at most.
//!
//! Admission, retry policy, republished properties and settlement are the worker's own code, which is run anew for each
//! state; the model handler's answers, the broker ([`broker`]) and its faults are what is tried in all ways. A delivery
//! in work is told by what it was told so far, because its task does nothing but ask the broker and act on the answer.
//!
//! What is held, in every state that can be reached:
//! - every request is in a queue, answered, dead-lettered, or dropped since its reply queue is gone; a worker that ends
//!   here and now loses none;
//! - nothing is acked before the broker has confirmed what was published instead;
//! - without further faults, every way ends (there is no loop), and it ends with all queues of work empty.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test may")]

mod broker;
mod explore;
pub(in crate::amqp) mod search;

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use lapin::message::Delivery as Delivered;

use self::{
    broker::{Messages, Place, Ready},
    explore::{Explored, Rules, explore},
};
use super::*;
use crate::{
    amqp::{
        message::{
            admit::{self, Admission, Limits},
            reply_to,
        },
        publishing::acks::Acks,
    },
    pipeline::Stage,
};

/// When everything happens: no deadline passes by itself.
const NOW: u64 = 1_800_000_000_000;

/// What a delivery in work was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Told {
    /// By the handler: …
    Chosen(Choice),
    /// By the broker: it has what was published.
    Confirmed,
    Nacked,
    Returned,
    Unconfirmed,
    /// The reply's address breaks its connection.
    BadAddress,
    /// A pause is over, or a declaration made.
    Done,
}

/// What the model or handler makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Choice {
    Answer,
    Forward,
    FailForNow,
    FailForGood,
}

impl Choice {
    const ALL: [Self; 4] = [Self::Answer, Self::Forward, Self::FailForNow, Self::FailForGood];
}

/// What a delivery in work asks for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ask {
    /// To be handled; `classified` tells that it may still be forwarded.
    Handle { classified: bool },
    /// To publish a message to a place.
    Publish(Place, usize),
    /// To publish an answer of that kind.
    Reply { error: bool },
    /// To declare or to wait.
    Pass,
    /// To make a queue of dead letters.
    Make,
    /// To ack; `kept` tells whether what was published instead is confirmed, or nobody is there to hear.
    Ack { kept: bool },
}

/// A delivery in work: what was delivered, and what it was told since.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Flight {
    ready: Ready,
    told: Vec<Told>,
}

/// A broker that answers as it is told, and then not at all; it notes what it is asked.
struct Scripted {
    script: Vec<Told>,
    asked: Mutex<Asked>,
    messages: Arc<Mutex<Messages>>,
}

#[derive(Default)]
struct Asked {
    answered: usize,
    next: Option<Ask>,
    kept: bool,
}

impl Scripted {
    /// The script's answer to this, or none for ever.
    async fn ask(&self, ask: Ask) -> Told {
        poll_fn(|_| {
            let mut asked = self.asked.lock().unwrap();
            match self.script.get(asked.answered) {
                Some(told) => {
                    asked.answered += 1;
                    asked.kept |= matches!(
                        (ask, told),
                        (Ask::Publish(..) | Ask::Reply { error: false }, Told::Confirmed)
                            | (Ask::Reply { error: false }, Told::Returned)
                    );
                    Poll::Ready(*told)
                }
                None => {
                    asked.next = Some(ask);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Broker for Scripted {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let (place, id) = self.messages.lock().unwrap().published(&message);
        match self.ask(Ask::Publish(place, id)).await {
            Told::Confirmed => Ok(()),
            Told::Nacked => Err(PublishError::Nacked),
            Told::Returned => Err(PublishError::Returned(message.routing_key.to_string())),
            told => unreachable!("{told:?}"),
        }
    }

    async fn reply(&self, message: impl Fn() -> Message + Send + Sync, _: bool) -> Result<(), ReplyError> {
        let error = message().properties.kind().as_ref().is_some_and(|kind| kind.as_str() == ERROR_TYPE);
        match self.ask(Ask::Reply { error }).await {
            Told::Confirmed => Ok(()),
            Told::Nacked => Err(ReplyError::Refused),
            Told::Returned => Err(ReplyError::Gone(String::new())),
            Told::Unconfirmed => Err(ReplyError::Unconfirmed(String::new())),
            Told::BadAddress => Err(ReplyError::BadAddress(String::new())),
            told => unreachable!("{told:?}"),
        }
    }

    async fn declare_again(&self) -> Result<(), SessionLost> {
        self.ask(Ask::Pass).await;
        Ok(())
    }

    async fn make_dead_letter_queue(&self, _: &WorkQueue, missing: bool) -> Result<bool, SessionLost> {
        Ok(!missing || self.ask(Ask::Make).await == Told::Confirmed)
    }

    async fn pause(&self, _: Duration) {
        self.ask(Ask::Pass).await;
    }

    async fn ack(&self, _: Ack, _: &'static str, _: Instant) {
        let kept = self.asked.lock().unwrap().kept;
        self.ask(Ask::Ack { kept }).await;
    }
}

/// The worker's part: what a delivery in work asks for next.
fn next(flight: &Flight, messages: &Arc<Mutex<Messages>>) -> Ask {
    let names = broker::names();
    let retry = RetryPolicy { delays: vec![Duration::from_secs(1)] };
    let (delivered, queue): (Delivered, Option<WorkQueue>) = messages.lock().unwrap().delivered(flight.ready);
    let ack = Acks::new().0.of(delivered.delivery_tag);
    let mut received = Box::new(Received::read(delivered, queue.clone(), &[], &names, NOW, None));
    received.keep_known(&names, |intent| *intent == broker::intent());
    let address = reply_to::check(received.properties.reply_to().as_ref(), &names, &[]);
    let limits = Limits { max_body: 1024, ..Limits::default() };
    let mut script = flight.told.iter().copied();
    let outcome = match &queue {
        None => admit::died(&received, &address, &broker::names()),
        Some(queue) => match admit::admit(&received, queue, &address, &limits, NOW) {
            Admission::Decided(outcome) => outcome,
            Admission::Work(job) => {
                let classified = job.stage == Stage::Classify;
                let Some(Told::Chosen(choice)) = script.next() else { return Ask::Handle { classified } };
                let failed = |code| retry.decide(MessageError::new(code, "why"), job.attempt, job.time_left);
                match choice {
                    Choice::Answer => Outcome::Reply(Arc::new(answer())),
                    Choice::Forward => {
                        Outcome::Forward { intent: broker::intent(), classification: None, slots: Default::default() }
                    }
                    Choice::FailForNow => failed(ErrorCode::Timeout),
                    Choice::FailForGood => failed(ErrorCode::HandlerFailed),
                }
            }
        },
    };
    let broker = Scripted { script: script.collect(), asked: Mutex::default(), messages: messages.clone() };
    let settler = Settler { broker, names, retry, worker: "model".to_owned() };
    let reply_to = address.ok().flatten();
    let delivery =
        Delivery { received, reply_to, request_id: None, started: Instant::now(), sharing: Default::default(), ack };
    let settled = std::pin::pin!(settler.settle(delivery, outcome)).poll(&mut Context::from_waker(Waker::noop()));
    let asked = settler.broker.asked.lock().unwrap();
    assert_eq!(asked.answered, settler.broker.script.len(), "it asks what it asked before");
    assert!(settled.is_pending(), "it ends with an ack");
    asked.next.unwrap()
}

fn answer() -> Reply {
    Reply {
        id: "answer".to_owned(),
        in_reply_to: None,
        receiver: None,
        conversation: None,
        metadata: None,
        text: "text".to_owned(),
        locale: None,
        intent: broker::intent(),
        classification: None,
        entities: Vec::new(),
        details: crate::domain::Details::default(),
    }
}

/// Explores, and says how much there was.
fn check(what: &str, rules: &Rules) -> Explored {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _clock = runtime.enter();
    let explored = explore(rules);
    eprintln!("{what}: {} states, {} steps, {} ends", explored.states, explored.steps, explored.ends.len());
    explored
}

#[test]
fn one_message_with_every_fault_ends_in_an_allowed_state() {
    use Choice::{Answer, FailForGood, FailForNow, Forward};
    use Place::{Answers, Dead, Died, Dropped, Intent, Requests};
    let cases: [(&str, Place, &[Choice], bool, u8); 8] = [
        ("a text, answered", Requests, &[Answer], false, 3),
        ("a text, forwarded or answered", Requests, &[Answer, Forward], false, 1),
        ("a text with a deadline", Requests, &[Answer, Forward], true, 1),
        ("a text, tried again", Requests, &[FailForNow], false, 1),
        ("a text, given up", Requests, &[FailForGood], false, 2),
        ("a message to an intent, whatever comes of it", Intent, &Choice::ALL, false, 1),
        ("a message to an intent, given up", Intent, &[FailForGood], false, 2),
        ("a message that nobody binds", Died, &Choice::ALL, false, 3),
    ];
    for (what, place, choices, deadline, faults) in cases {
        let rules = Rules { requests: vec![place], choices, deadline, faults, ..Rules::default() };
        let explored = check(what, &rules);
        assert_eq!(explored.violation, None, "{what}");
        let ended = |place| explored.ends.iter().any(|end| end.iter().any(|(at, ..)| *at == place));
        assert!(ended(Dead), "{what}: {:?}", explored.ends);
        let answered = place != Died && choices.contains(&Answer);
        assert_eq!((ended(Answers), ended(Dropped)), (answered, answered), "{what}: {:?}", explored.ends);
    }
}

#[test]
fn messages_side_by_side_end_in_an_allowed_state() {
    use Choice::{Answer, Forward};
    use Place::{Intent, Requests};
    for (what, requests, choices, faults) in [
        ("two messages, answered", vec![Requests; 2], &[Answer][..], 2),
        ("two messages, forwarded or answered", vec![Requests, Intent], &[Answer, Forward], 0),
        ("two messages to an intent, whatever comes of them", vec![Intent; 2], &Choice::ALL, 0),
        ("three messages, answered", vec![Requests, Intent, Requests], &[Answer], 1),
    ] {
        let explored = check(what, &Rules { requests, choices, faults, ..Rules::default() });
        assert_eq!(explored.violation, None, "{what}");
    }
}

#[test]
fn a_message_that_always_ends_its_worker_is_given_up_and_those_beside_it_are_answered() {
    for requests in [vec![Place::Requests; 2], vec![Place::Intent, Place::Requests, Place::Intent]] {
        let others = requests.len() - 1;
        let rules = Rules { requests, killer: true, delivery_limit: 20, ..Rules::default() };
        let explored = check("a killer", &rules);
        assert_eq!(explored.violation, None);
        for end in &explored.ends {
            let dead: Vec<_> = end.iter().filter(|(place, ..)| *place == Place::Dead).collect();
            assert!(!dead.is_empty(), "{end:?}");
            assert!(dead.iter().all(|(_, request, reason)| *request == 0 && reason == "crashed"), "{end:?}");
            let answered = |request: u8| end.iter().any(|(place, of, _)| *place == Place::Answers && *of == request);
            assert!((1..=others).all(|request| answered(request.try_into().unwrap())), "{end:?}");
        }
    }
}

#[test]
fn an_ack_before_the_confirm_is_found_out() {
    let broken = Rules { acks_early: true, faults: 1, ..Rules::default() };
    let violation = check("a broken worker", &broken).violation.expect("a lost message is found");
    assert!(violation.contains("request 0 is lost"), "{violation}");
}
