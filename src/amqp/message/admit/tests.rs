//! Tests of what is decided without a model.
#![expect(clippy::unwrap_used, reason = "a test may")]

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable},
};

use super::*;
use crate::amqp::{
    objects::names::{self, PROBE_TYPE},
    values::short,
};

const NOW: u64 = 1_800_000_000_000;

/// A delivery of "refund" from `queue`, which the broker has counted so often.
fn received(queue: Option<WorkQueue>, headers: &[(&str, i64)], redelivered: bool) -> Received {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(short(name), AMQPValue::LongLongInt(*value));
    }
    let mut delivery = Delivery::mock(1, short(""), short("shop.requests"), redelivered, b"refund".to_vec());
    delivery.properties = BasicProperties::default().with_headers(table);
    Received::read(delivery, queue, &[], &Names::new("shop").unwrap(), NOW, None)
}

/// The headers that the broker writes of a message that it took out of queues for these reasons, the last first.
fn dead_of(reasons: &[&str]) -> FieldTable {
    let mut headers = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    let deaths = reasons.iter().map(|reason| {
        let mut death = FieldTable::default();
        death.insert(short("reason"), text(reason));
        AMQPValue::FieldTable(death)
    });
    headers.insert(short("x-death"), AMQPValue::FieldArray(deaths.collect::<Vec<_>>().into()));
    if let Some(first) = reasons.last() {
        headers.insert(short("x-first-death-reason"), text(first));
    }
    headers
}

/// What is decided, in a word.
fn decision(received: &Received, address: &Address) -> &'static str {
    let queue = received.queue.clone().unwrap();
    match admit(received, &queue, address, &Limits { max_body: 1024, ..Limits::default() }, NOW) {
        Admission::Work(_) => "work",
        Admission::Decided(Outcome::Suspect) => "suspect",
        Admission::Decided(Outcome::DeadLetter(letter)) => letter.reason.as_str(),
        Admission::Decided(_) => "other",
    }
}

#[test]
fn what_is_too_much_or_has_waited_too_long_is_turned_away() {
    let check = |queue: WorkQueue, headers: &[(&str, i64)], sent: Option<u64>, limits: &Limits, expected: bool| {
        let mut received = received(Some(queue.clone()), headers, false);
        if let Some(seconds) = sent {
            received.properties = received.properties.with_timestamp(seconds);
        }
        let admission = admit(&received, &queue, &Ok(None), limits, NOW);
        let turned_away = matches!(&admission, Admission::Decided(Outcome::DeadLetter(letter))
            if letter.reason == DeadReason::Error(ErrorCode::Overloaded));
        assert_eq!(turned_away, expected, "{queue} {headers:?} {sent:?} {limits:?}");
    };
    let none = Limits { max_body: 1024, ..Limits::default() };
    let too_many = Limits { too_many: true, ..none };
    let aged = Limits { max_age: Some(Duration::from_secs(10)), ..none };
    let intent = || WorkQueue::Intent(crate::domain::IntentName::new("refund").unwrap());
    let now = NOW / 1000;
    check(WorkQueue::Requests, &[], Some(0), &none, false);
    check(WorkQueue::Requests, &[], None, &too_many, true);
    check(intent(), &[], None, &too_many, true);
    check(WorkQueue::Requests, &[], None, &aged, false);
    check(WorkQueue::Requests, &[], Some(now - 10), &aged, false);
    check(WorkQueue::Requests, &[], Some(now - 11), &aged, true);
    check(WorkQueue::Requests, &[], Some(u64::MAX), &aged, false);
    // Many clients fill it in milliseconds, some in microseconds.
    for unit in [1_000, 1_000_000] {
        check(WorkQueue::Requests, &[], Some((now - 10) * unit), &aged, false);
        check(WorkQueue::Requests, &[], Some((now - 11) * unit), &aged, true);
    }
    let seen = i64::try_from(NOW).unwrap() - 10_001;
    check(intent(), &[(names::FIRST_SEEN, seen)], Some(now), &aged, true);
    check(intent(), &[(names::FIRST_SEEN, seen), (names::ATTEMPT, 2)], None, &aged, false);
    // A suspect is started so that it is known for what it is.
    let both = Limits { too_many: true, ..aged };
    check(WorkQueue::Suspects, &[(names::STARTS, 1), (names::FIRST_SEEN, 0)], None, &both, false);
}

#[test]
fn what_was_there_when_two_workers_were_lost_is_set_apart() {
    let check = |count: i64, redelivered: bool, expected: &str| {
        let received = received(Some(WorkQueue::Requests), &[("x-delivery-count", count)], redelivered);
        assert_eq!(decision(&received, &Ok(None)), expected, "{count} {redelivered}");
    };
    check(0, false, "work");
    check(1, true, "work");
    check(2, true, "suspect");
    check(20, true, "suspect");
    // Nobody but the broker counts: a client that says so is read like any other.
    check(20, false, "work");
}

