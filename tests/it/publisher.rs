//! With many publishes in flight on one channel, each is told what became of its own message. lapin alone tells some of
//! them another's: a return goes to whichever is confirmed next, and two threads can get each other's confirm.

use std::sync::Arc;

use chatbot_worker::amqp::{
    connection::link::{Link, Use},
    publishing::publisher::{Message, PublishError, Publisher},
};
use lapin::{
    BasicProperties,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};

use crate::support::{Bench, Client, broker_url, headers, short};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_many_publishes_is_told_what_became_of_its_own_message() {
    let bench = Bench::new();
    let client = Client::new(&broker_url(), &bench.names).await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let taking = client.channel.queue_declare(short(""), exclusive, FieldTable::default()).await.unwrap();
    let full = headers(&[
        ("x-max-length", AMQPValue::LongInt(1)),
        ("x-overflow", AMQPValue::LongString("reject-publish".into())),
    ]);
    let refusing = client.channel.queue_declare(short(""), exclusive, full).await.unwrap();
    client.publish_to("", refusing.name().as_str(), BasicProperties::default(), b"fills it").await;

    let broker = &bench.settings.broker;
    let link = Link::open(broker, "test", Use::Forward).await.unwrap();
    let publisher = Arc::new(Publisher::open(link, broker.confirm_timeout).await.unwrap());
    let missing = format!("{}-missing", bench.names.exchange());
    let message = |key: &str| Message {
        exchange: short(""),
        routing_key: short(key),
        mandatory: true,
        properties: BasicProperties::default(),
        body: "x".into(),
    };
    let kinds = [message(taking.name().as_str()), message(refusing.name().as_str()), message(&missing)];
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..96 {
        let (publisher, kinds) = (publisher.clone(), kinds.clone());
        tasks.spawn(async move {
            let mut told = [0; 3];
            for number in 0..60 {
                let kind = (task + number) % 3;
                let result = publisher.publish(kinds[kind].clone()).await;
                let right = match kind {
                    0 => result.is_ok(),
                    1 => result == Err(PublishError::Nacked),
                    _ => matches!(result, Err(PublishError::Returned(_))),
                };
                assert!(right, "kind {kind}: {result:?}");
                told[kind] += 1;
            }
            told
        });
    }
    while let Some(told) = tasks.join_next().await {
        assert_eq!(told.unwrap(), [20; 3]);
    }
}
