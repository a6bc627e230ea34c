//! Tests of what is read of a letter, how it is written down, and which letters are meant.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, DecimalValue, FieldTable},
};
use proptest::prelude::*;

use super::{Filter, InvalidRecord, Letter, Record};
use crate::{
    amqp::{Names, WorkQueue, connection::wire::Blemish, objects::names, values::short},
    domain::IntentName,
};

const NOW: u64 = 1_000_000;

fn names() -> Names {
    Names::new("shop").unwrap()
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(short(name), value.clone());
    }
    table
}

fn read(queue: WorkQueue, properties: BasicProperties, body: &[u8]) -> Letter {
    let mut delivery = Delivery::mock(1, short(""), short("shop.requests.dead"), false, body.to_vec());
    delivery.properties = properties;
    Letter::read(delivery, queue, &[], &names(), NOW)
}

/// A letter that says so of itself.
fn letter(queue: WorkQueue, reason: &str, at: Option<u64>, more: &[(&str, AMQPValue)]) -> Letter {
    let mut headers = table(more);
    headers.insert(short(names::DEAD_REASON), text(reason));
    if let Some(at) = at {
        headers.insert(short(names::DEAD_AT), AMQPValue::LongLongInt(i64::try_from(at).unwrap()));
    }
    read(queue, BasicProperties::default().with_headers(headers), b"hello")
}

/// Written down and read again.
fn there_and_back(letter: &Letter) -> (String, BasicProperties, Vec<u8>) {
    let mut record = letter.record();
    record.id = Some(letter.id.to_string());
    let line = serde_json::to_string(&record).unwrap();
    let message = Record::parse(line.as_bytes()).unwrap().into_message(&names()).unwrap();
    (message.routing_key.to_string(), message.properties, message.body.to_vec())
}

#[test]
fn every_type_of_header_and_every_property_comes_back() {
    let nested = table(&[("list", AMQPValue::FieldArray(vec![AMQPValue::Void, text("a")].into()))]);
    let headers = table(&[
        ("boolean", AMQPValue::Boolean(true)),
        ("i8", AMQPValue::ShortShortInt(-1)),
        ("u8", AMQPValue::ShortShortUInt(255)),
        ("i16", AMQPValue::ShortInt(i16::MIN)),
        ("u16", AMQPValue::ShortUInt(u16::MAX)),
        ("i32", AMQPValue::LongInt(i32::MIN)),
        ("u32", AMQPValue::LongUInt(u32::MAX)),
        ("i64", AMQPValue::LongLongInt(i64::MIN)),
        ("f32", AMQPValue::Float(0.1)),
        ("f64", AMQPValue::Double(-0.0)),
        ("endless", AMQPValue::Double(f64::INFINITY)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 314 })),
        ("short", AMQPValue::ShortString(short("简短"))),
        ("long", text("退货\u{1b}\0")),
        ("not text", AMQPValue::LongString(vec![0xff, 0xfe].into())),
        ("time", AMQPValue::Timestamp(u64::MAX)),
        ("table", AMQPValue::FieldTable(nested)),
        ("bytes", AMQPValue::ByteArray(vec![0, 255].into())),
        ("nothing", AMQPValue::Void),
    ]);
    let properties = BasicProperties::default()
        .with_content_type(short("application/json"))
        .with_content_encoding(short("gzip"))
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(9)
        .with_correlation_id(short("c"))
        .with_reply_to(short("answers"))
        .with_message_id(short("m"))
        .with_timestamp(u64::MAX)
        .with_type(short("chat.request"))
        .with_app_id(short("app"))
        .with_cluster_id(short("cluster"));
    let intent = WorkQueue::Intent(IntentName::new("refund").unwrap());
    for body in [&b""[..], "我想退货\n\"".as_bytes(), &[0x1f, 0x8b, 0xff]] {
        let letter = read(intent.clone(), properties.clone(), body);
        let queue = "shop.intent.refund.dead".to_owned();
        assert_eq!(there_and_back(&letter), (queue, properties.clone(), body.to_vec()));
    }
}

#[test]
fn a_letters_name_is_the_same_whenever_it_is_read_and_no_others() {
    let one = letter(WorkQueue::Requests, "timeout", Some(1), &[]);
    let counted = [("x-delivery-count", AMQPValue::LongLongInt(7)), ("x-acquired-count", AMQPValue::LongLongInt(8))];
    let again = letter(WorkQueue::Requests, "timeout", Some(1), &counted);
    assert_eq!(one.id, again.id);
    assert_eq!(one.record(), again.record());
    // It is written into runbooks and files: whoever changes what it is made of has to know.
    assert_eq!(one.id.to_string(), "f6dd96b18fe442e5344ae7aba5eca4ea");
    for other in [
        letter(WorkQueue::Suspects, "timeout", Some(1), &[]),
        letter(WorkQueue::Requests, "crashed", Some(1), &[]),
        letter(WorkQueue::Requests, "timeout", Some(2), &[]),
        letter(WorkQueue::Requests, "timeout", Some(1), &[("x-death", text(""))]),
    ] {
        assert_ne!(one.id, other.id);
    }
}

#[test]
fn what_was_not_read_whole_says_so() {
    let delivery = || Delivery::mock(1, short(""), short("shop.requests.dead"), false, Vec::new());
    let read = |blemishes: &[Blemish]| Letter::read(delivery(), WorkQueue::Requests, blemishes, &names(), NOW);
    assert_eq!(read(&[]).unreadable, None);
    assert_eq!(read(&[Blemish::HeaderName]).unreadable.as_deref(), Some("the name of a header isn't UTF-8"));
}