#[test]
fn a_suspect_is_started_twice_at_most_and_each_start_is_counted_before_it_is_made() {
    let check = |starts: i64, redelivered: bool, expected: &str| {
        let received = received(Some(WorkQueue::Suspects), &[(names::STARTS, starts)], redelivered);
        assert_eq!(decision(&received, &Ok(None)), expected, "{starts} {redelivered}");
    };
    check(0, false, "suspect");
    check(0, true, "suspect");
    check(1, false, "work");
    check(1, true, "suspect");
    check(2, false, "work");
    check(2, true, "crashed");
    check(3, false, "crashed");
    check(i64::MAX, false, "crashed");
    check(-1, false, "suspect");
}

#[test]
fn the_deadline_and_the_address_are_looked_at_before_anything_is_done() {
    let requests = Some(WorkQueue::Requests);
    let late = received(requests.clone(), &[(names::DEADLINE, 1_799_999_999_999)], true);
    assert_eq!(decision(&late, &Ok(None)), "deadline_exceeded");
    let now = received(requests.clone(), &[(names::DEADLINE, 1_800_000_000_000)], false);
    assert_eq!(decision(&now, &Ok(None)), "deadline_exceeded");
    let in_time = received(requests, &[(names::DEADLINE, 1_800_000_000_001)], false);
    assert_eq!(decision(&in_time, &Ok(None)), "work");
    assert_eq!(decision(&in_time, &Err(reply_to::ReplyAddressError::Ours)), "reply_address");
}

#[test]
fn the_brokers_reason_becomes_the_clients() {
    let check = |reason: Option<&str>, before: &[&str], expected: &str| {
        let mut received = received(None, &[], false);
        let deaths: Vec<_> = reason.into_iter().chain(before.iter().copied()).collect();
        if !deaths.is_empty() {
            received.properties = received.properties.with_headers(dead_of(&deaths));
        }
        let Outcome::DeadLetter(letter) = died(&received, &Ok(None), &Names::new("shop").unwrap()) else {
            unreachable!("it is always a dead letter")
        };
        assert_eq!(letter.reason.as_str(), expected);
    };
    check(Some("expired"), &[], "deadline_exceeded");
    check(Some("rejected"), &[], "handler_failed");
    check(Some("delivery_limit"), &[], "crashed");
    check(Some("maxlen"), &[], "overloaded");
    check(Some("of a later version"), &[], "internal");
    check(None, &[], "unroutable");
    // The delay of a retry is an expiry as well, but not what it died of.
    check(Some("rejected"), &["expired"], "handler_failed");
    check(Some("delivery_limit"), &["expired"], "crashed");
}

#[test]
fn only_a_probe_that_came_unroutable_and_wants_no_answer_is_dropped() {
    let names = Names::new("shop").unwrap();
    let check = |properties: BasicProperties, dropped: bool| {
        let mut delivery = Delivery::mock(1, short("shop"), short("nobody"), false, Vec::new());
        delivery.properties = properties.clone();
        let received = Received::read(delivery, None, &[], &names, 0, None);
        let outcome = died(&received, &Ok(None), &names);
        assert_eq!(outcome == Outcome::Drop, dropped, "{properties:?}: {outcome:?}");
    };
    let probe = BasicProperties::default().with_type(short(PROBE_TYPE));
    check(probe.clone(), true);
    check(BasicProperties::default(), false);
    check(BasicProperties::default().with_type(short("chat.request")), false);
    check(probe.clone().with_reply_to(short("answers")), false);
    check(probe.with_headers(dead_of(&["expired"])), false);
}

#[test]
fn a_probe_that_reached_a_work_queue_is_dropped_there_and_one_that_wants_an_answer_is_none() {
    let lane = WorkQueue::Conversation(Lane::ALL[0]);
    for queue in [WorkQueue::Requests, WorkQueue::Suspects, lane] {
        for has_conversations in [false, true] {
            let limits = Limits { max_body: 1024, has_conversations, ..Limits::default() };
            let decide = |properties: BasicProperties| {
                // It is no suspect either, however often it came.
                let mut received = received(Some(queue.clone()), &[("x-delivery-count", 3)], true);
                received.properties = properties;
                admit(&received, &queue, &Ok(None), &limits, NOW)
            };
            let probe = BasicProperties::default().with_type(short(PROBE_TYPE));
            let dropped = decide(probe.clone());
            assert!(matches!(dropped, Admission::Decided(Outcome::Drop)), "{queue}: {dropped:?}");
            let asking = decide(probe.with_reply_to(short("answers")));
            assert!(!matches!(asking, Admission::Decided(Outcome::Drop)), "{queue}: {asking:?}");
        }
    }
}

const PASS: &str =
    "5.0000000000000000000000000000000000000000000000000000000000000000.00000000000000000000000000000001";

