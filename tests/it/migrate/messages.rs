//! What clients publish while a queue is migrated, and whether each of it is there as it was.

use std::collections::BTreeMap;

use chatbot_worker::amqp::Names;
use futures_util::future::join_all;
use lapin::{
    BasicProperties,
    message::Delivery,
    options::{BasicAckOptions, BasicGetOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::text;
use crate::support::{Client, broker_url, header, headers, short};

/// A message with all that a client may give it.
pub(super) fn properties(number: u64) -> BasicProperties {
    BasicProperties::default()
        .with_message_id(short(&number.to_string()))
        .with_content_type(short("text/plain"))
        .with_content_encoding(short("utf-8"))
        .with_correlation_id(short("c"))
        .with_reply_to(short("answers"))
        .with_expiration(short("3600000"))
        .with_type(short("chat.request"))
        .with_app_id(short("app"))
        .with_priority(3)
        .with_timestamp(1_700_000_000)
        .with_delivery_mode(1)
        .with_headers(headers(&[
            ("mine", text("我的")),
            ("number", AMQPValue::LongLongInt(i64::try_from(number).unwrap())),
            ("nested", AMQPValue::FieldTable(headers(&[("x", AMQPValue::Boolean(true))]))),
            ("CC", AMQPValue::FieldArray(vec![text("nobody")].into())),
            ("x-death", AMQPValue::FieldArray(Vec::new().into())),
            ("x-first-death-reason", text("expired")),
            ("chatbot-deadline", AMQPValue::LongLongInt(4_000_000_000_000)),
        ]))
}

fn key(number: u64) -> String {
    format!("request.{}", number % 7)
}

pub(super) fn body(number: u64) -> Vec<u8> {
    format!("text {number} 你好\0\u{1f44b}").into_bytes()
}

pub(super) async fn publish(client: &Client, numbers: std::ops::Range<u64>) {
    let numbers: Vec<u64> = numbers.collect();
    for some in numbers.chunks(50) {
        let keys: Vec<String> = some.iter().map(|number| key(*number)).collect();
        let bodies: Vec<Vec<u8>> = some.iter().map(|number| body(*number)).collect();
        let publishes = some.iter().zip(&keys).zip(&bodies);
        join_all(publishes.map(|((number, key), body)| client.publish(key, properties(*number), body))).await;
    }
}

/// Publishes until told to stop; then tells how many.
pub(super) fn publish_on(names: &Names, first: u64) -> (CancellationToken, JoinHandle<u64>) {
    let (stop, names) = (CancellationToken::new(), names.clone());
    let task = tokio::spawn({
        let stop = stop.clone();
        async move {
            let client = Client::new(&broker_url(), &names).await;
            let mut next = first;
            while !stop.is_cancelled() {
                publish(&client, next..next + 5).await;
                next += 5;
            }
            next
        }
    });
    (stop, task)
}

/// Takes everything out of a queue: by number, the copies.
pub(super) async fn take_all(client: &Client, queue: &str) -> BTreeMap<u64, Vec<Delivery>> {
    let mut taken: BTreeMap<u64, Vec<Delivery>> = BTreeMap::new();
    let channel = client.connection.create_channel().await.unwrap();
    while let Some(got) = channel.basic_get(short(queue), BasicGetOptions::default()).await.unwrap() {
        got.acker.ack(BasicAckOptions::default()).await.unwrap();
        let id = got.delivery.properties.message_id().as_ref().unwrap().as_str().parse().unwrap();
        taken.entry(id).or_default().push(got.delivery);
    }
    taken
}

/// A message's headers without what the broker tells of this delivery: that it is the first.
fn kept(copy: &Delivery) -> FieldTable {
    assert!(matches!(header(copy, "x-delivery-count").as_deref(), None | Some("0")), "{:?}", copy.properties);
    let mut kept = FieldTable::default();
    let all = copy.properties.headers().as_ref().unwrap().inner().iter();
    for (name, value) in all.filter(|(name, _)| name.as_str() != "x-delivery-count") {
        kept.insert(name.clone(), value.clone());
    }
    kept
}

/// Each of these many is there, as it was published. Returns how many came twice.
#[track_caller]
pub(super) fn all_as_published(taken: &BTreeMap<u64, Vec<Delivery>>, published: u64) -> usize {
    let missing: Vec<u64> = (0..published).filter(|number| !taken.contains_key(number)).collect();
    assert!(missing.is_empty(), "lost {} of {published}: {missing:?}", missing.len());
    for (number, copies) in taken {
        for copy in copies {
            assert_eq!(copy.data, body(*number), "{number}");
            assert_eq!(copy.properties.clone().with_headers(kept(copy)), properties(*number), "{number}");
            assert_eq!(copy.routing_key.as_str(), key(*number), "{number}");
        }
    }
    taken.values().filter(|copies| copies.len() > 1).count()
}