#[test]
fn a_record_that_is_no_letter_or_a_dangerous_one_is_refused() {
    let check = |line: &str, expected: InvalidRecord| {
        let refused = Record::parse(line.as_bytes()).and_then(|record| record.into_message(&names()));
        assert_eq!(refused.map(|message| message.routing_key.to_string()), Err(expected), "{line}");
    };
    let changed = "0".repeat(32);
    check(
        &format!(r#"{{"id":"{changed}","queue":"requests","properties":{{}},"body":""}}"#),
        InvalidRecord::Changed(changed),
    );
    check(r#"{"queue":"shop.requests","properties":{},"body":""}"#, InvalidRecord::Queue("shop.requests".into()));
    check(r#"{"queue":"intent.a.dead","properties":{},"body":""}"#, InvalidRecord::Queue("intent.a.dead".into()));
    check(r#"{"queue":"requests","properties":{}}"#, InvalidRecord::Body);
    check(r#"{"queue":"requests","properties":{},"body":"","body_base64":""}"#, InvalidRecord::Body);
    for (properties, what) in [
        (r#""user_id":"guest""#, "user_id"),
        (r#""expiration":"1""#, "expiration"),
        (r#""headers":{"CC":{"array":[]}}"#, "header CC or BCC"),
        (r#""headers":{"BCC":"void"}"#, "header CC or BCC"),
    ] {
        let line = format!(r#"{{"queue":"requests","properties":{{{properties}}},"body":""}}"#);
        check(&line, InvalidRecord::Dangerous(what));
    }
    let long = format!(r#"{{"queue":"requests","properties":{{"type":"{}"}},"body":""}}"#, "x".repeat(256));
    check(&long, InvalidRecord::TooLong("the type"));
    let bits = r#"{"queue":"requests","properties":{"headers":{"a":{"double_bits":"x"}}},"body":""}"#;
    check(bits, InvalidRecord::Bits("x".into()));
    for line in
        ["", "{", "[]", r#"{"queue":"requests"}"#, r#"{"queue":"requests","properties":{"unknown":1},"body":""}"#]
    {
        assert!(matches!(Record::parse(line.as_bytes()), Err(InvalidRecord::Json(_))), "{line}");
    }
}

#[test]
fn a_filter_means_what_fits_all_of_it() {
    let intent = |name| IntentName::new(name).unwrap();
    let refund = WorkQueue::Intent(intent("refund"));
    let letters = [
        letter(WorkQueue::Requests, "timeout", Some(NOW - 1_000), &[]),
        letter(WorkQueue::Requests, "crashed", Some(NOW - 60_000), &[(names::INTENT, text("price"))]),
        letter(refund, "timeout", Some(NOW - 60_000), &[]),
        letter(WorkQueue::Requests, "timeout", None, &[]),
    ];
    let check = |filter: Filter, expected: &[usize]| {
        let found = (0..letters.len()).filter(|&at| filter.matches(&letters[at], NOW));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{filter:?}");
    };
    let reasons = |reasons: &[&str]| reasons.iter().map(|&reason| reason.to_owned()).collect::<Vec<_>>();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    check(Filter::default(), &[0, 1, 2, 3]);
    check(Filter { reasons: reasons(&["timeout"]), ..Filter::default() }, &[0, 2, 3]);
    check(Filter { reasons: reasons(&["timeout", "crashed"]), ..Filter::default() }, &[0, 1, 2, 3]);
    check(Filter { reasons: reasons(&["time"]), ..Filter::default() }, &[]);
    check(Filter { intents: vec![intent("refund")], ..Filter::default() }, &[2]);
    check(Filter { intents: vec![intent("refund"), intent("price")], ..Filter::default() }, &[1, 2]);
    check(Filter { older_than: seconds(30), ..Filter::default() }, &[1, 2]);
    check(Filter { newer_than: seconds(30), ..Filter::default() }, &[0]);
    check(Filter { older_than: seconds(60), ..Filter::default() }, &[]);
    check(Filter { older_than: seconds(30), reasons: reasons(&["timeout"]), ..Filter::default() }, &[2]);
    let id = letters[1].id.to_string();
    check(Filter { ids: vec![id.clone()], ..Filter::default() }, &[1]);
    check(Filter { ids: vec![id[..8].to_owned(), letters[0].id.short()], ..Filter::default() }, &[0, 1]);
    check(Filter { ids: vec![id[1..].to_owned()], ..Filter::default() }, &[]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_letter_comes_back_as_it_was(
        headers in prop::collection::vec((".{0,60}", prop::collection::vec(any::<u8>(), 0..40), any::<f64>()), 0..10),
        body in prop::collection::vec(any::<u8>(), 0..200),
        id in prop::option::of(".{0,60}"),
    ) {
        let mut table = FieldTable::default();
        for (name, bytes, number) in headers {
            table.insert(short(&format!("b{name}")), AMQPValue::LongString(bytes.into()));
            table.insert(short(&format!("n{name}")), AMQPValue::Double(number));
        }
        let mut properties = BasicProperties::default().with_headers(table);
        if let Some(id) = id {
            properties = properties.with_message_id(short(&id));
        }
        let letter = read(WorkQueue::Requests, properties, &body);
        let (queue, back, bytes) = there_and_back(&letter);
        prop_assert_eq!(queue, "shop.requests.dead");
        prop_assert_eq!(back, letter.properties.clone());
        prop_assert_eq!(bytes, body);
    }
}
