//! Tests of what passes from a delivery to what is published for it.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod person;

use std::{collections::BTreeMap, time::Duration};

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable},
};
use proptest::prelude::*;

use super::{
    PERSISTENT, Purpose, Received, moved,
    received::{MAX_HEADERS, clean},
    republish::{MAX_DEAD_ERROR, MAX_SLOTS},
};
use crate::{
    amqp::{
        Names, WorkQueue,
        connection::wire::Blemish,
        objects::names,
        values::{number, short, table_size, text},
    },
    domain::{DeadLetter, DeadReason, IntentName, Lane},
};

const NOW: u64 = 1_800_000_000_000;

fn names() -> Names {
    Names::new("shop").unwrap()
}

/// What a worker relayed, or whoever may do as much.
fn read(properties: BasicProperties, queue: Option<WorkQueue>) -> Received {
    let mut delivery = Delivery::mock(1, short(""), short("request.x"), false, b"refund".to_vec());
    delivery.properties = properties;
    Received::read(delivery, queue, &[], &names(), NOW, None)
}

fn header(properties: &BasicProperties, name: &str) -> Option<AMQPValue> {
    properties.headers().as_ref()?.inner().get(name).cloned()
}

/// None.
fn no_slots() -> &'static BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    &NONE
}

fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(short(name), value.clone());
    }
    table
}

fn purposes<'a>(intent: &'a IntentName, letter: &'a DeadLetter) -> [Purpose<'a>; 4] {
    [
        Purpose::Forward { intent, classification: None, slots: no_slots() },
        Purpose::Suspect { starts: 1 },
        Purpose::Retry { delay: Duration::from_secs(1) },
        Purpose::Dead { letter, worker: "w", at: NOW },
    ]
}

fn letter() -> DeadLetter {
    DeadLetter { reason: DeadReason::ReplyRefused, message: "界".repeat(1000) }
}

#[test]
fn a_republished_message_carries_what_is_listed_and_nothing_else() {
    let client = table(&[
        ("mine", text("kept")),
        ("CC", text("x")),
        ("BCC", text("x")),
        ("x-death", text("x")),
        ("x-first-death-reason", text("x")),
        ("x-last-death-queue", text("x")),
        ("x-delivery-count", number(3)),
        ("x-acquired-count", number(3)),
        ("chatbot-attempt", number(2)),
        ("chatbot-of-their-own", text("x")),
        ("chatbot-starts", number(1)),
    ]);
    let properties = BasicProperties::default()
        .with_headers(client)
        .with_content_type(short("text/plain"))
        .with_correlation_id(short("c"))
        .with_message_id(short("m"))
        .with_reply_to(short("answers"))
        .with_user_id(short("guest"))
        .with_expiration(short("60000"))
        .with_delivery_mode(1)
        .with_cluster_id(short("old"))
        .with_priority(4);
    let received = read(properties, Some(WorkQueue::Requests));
    let (intent, letter) = (IntentName::new("refund").unwrap(), letter());
    for purpose in purposes(&intent, &letter) {
        let sent = received.republished(&names(), purpose, NOW + 1_000);
        assert_eq!(sent.delivery_mode(), &Some(PERSISTENT));
        assert_eq!((sent.user_id(), sent.cluster_id()), (&None, &None));
        assert_eq!(sent.correlation_id(), &Some(short("c")));
        assert_eq!(sent.priority(), &Some(4));
        assert_eq!(header(&sent, "mine"), Some(text("kept")));
        assert_eq!(header(&sent, names::USER_ID), Some(text("guest")));
        assert_eq!(header(&sent, names::FIRST_QUEUE), Some(text("shop.requests")));
        assert_eq!(header(&sent, names::FIRST_ROUTING_KEY), Some(text("request.x")));
        assert_eq!(header(&sent, names::DEADLINE), Some(number(NOW + 60_000)));
        for gone in [
            "CC",
            "BCC",
            "x-death",
            "x-first-death-reason",
            "x-last-death-queue",
            "x-delivery-count",
            "x-acquired-count",
            "chatbot-of-their-own",
        ] {
            assert_eq!(header(&sent, gone), None, "{gone}");
        }
        let forward = matches!(purpose, Purpose::Forward { .. });
        assert_eq!(sent.expiration().clone(), forward.then(|| short("59000")), "{purpose:?}");
        let attempt = if matches!(purpose, Purpose::Retry { .. }) { 3 } else { 2 };
        assert_eq!(header(&sent, names::ATTEMPT), Some(number(attempt)), "{purpose:?}");
    }
    let dead = received.republished(&names(), Purpose::Dead { letter: &letter, worker: "w", at: NOW }, NOW);
    assert_eq!(header(&dead, names::DEAD_REASON), Some(text("reply_refused")));
    let Some(AMQPValue::LongString(error)) = header(&dead, names::DEAD_ERROR) else { unreachable!("it is set") };
    assert!(error.len() <= MAX_DEAD_ERROR && std::str::from_utf8(error.as_bytes()).is_ok());
}

