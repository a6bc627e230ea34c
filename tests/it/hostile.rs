//! Messages that mean harm: each ends as the contract says, nobody else's is lost with it, and the next is answered.

use std::collections::BTreeSet;

use chatbot_worker::amqp::{Names, WorkQueue};
use lapin::{BasicProperties, types::AMQPValue};

use crate::{
    raw::{RawMessage, RawPublisher, big_headers, nested, property},
    support::{Bench, Client, Running, header, headers, short},
};

/// What the client hears, and where the message lies then.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// An error reply with this code, and a dead letter with the same reason.
    Error(&'static str),
    /// Nothing, and a dead letter with this reason.
    Silent(&'static str),
    /// An answer.
    Answered,
    /// Nothing at all: nobody can be told, and nothing is wrong with it.
    Dropped,
}

struct Hostile {
    what: &'static str,
    key: &'static str,
    properties: BasicProperties,
    body: Vec<u8>,
    end: End,
}

fn hostile(what: &'static str, properties: BasicProperties, body: impl Into<Vec<u8>>, end: End) -> Hostile {
    Hostile { what, key: "request", properties, body: body.into(), end }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    chatbot_worker::domain::codec::ContentEncoding::Gzip.compress(bytes).unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    chatbot_worker::domain::codec::ContentEncoding::Zstd.compress(bytes).unwrap()
}

/// A well-formed process of a node that doesn't exist, and a term that is no process.
const NO_NODE: &str = "amq.rabbitmq.reply-to.g1h2AAxub3BlQG5vd2hlcmUAAAABAAAAAAAAAAE=.QUJD";
const NO_PROCESS: &str = "amq.rabbitmq.reply-to.g2EB.QUJD";

/// The kinds that any client library can send. Each asks for its answer as `to` does.
async fn kinds(client: &Client) -> Vec<Hostile> {
    use End::{Answered, Dropped, Error, Silent};
    let (to, names) = (&client.properties("hostile"), &client.names);
    let json = || to.clone().with_content_type(short("application/json"));
    let typed = |kind: &str| to.clone().with_content_type(short(kind));
    let encoded = |encoding: &str| to.clone().with_content_encoding(short(encoding));
    let reply_to = |address: &str| to.clone().with_reply_to(short(address));
    let with = |entries: &[(&str, AMQPValue)]| to.clone().with_headers(headers(entries));
    let text = |value: &str| AMQPValue::LongString(value.into());
    let invalid = Error("invalid_message");
    let address = Silent("reply_address");
    // RabbitMQ 4.0 and later drop what 3.10 closes the connection for.
    let no_node = if closes_the_connection(client, NO_NODE).await { address } else { Dropped };
    let no_process = if closes_the_connection(client, NO_PROCESS).await { address } else { Dropped };
    let requests = names.queue(&WorkQueue::Requests);
    let array = |value: &str| AMQPValue::FieldArray(vec![text(value)].into());
    let big = AMQPValue::LongString("x".repeat(100_000).into());
    let bomb = gzip(&vec![0; 20_000_000]);
    vec![
        hostile("JSON cut short", json(), r#"{"body":"refund"#, invalid),
        hostile("JSON array", json(), "[1,2]", invalid),
        hostile("JSON number", json(), "7", invalid),
        hostile("JSON null", json(), "null", invalid),
        hostile("no body field", json(), r#"{"text":"refund"}"#, invalid),
        hostile("body is a number", json(), r#"{"body":7}"#, invalid),
        hostile("body is null", json(), r#"{"body":null}"#, invalid),
        hostile("body is given twice", json(), r#"{"body":"a","body":"b"}"#, invalid),
        hostile("id is an object", json(), r#"{"body":"refund","id":{}}"#, invalid),
        hostile("id of 300 bytes", json(), format!(r#"{{"body":"refund","id":"{}"}}"#, "i".repeat(300)), invalid),
        hostile(
            "sender of 300 bytes",
            json(),
            format!(r#"{{"body":"refund","sender":"{}"}}"#, "界".repeat(100)),
            invalid,
        ),
        hostile("metadata is a list", json(), r#"{"body":"refund","metadata":[]}"#, invalid),
        hostile("lone surrogate", json(), r#"{"body":"\ud800"}"#, invalid),
        hostile("nested deep", json(), format!(r#"{{"body":"x","metadata":{}"#, "[".repeat(50_000)), invalid),
        hostile(
            "nested deep in an unknown field",
            json(),
            format!(r#"{{"body":"refund","a":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000)),
            Answered,
        ),
        hostile("NUL bytes in the text", json(), r#"{"body":"refund \u0000\u0000"}"#, Answered),
        hostile("NUL bytes as plain text", typed("text/plain"), b"\0\0\0".to_vec(), Answered),
        hostile("empty", to.clone(), "", invalid),
        hostile("white space", json(), r#"{"body":" \n\t　"}"#, invalid),
        hostile("not UTF-8", to.clone(), b"\xff\xfe\xfd".to_vec(), invalid),
        hostile("not UTF-8 as text", typed("text/plain; charset=utf-8"), b"caf\xe9".to_vec(), invalid),
        hostile("not ASCII as ASCII", typed("text/plain; charset=us-ascii"), "é", invalid),
        hostile("unknown charset", typed("text/plain; charset=klingon"), "refund", Error("unsupported_media_type")),
        hostile("an image", typed("image/png"), b"\x89PNG".to_vec(), Error("unsupported_media_type")),
        hostile("a content type of nonsense", typed(";;;=/"), "refund", Answered),
        hostile("unknown encoding", encoded("br"), "refund", Error("unsupported_media_type")),
        hostile("gzip that is none", encoded("gzip"), "refund", invalid),
        hostile("gzip cut short", encoded("gzip"), gzip(b"refund please")[..15].to_vec(), invalid),
        hostile("zstd that is none", encoded("zstd"), "refund", invalid),
        hostile("a gzip bomb", encoded("gzip"), bomb, Error("payload_too_large")),
        hostile("a zstd bomb", encoded("zstd"), zstd(&vec![0; 50_000_000]), Error("payload_too_large")),
        hostile("huge", to.clone(), "x".repeat(3_000_000), Error("payload_too_large")),
        hostile("one byte too many", to.clone(), "x".repeat(64 * 1024 + 1), Error("payload_too_large")),
        hostile("a reply", to.clone().with_type(short("chat.reply")), "refund", Silent("not_a_request")),
        hostile("an error reply", to.clone().with_type(short("chat.error")), "refund", Silent("not_a_request")),
        hostile("a reply by its body", json(), r#"{"body":"refund","type":"chat.reply"}"#, Silent("not_a_request")),
        hostile("reply to the work queue", reply_to(&requests), "refund", address),
        hostile("reply to a dead-letter queue", reply_to(&Names::dead(&requests)), "refund", address),
        hostile("reply to died", reply_to(&names.died()), "refund", address),
        hostile("reply to the broker", reply_to("amq.rabbitmq.log"), "refund", address),
        hostile("direct reply-to without an address", reply_to("amq.rabbitmq.reply-to."), "refund", address),
        hostile("direct reply-to of nonsense", reply_to("amq.rabbitmq.reply-to.xxxxx"), "refund", address),
        hostile("direct reply-to with half an address", reply_to("amq.rabbitmq.reply-to.g1h2AA.xx"), "refund", address),
        hostile("direct reply-to of a node that isn't", reply_to(NO_NODE), "refund", no_node),
        hostile("direct reply-to of what is no process", reply_to(NO_PROCESS), "refund", no_process),
        hostile("reply to nowhere", reply_to("no-such-queue"), "refund", Dropped),
        hostile("reply to the exchange's name", reply_to(names.exchange()), "refund", Dropped),
        hostile("reply to a name with NUL", reply_to("a\0b"), "refund", Dropped),
        hostile("CC into a dead-letter queue", with(&[("CC", array(&Names::dead(&names.died())))]), "refund", Answered),
        hostile("forged attempt", with(&[("chatbot-attempt", AMQPValue::LongLongInt(-1))]), "refund", Answered),
        hostile("forged starts", with(&[("chatbot-starts", AMQPValue::LongLongInt(99))]), "refund", Answered),
        hostile("forged queue", with(&[("chatbot-queue", text(&Names::dead(&requests)))]), "refund", Answered),
        hostile(
            "forged attempt of another type",
            with(&[("chatbot-attempt", AMQPValue::Boolean(true))]),
            "refund",
            Answered,
        ),
        hostile("forged intent", with(&[("chatbot-intent", text("#.*"))]), "refund", Answered),
        hostile(
            "forged classification",
            with(&[("chatbot-classification", text("{\"ranking\":7"))]),
            "refund",
            Answered,
        ),
        hostile("forged delivery count", with(&[("x-delivery-count", AMQPValue::LongLongInt(50))]), "refund", Answered),
        hostile(
            "forged death",
            with(&[("x-death", array("x")), ("x-first-death-reason", text("rejected"))]),
            "refund",
            Answered,
        ),
        hostile(
            "a deadline long ago",
            with(&[("chatbot-deadline", AMQPValue::LongLongInt(1))]),
            "refund",
            Error("deadline_exceeded"),
        ),
        hostile("a deadline that is no number", with(&[("chatbot-deadline", text("soon"))]), "refund", invalid),
        hostile(
            "a deadline that is a boolean",
            with(&[("chatbot-deadline", AMQPValue::Boolean(true))]),
            "refund",
            invalid,
        ),
        hostile("accept-encoding as a number", with(&[("accept-encoding", AMQPValue::LongInt(1))]), "refund", invalid),
        // As large as headers may be: it must not cost the connection that replies.
        hostile("tracestate of 32 KB", with(&[("tracestate", text(&"x".repeat(32_000)))]), "refund", Answered),
        hostile(
            "traceparent that is a table",
            with(&[("traceparent", AMQPValue::FieldTable(headers(&[("a", text(&"x".repeat(17_000)))])))]),
            "refund",
            Answered,
        ),
        hostile("tracestate of 32 KB on an error", with(&[("tracestate", text(&"x".repeat(32_000)))]), "", invalid),
        hostile(
            "compression that isn't spoken",
            with(&[("compression", text("application/x-bz2"))]),
            "refund",
            Error("unsupported_media_type"),
        ),
        hostile("zlib that is none", with(&[("compression", text("application/x-gzip"))]), "refund", invalid),
        hostile(
            "AMQP 1.0 cut short",
            to.clone().with_type(short("amqp-1.0")),
            b"\0\x53\x77\xa1\x20refund".to_vec(),
            invalid,
        ),
        hostile("AMQP 1.0 map", to.clone().with_type(short("amqp-1.0")), b"\0\x53\x77\xc1\x01\0".to_vec(), invalid),
        hostile("reply to an AMQP 1.0 exchange", reply_to("/exchanges/answers/key"), "refund", address),
        hostile("reply to the work queue by its address", reply_to(&format!("/queues/{requests}")), "refund", address),
        // What it is can only be told when there is no such queue.
        hostile("reply to Spring's exchange and key", reply_to("answers/key"), "refund", address),
        hostile("headers at the frame's limit", with(&[("big", big)]), "refund", invalid),
        Hostile {
            key: "request",
            body: b"queued".to_vec(),
            ..hostile(
                "headers of 32 KB on a forward",
                with(&[("big", AMQPValue::LongString("x".repeat(32_000).into()))]),
                "",
                Answered,
            )
        },
        hostile("accept-encoding of nonsense", with(&[("accept-encoding", text("q=;;,,*;q=x"))]), "refund", Answered),
        hostile(
            "correlation id of 255 bytes",
            to.clone().with_correlation_id(short(&"c".repeat(255))),
            "refund",
            Answered,
        ),
        hostile("priority 255", to.clone().with_priority(255), "refund", Answered),
        Hostile { key: "intent.refund", ..hostile("text for an intent", to.clone(), "", invalid) },
    ]
}

/// Whether this broker closes the connection that publishes to a direct reply-to address.
async fn closes_the_connection(client: &Client, address: &str) -> bool {
    let other = Client::new(&client.url, &client.names).await;
    let published =
        other.channel.basic_publish(short(""), short(address), Default::default(), b"x", BasicProperties::default());
    published.await.unwrap().await.is_err()
}

async fn send(client: &Client, kind: &Hostile) {
    client.publish(kind.key, kind.properties.clone(), &kind.body).await;
}

/// The dead letters of all work queues, by reason.
async fn reasons(client: &Client) -> Vec<String> {
    let mut found = Vec::new();
    let queues = [WorkQueue::Requests, WorkQueue::Suspects, WorkQueue::Intent(crate::support::intent("refund"))];
    for queue in queues {
        let queue = Names::dead(&client.names.queue(&queue));
        while client.depth(&queue).await > 0 {
            let letter = client.take(&queue).await;
            found.push(header(&letter, "chatbot-dead-reason").expect("a reason"));
        }
    }
    found.sort();
    found
}

/// A good request is answered, whatever came before.
async fn still_answers(worker: &Running, after: &str) {
    let mut client = worker.client().await;
    assert_eq!(client.ask("request", "refund please").await.text(), Some("refund: refund please"), "after {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hostile_message_ends_as_the_contract_says() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let kinds = kinds(&client).await;
    assert!(kinds.len() >= 50);
    for kind in &kinds {
        send(&client, kind).await;
        let reason = match kind.end {
            End::Error(code) => {
                let answer = client.next().await;
                assert_eq!(answer.code(), Some(code), "{}: {}", kind.what, answer.json);
                Some(code)
            }
            End::Answered => {
                let answer = client.next().await;
                assert!(answer.text().is_some(), "{}: {}", kind.what, answer.json);
                None
            }
            End::Silent(reason) => Some(reason),
            End::Dropped => None,
        };
        still_answers(&worker, kind.what).await;
        if let Some(reason) = reason {
            let queue = if kind.key == "request" {
                WorkQueue::Requests
            } else {
                WorkQueue::Intent(crate::support::intent("refund"))
            };
            let letter = client.dead_letter(&queue).await;
            assert_eq!(header(&letter, "chatbot-dead-reason").as_deref(), Some(reason), "{}", kind.what);
            assert_eq!(letter.data, kind.body, "{}", kind.what);
        }
    }
    assert_eq!(reasons(&client).await, Vec::<String>::new(), "nothing else was dead-lettered");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_hostile_messages_at_once_harm_nobody_else() {
    let worker = Bench::new().start().await;
    let mut hostile_client = worker.client().await;
    let mut good_client = worker.client().await;
    let kinds = kinds(&hostile_client).await;
    for (number, kind) in kinds.iter().enumerate() {
        send(&hostile_client, kind).await;
        good_client.publish("request", good_client.properties(&number.to_string()), b"refund").await;
    }
    // A reply whose confirm went down with the connection is sent again: answered is promised, answered once isn't.
    let mut answered: BTreeSet<usize> = BTreeSet::new();
    while answered.len() < kinds.len() {
        let answer = good_client.next().await;
        assert_eq!(answer.text(), Some("refund: refund"));
        answered.insert(answer.correlation_id().unwrap().parse().unwrap());
    }
    for _ in kinds.iter().filter(|kind| matches!(kind.end, End::Error(_) | End::Answered)) {
        hostile_client.next().await;
    }
    let mut expected: Vec<&str> = kinds
        .iter()
        .filter_map(|kind| match kind.end {
            End::Error(reason) | End::Silent(reason) => Some(reason),
            End::Answered | End::Dropped => None,
        })
        .collect();
    expected.sort_unstable();
    let found = crate::support::eventually("all dead letters", || async {
        let found = reasons_so_far(&hostile_client).await;
        (found >= expected.len()).then_some(found)
    })
    .await;
    assert_eq!(found, expected.len());
    assert_eq!(reasons(&hostile_client).await, expected);
    worker.stop().await;
}

async fn reasons_so_far(client: &Client) -> usize {
    let mut count = 0;
    for queue in [WorkQueue::Requests, WorkQueue::Intent(crate::support::intent("refund"))] {
        count += client.depth(&Names::dead(&client.names.queue(&queue))).await;
    }
    usize::try_from(count).unwrap()
}

/// What only a client of its own making can send: strings that aren't UTF-8, and headers nested by the thousand. lapin
/// would lose the connection, or the process, over each.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_dead_lettered_and_the_client_told_where_it_can_be() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let reply_to = client.reply_queue.clone();
    let bad: &[u8] = b"caf\xe9";
    let kinds = [
        ("correlation id", vec![property::correlation_id(bad)], true),
        ("message id", vec![property::message_id(bad)], true),
        ("type", vec![property::kind(bad)], true),
        ("app id", vec![property::app_id(bad)], true),
        ("content type", vec![property::content_type(bad)], true),
        ("content encoding", vec![property::content_encoding(bad)], true),
        ("header's name", vec![property::headers(&[&[4][..], bad, b"V"].concat())], true),
        ("headers as large as the broker takes", vec![property::headers(&big_headers(130_700))], true),
        ("nested headers", vec![property::headers(&nested(18_000))], true),
        ("reply_to", vec![property::reply_to(bad)], false),
    ];
    let mut publisher = RawPublisher::connect(&worker.url);
    for (what, mut properties, told) in kinds {
        if told {
            properties.push(property::reply_to(reply_to.as_bytes()));
        }
        properties.push(property::delivery_mode(2));
        publisher.publish(&RawMessage {
            exchange: worker.names.exchange(),
            key: b"request.x",
            properties,
            body: b"refund",
        });
        if told {
            let answer = client.next().await;
            assert_eq!(answer.code(), Some("invalid_message"), "{what}: {}", answer.json);
        }
        still_answers(&worker, what).await;
        let letter = client.dead_letter(&WorkQueue::Requests).await;
        assert_eq!(header(&letter, "chatbot-dead-reason").as_deref(), Some("invalid_message"), "{what}");
        assert_eq!(letter.data, b"refund");
    }
    let properties = vec![property::reply_to(reply_to.as_bytes())];
    publisher.publish(&RawMessage {
        exchange: worker.names.exchange(),
        key: b"request.\xff",
        properties,
        body: b"refund",
    });
    assert_eq!(client.next().await.code(), Some("invalid_message"), "routing key");
    still_answers(&worker, "a routing key that isn't UTF-8").await;
    worker.stop().await;
}