#[test]
fn what_is_about_a_conversation_goes_to_its_queue_or_is_told_why_it_cannot() {
    let check = |conversations: bool, kind: &str, pass: Option<&str>, body: &str, expected: &str| {
        let mut headers = FieldTable::default();
        if let Some(pass) = pass {
            headers.insert(short(names::CONVERSATION), AMQPValue::LongString(pass.into()));
        }
        let mut delivery = Delivery::mock(1, short("shop"), short("request"), false, body.as_bytes().to_vec());
        delivery.properties = BasicProperties::default().with_headers(headers).with_type(short(kind));
        let (names, requests) = (Names::new("shop").unwrap(), WorkQueue::Requests);
        let received = Received::read(delivery, Some(requests.clone()), &[], &names, NOW, None);
        let limits = Limits { max_body: 1024, has_conversations: conversations, ..Limits::default() };
        let decided = match admit(&received, &requests, &Ok(None), &limits, NOW) {
            Admission::Work(_) => "work".to_owned(),
            Admission::Decided(Outcome::Relay(lane)) => lane.to_string(),
            Admission::Decided(Outcome::DeadLetter(letter)) => letter.message,
            Admission::Decided(other) => format!("{other:?}"),
        };
        assert!(decided.starts_with(expected), "{kind} {pass:?} {body}: {decided}");
    };
    let (c, none) = (r#"{"conversation":"c-42","body":"hi"}"#, r#"{"body":"hi"}"#);
    check(true, "chat.request", None, c, "5");
    check(true, "chat.request", Some(PASS), none, "work");
    check(true, "chat.forget", None, c, "5");
    check(true, "chat.forget", None, none, "chat.forget has to name the conversation");
    for kind in ["chat.message", "chat.release"] {
        check(true, kind, Some(PASS), none, "5");
        check(true, kind, Some(PASS), r#"{"conversation":"c1","body":"hi"}"#, "5");
        for pass in [None, Some(""), Some("5"), Some(&PASS[1..])] {
            check(true, kind, pass, c, &format!("{kind} needs the header chatbot-conversation"));
        }
        check(false, kind, Some(PASS), c, &format!("{kind} is about a conversation, and this bot has none"));
    }
    check(true, "chat.message", Some(PASS), "{}", "the request has no 'body'");
    check(true, "chat.release", Some(PASS), "", "5");
    check(false, "chat.forget", None, c, "chat.forget is about");
    for conversations in [false, true] {
        let feedback = r#"{"conversation":"c-42","in_reply_to":"r","value":"up"}"#;
        check(conversations, "chat.feedback", None, feedback, "work");
        check(conversations, "chat.feedback", None, none, "chat.feedback has to name the answer");
        check(conversations, "chat.remind", None, none, "types that begin with chat. are reserved");
    }
}

#[test]
fn only_what_a_worker_put_among_people_comes_back_to_its_conversation() {
    let check = |exchange: &str, queue: &str, pass: Option<&str>, comes_back: bool| {
        let names = Names::new("shop").unwrap();
        let mut headers = dead_of(&["expired"]);
        let mut death = FieldTable::default();
        for (name, value) in [("reason", "expired"), ("queue", queue), ("exchange", exchange)] {
            death.insert(short(name), AMQPValue::LongString(value.into()));
        }
        headers.insert(short("x-death"), AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()));
        if let Some(pass) = pass {
            headers.insert(short(names::CONVERSATION), AMQPValue::LongString(pass.into()));
        }
        // What is moved keeps its key.
        let held = || names.held_by(queue).unwrap_or_else(|| queue.to_owned());
        let key = if exchange == "shop" { "person".to_owned() } else { held() };
        let mut delivery = Delivery::mock(1, short("shop.died"), short(&key), false, Vec::new());
        delivery.properties = BasicProperties::default().with_headers(headers);
        let received = Received::read(delivery, None, &[], &names, 0, None);
        let outcome = died(&received, &Ok(None), &names);
        assert_eq!(matches!(outcome, Outcome::Relay(_)), comes_back, "{exchange} {queue} {pass:?}: {outcome:?}");
    };
    check("", "shop.person", Some(PASS), true);
    check("", "shop.person", None, false);
    check("shop", "shop.person", Some(PASS), false);
    check("", "shop.intent.refund", Some(PASS), false);
    // While the queue of people is being migrated.
    check("shop.holding.person", "shop.holding.person", Some(PASS), true);
    check("shop.holding.person", "shop.holding.person", None, false);
    check("shop.holding.person", "shop.person", Some(PASS), true);
    check("shop.holding.intent.refund", "shop.holding.intent.refund", Some(PASS), false);
}

#[test]
fn a_cancel_that_no_worker_heard_changes_nothing() {
    let mut delivery = Delivery::mock(1, short("shop.died"), short("cancel"), false, br#"{"id":"7"}"#.to_vec());
    delivery.properties = BasicProperties::default().with_type(short("chat.cancel")).with_reply_to(short("answers"));
    let names = Names::new("shop").unwrap();
    let received = Received::read(delivery, None, &[], &names, 0, None);
    let address = crate::amqp::message::reply_to::check(received.properties.reply_to().as_ref(), &names, &[]);
    assert!(matches!(died(&received, &address, &names), Outcome::Drop));
}