#[test]
fn the_first_queue_key_and_time_stay_on_every_further_way() {
    let first = read(BasicProperties::default(), Some(WorkQueue::Requests));
    let retried = first.republished(&names(), Purpose::Retry { delay: Duration::from_secs(1) }, NOW);
    let mut delivery = Delivery::mock(1, short(""), short("shop.requests"), false, Vec::new());
    delivery.properties = retried;
    let suspects = Some(WorkQueue::Suspects);
    let again = Received::read(delivery, suspects, &[], &names(), NOW + 5_000, None);
    let sent = again.republished(&names(), Purpose::Suspect { starts: 2 }, NOW + 5_000);
    assert_eq!(header(&sent, names::FIRST_QUEUE), Some(text("shop.requests")));
    assert_eq!(header(&sent, names::FIRST_ROUTING_KEY), Some(text("request.x")));
    assert_eq!(header(&sent, names::FIRST_SEEN), Some(number(NOW)));
    assert_eq!(header(&sent, names::ATTEMPT), Some(number(2)));
}

#[test]
fn a_dead_letter_of_a_conversation_is_told_as_one_of_its_queue_whatever_brought_it_there() {
    let first = read(BasicProperties::default(), Some(WorkQueue::Requests));
    let relayed = first.republished(&names(), Purpose::Relay, NOW);
    let lane = Some(WorkQueue::Conversation(Lane::of("c")));
    let mut delivery = Delivery::mock(1, short("shop.relay"), short("conversation.0"), false, Vec::new());
    delivery.properties = relayed;
    let there = Received::read(delivery, lane, &[], &names(), NOW, None);
    let dead = there.republished(&names(), Purpose::Dead { letter: &letter(), worker: "w", at: NOW }, NOW);
    let queue = names().queue(&WorkQueue::Conversation(Lane::of("c")));
    assert_eq!(header(&dead, names::FIRST_QUEUE), Some(text(&queue)));
    assert_eq!(header(&dead, names::FIRST_ROUTING_KEY), Some(text("request.x")));
}

#[test]
fn a_replayed_letter_is_as_its_client_published_it_and_as_if_never_tried() {
    let client = BasicProperties::default()
        .with_headers(table(&[("mine", text("kept")), (names::DEADLINE, number(NOW - 1))]))
        .with_user_id(short("guest"))
        .with_reply_to(short("answers"));
    let intent = Some(WorkQueue::Intent(IntentName::new("refund").unwrap()));
    let dead = read(client, intent.clone());
    let dead = dead.republished(&names(), Purpose::Suspect { starts: 2 }, NOW);
    let mut letter = read(dead, Some(WorkQueue::Suspects));
    letter.trail.attempt = 4;
    let dead = letter.republished(&names(), Purpose::Dead { letter: &self::letter(), worker: "w", at: NOW }, NOW);
    let letter = read(dead, intent);
    assert_eq!(letter.trail.attempt, 4);
    let headers = |deadline| {
        let sent = letter.republished(&names(), Purpose::Replay { deadline }, NOW + 5_000);
        assert_eq!((sent.expiration(), sent.reply_to()), (&None, &Some(short("answers"))));
        sent.headers().clone().unwrap()
    };
    let mut kept = table(&[
        ("mine", text("kept")),
        (names::FIRST_SEEN, number(NOW)),
        (names::FIRST_ROUTING_KEY, text("request.x")),
        // So that an answer which is remembered isn't made again.
        (names::REDELIVERED, number(1)),
        (names::USER_ID, text("guest")),
    ]);
    assert_eq!(headers(None), kept);
    kept.insert(short(names::DEADLINE), number(NOW + 9_000));
    assert_eq!(headers(Some(NOW + 9_000)), kept);
}

#[test]
fn a_message_of_an_intents_queue_stays_one_as_a_suspect() {
    let intent = IntentName::new("refund").unwrap();
    let received = read(BasicProperties::default(), Some(WorkQueue::Intent(intent)));
    let sent = received.republished(&names(), Purpose::Suspect { starts: 1 }, NOW);
    assert_eq!(header(&sent, names::INTENT), Some(text("refund")));
}

#[test]
fn what_cannot_be_read_is_left_out_and_told() {
    let properties = || {
        BasicProperties::default()
            .with_headers(table(&[("mine", text("x"))]))
            .with_correlation_id(short("?"))
            .with_message_id(short("m"))
    };
    let clean_of = |blemishes: &[Blemish]| {
        let mut properties = properties();
        let complaint = clean(&mut properties, blemishes);
        (properties, complaint)
    };
    assert_eq!(clean_of(&[]), (properties(), None));
    let (left, complaint) = clean_of(&[Blemish::NotUtf8("correlation id"), Blemish::HeaderName]);
    assert_eq!(complaint.as_deref(), Some("the correlation id isn't UTF-8; the name of a header isn't UTF-8"));
    assert_eq!((left.correlation_id(), left.headers()), (&None, &None));
    assert_eq!(left.message_id(), &Some(short("m")));
    let mut large = BasicProperties::default().with_headers(table(&[("big", text(&"x".repeat(MAX_HEADERS)))]));
    assert!(clean(&mut large, &[]).unwrap().contains("more than the 32768 allowed"));
    assert_eq!(large.headers(), &None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a client sends, what is published for it has no header that the broker acts on, short strings of at
    /// most 255 bytes, and a header table that fits into the forwarding connection's frames.
    #[test]
    fn nothing_harmful_passes(
        entries in prop::collection::vec((".{0,80}", ".{0,400}"), 0..40),
        special in prop::sample::subsequence(
            vec!["CC", "BCC", "x-death", "x-delivery-count", "chatbot-classification", "chatbot-deadline",
                "chatbot-queue", "chatbot-user-id", "x-first-death-queue"], 0..9),
        expiration in ".{0,20}",
    ) {
        let mut headers = FieldTable::default();
        for (name, value) in &entries {
            headers.insert(short(name), text(value));
        }
        for name in special {
            headers.insert(short(name), text(r#"{"ranking":[]}"#));
        }
        let properties = BasicProperties::default().with_headers(headers).with_expiration(short(&expiration));
        let received = read(properties, Some(WorkQueue::Requests));
        let (intent, letter) = (IntentName::new("refund").unwrap(), letter());
        let replay = Purpose::Replay { deadline: Some(NOW) };
        for purpose in purposes(&intent, &letter).into_iter().chain([replay]) {
            let sent = received.republished(&names(), purpose, NOW);
            let headers = sent.headers().clone().unwrap();
            for name in ["CC", "BCC", "x-death", "x-delivery-count", "x-first-death-queue"] {
                prop_assert!(!headers.contains_key(name));
            }
            prop_assert!(table_size(&headers) <= 60 * 1024);
            if let Some(expiration) = sent.expiration() {
                prop_assert!(expiration.as_str().parse::<u64>().is_ok());
            }
        }
    }
}

#[test]
fn a_moved_message_carries_all_but_what_the_broker_would_not_take_or_writes_itself() {
    let ours = [("mine", text("kept")), ("CC", text("x")), ("x-death", text("x")), ("chatbot-starts", number(1))];
    let counts = [("x-delivery-count", number(3)), ("x-acquired-count", number(3))];
    let all = |headers: FieldTable| {
        BasicProperties::default()
            .with_content_type(short("text/plain"))
            .with_content_encoding(short("utf-8"))
            .with_headers(headers)
            .with_delivery_mode(1)
            .with_priority(7)
            .with_correlation_id(short("c"))
            .with_reply_to(short("r"))
            .with_expiration(short("5"))
            .with_message_id(short("m"))
            .with_timestamp(1)
            .with_type(short("t"))
            .with_app_id(short("a"))
            .with_cluster_id(short("k"))
    };
    let from = all(table(&[&ours[..], &counts].concat())).with_user_id(short("u"));
    let user = [(names::USER_ID, text("u"))];
    // Of what a client published nothing of ours stays but the deadline: afterwards it would be believed.
    let forged = [(names::USER_ID, text("forged")), (names::DEADLINE, number(NOW)), ("mine", text("kept"))];
    let by_client = moved(&BasicProperties::default().with_headers(table(&forged)), false, &[]);
    assert_eq!(by_client, BasicProperties::default().with_headers(table(&forged[1..])));
    assert_eq!(moved(&from, true, &[]), all(table(&[&ours[..], &user].concat())));
    assert_eq!(moved(&BasicProperties::default(), true, &[]), BasicProperties::default());
    let broken = BasicProperties::default().with_correlation_id(short("?")).with_message_id(short("m"));
    let readable = BasicProperties::default().with_message_id(short("m"));
    assert_eq!(moved(&broken, true, &[Blemish::NotUtf8("correlation id")]), readable);
}

/// Those that any client can send, of any size and type.
#[test]
fn a_reply_carries_a_trace_that_fits_whatever_the_client_sent() {
    let long = |name: &str, text: &str| {
        let properties = BasicProperties::default().with_headers(table(&[(name, self::text(text))]));
        header(&read(properties, None).reply_properties("chat.reply", "id", None, None), name)
    };
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(long("traceparent", parent), Some(text(parent)));
    assert_eq!(long("traceparent", &format!("{parent}-")), None);
    assert_eq!(
        long("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        Some(text("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"))
    );
    assert_eq!(long("tracestate", &"x".repeat(512)), Some(text(&"x".repeat(512))));
    assert_eq!(long("tracestate", &"x".repeat(513)), None);
    let members =
        |count| (0..count).map(|member| format!("m{member:02}={}", "x".repeat(46))).collect::<Vec<_>>().join(",");
    assert_eq!(long("tracestate", &members(600)), Some(text(&members(10))));
    assert_eq!(long("tracestate", &"你".repeat(10_000)), None);
    let nested = AMQPValue::FieldTable(table(&[("a", text(&"x".repeat(30_000)))]));
    for value in [nested, AMQPValue::FieldArray(vec![text("x")].into()), number(7), AMQPValue::Void] {
        let headers = table(&[("traceparent", value.clone()), ("tracestate", value)]);
        let received = read(BasicProperties::default().with_headers(headers), None);
        assert_eq!(received.reply_properties("chat.reply", "id", None, None).headers(), &None);
    }
}

#[test]
fn another_program_is_told_the_slots_as_far_as_they_fit() {
    let intent = IntentName::new("refund").unwrap();
    let check = |value: &str, expected: Option<&str>| {
        let slots = if value.is_empty() { BTreeMap::new() } else { [("order".to_owned(), value.to_owned())].into() };
        let purpose = Purpose::Forward { intent: &intent, classification: None, slots: &slots };
        let to = read(BasicProperties::default(), None).republished(&names(), purpose, NOW);
        assert_eq!(header(&to, names::SLOTS), expected.map(text), "{}", value.len());
    };
    check("", None);
    check("FL1", Some(r#"{"order":"FL1"}"#));
    check(&"x".repeat(MAX_SLOTS), None);
}
