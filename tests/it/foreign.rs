//! Messages as other people's clients send them, and what nobody may say of themselves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chatbot_worker::{
    amqp::WorkQueue,
    domain::Prediction,
    model::{ModelClient, ModelError, Query},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, DecimalValue},
};

use crate::support::{Bench, Client, Running, eventually, header, headers, intent, short};

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// `zlib.compress(b"refund")`, which kombu calls `application/x-gzip`.
const ZLIB: &[u8] = b"\x78\x9c\x2b\x4a\x4d\x2b\xcd\x4b\x01\x00\x08\xe2\x02\x85";

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_read_as_other_clients_write_them() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let plain = || client.properties("c").with_content_type(short("text/plain"));
    let encoded = |encoding: &str| plain().with_content_encoding(short(encoding));
    let gzip = chatbot_worker::domain::codec::ContentEncoding::Gzip.compress(b"refund").unwrap();
    let kombu = |name: &str| encoded("utf-8").with_headers(headers(&[("compression", text(name))]));
    let amqp10 = || client.properties("c").with_type(short("amqp-1.0"));
    let cases = [
        ("Spring", encoded("gzip:UTF-8"), gzip.clone()),
        ("Spring, deflated", encoded("deflate:UTF-8"), ZLIB.to_vec()),
        ("kombu", kombu("application/x-gzip"), ZLIB.to_vec()),
        ("an AMQP 1.0 string", amqp10(), b"\0\x53\x77\xa1\x06refund".to_vec()),
        ("AMQP 1.0 data", amqp10(), b"\0\x53\x75\xa0\x06refund".to_vec()),
    ];
    for (what, properties, body) in cases {
        client.publish("request", properties, &body).await;
        let answer = client.next().await;
        assert_eq!(answer.text(), Some("refund: refund"), "{what}: {}", answer.json);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_read_in_every_type_and_unit() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let (before, after) = (now() - Duration::from_secs(60), now() + Duration::from_secs(600));
    type Kind = (&'static str, fn(Duration) -> AMQPValue);
    let kinds: [Kind; 6] = [
        ("a datetime of pika's", |time| AMQPValue::Timestamp(time.as_secs())),
        ("a timestamp in milliseconds", |time| AMQPValue::Timestamp(time.as_millis().try_into().unwrap())),
        ("a double of seconds", |time| AMQPValue::Double(time.as_secs_f64())),
        ("a number of seconds", |time| AMQPValue::LongInt(time.as_secs().try_into().unwrap())),
        ("digits", |time| text(&time.as_millis().to_string())),
        ("a decimal", |time| {
            AMQPValue::DecimalValue(DecimalValue { scale: 0, value: time.as_secs().try_into().unwrap() })
        }),
    ];
    for (what, value) in kinds {
        for (time, code) in [(before, Some("deadline_exceeded")), (after, None)] {
            let properties = client.properties("c").with_headers(headers(&[("chatbot-deadline", value(time))]));
            client.publish("request", properties, b"refund").await;
            let answer = client.next().await;
            assert_eq!(answer.code(), code, "{what}: {}", answer.json);
        }
    }
    let table = AMQPValue::FieldTable(headers(&[]));
    let properties = client.properties("c").with_headers(headers(&[("chatbot-deadline", table)]));
    client.publish("request", properties, b"refund").await;
    let answer = client.next().await;
    assert_eq!(answer.code(), Some("invalid_message"));
    assert_eq!(
        answer.json["error"]["message"],
        "the header chatbot-deadline is a table, but must be a time: a number of seconds or milliseconds, or a timestamp"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_amqp_1_0_address_of_a_queue_is_that_queue() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let encoded: String = client.reply_queue.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for address in [format!("/queues/{encoded}"), format!("/queues/{}", client.reply_queue)] {
        client.publish("request", client.properties("c").with_reply_to(short(&address)), b"refund").await;
        assert_eq!(client.next().await.text(), Some("refund: refund"), "{address}");
    }
    worker.stop().await;
}

/// A bot that knows the intent to which letters go.
const INTENTS_FILE: &str = r#"
fallback = "help_info"
[intents.help_info]
examples.en = ["help me", "what can you do", "I need help"]
reply.en = "help"
[intents.refund]
examples.en = ["refund", "my money back", "give me a refund"]
reply.en = "refund"
"#;

/// What came over the queue's own name keeps its way, and is told by it afterwards.
async fn answered_after_a_replay(worker: &Running, client: &mut Client, queue: &WorkQueue, body: &str, expected: &str) {
    let name = worker.names.queue(queue);
    let late = headers(&[("chatbot-deadline", AMQPValue::LongLongInt(1))]);
    let properties = client.properties("c").with_message_id(short(body)).with_headers(late);
    client.publish_to("", &name, properties, body.as_bytes()).await;
    assert_eq!(client.next().await.code(), Some("deadline_exceeded"));
    let folder =
        std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-replay", worker.names.exchange()));
    std::fs::create_dir_all(&folder).unwrap();
    let intents = folder.join("intents.toml");
    std::fs::write(&intents, INTENTS_FILE).unwrap();
    let program = crate::cli::program::Program::new()
        .with("CHATBOT_AMQP_EXCHANGE", worker.names.exchange())
        .with("CHATBOT_INTENTS_PATH", intents.to_str().unwrap());
    let replayed = tokio::task::block_in_place(|| program.run(&["dead", "replay", "--all"]));
    assert_eq!(replayed.ok(), "replayed: 1\n", "{queue}");
    let answer = client.next().await;
    assert_eq!(answer.text(), Some(expected), "{queue}: {}", answer.json);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_by_a_queues_name_is_answered_when_it_is_replayed() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    answered_after_a_replay(&worker, &mut client, &WorkQueue::Requests, "refund me", "refund: refund me").await;
    let refund = WorkQueue::Intent(intent("refund"));
    answered_after_a_replay(&worker, &mut client, &refund, "my money", "refund: my money").await;
    worker.stop().await;
}

/// Who a reply is for is who sent the request: what the client says, else the user whom the broker vouches for.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_another_user_by_a_header() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let forged = headers(&[
        ("chatbot-user-id", text("the-manager")),
        ("chatbot-intent", text("refund")),
        ("chatbot-classification", text(r#"{"confidence":1.0,"fallback":false,"ranking":[],"model":"forged"}"#)),
        ("chatbot-attempt", AMQPValue::LongLongInt(3)),
    ]);
    // Handled where it came, forwarded, and addressed to an intent.
    for (key, body) in [("request", "refund"), ("request", "queued"), ("intent.refund", "x"), ("intent.queued", "x")] {
        let receiver = async |client: &mut Client, properties: BasicProperties| {
            client.publish(key, properties, body.as_bytes()).await;
            let answer = client.next().await;
            assert!(answer.text().is_some(), "{}", answer.json);
            assert_ne!(answer.json["model"], "forged");
            answer.json["receiver"].as_str().map(str::to_owned)
        };
        let properties = client.properties("c").with_headers(forged.clone());
        assert_eq!(receiver(&mut client, properties.clone()).await, None, "{key} {body}");
        let known = properties.with_user_id(short("guest"));
        assert_eq!(receiver(&mut client, known).await.as_deref(), Some("guest"), "{key} {body}");
    }
    // Nor by what the broker takes out of a queue: this one has nobody who consumes it.
    let expiring = client.properties("c").with_headers(forged.clone()).with_expiration(short("1"));
    client.publish("intent.outside", expiring.clone(), b"x").await;
    assert_eq!(client.next().await.code(), Some("deadline_exceeded"));
    let letter = client.dead_letter(&WorkQueue::Intent(intent("outside"))).await;
    assert_eq!(header(&letter, "chatbot-user-id"), None);
    assert_eq!(header(&letter, "chatbot-attempt").as_deref(), Some("1"));
    // Nor with a queue's name for a key, as a worker's forward has, and a carbon copy that leads to the queue.
    let outside = worker.names.queue(&WorkQueue::Intent(intent("outside")));
    let mut table = forged.clone();
    table.insert(short("BCC"), AMQPValue::FieldArray(vec![text("intent.outside")].into()));
    client.publish(&outside, client.properties("c").with_headers(table).with_expiration(short("1")), b"x").await;
    assert_eq!(client.next().await.code(), Some("deadline_exceeded"));
    let letter = client.dead_letter(&WorkQueue::Intent(intent("outside"))).await;
    assert_eq!(header(&letter, "chatbot-user-id"), None);
    // But what a worker sent on and the broker took out there still has its user, and its first queue.
    let expiring = expiring.with_user_id(short("guest")).with_expiration(short("300"));
    client.publish("request", expiring, b"outside").await;
    assert_eq!(client.next().await.code(), Some("deadline_exceeded"));
    let letter = client.dead_letter(&WorkQueue::Requests).await;
    assert_eq!(header(&letter, "chatbot-user-id").as_deref(), Some("guest"));
    assert_eq!(header(&letter, "chatbot-routing-key").as_deref(), Some("request"));
    worker.stop().await;
}

/// A model whose fault isn't caught where models are asked: in asking it for its name after it has panicked.
struct Nameless;

#[async_trait::async_trait]
impl ModelClient for Nameless {
    fn name(&self) -> &str {
        panic!("no name")
    }

    async fn classify(&self, _: &Query<'_>) -> Result<Prediction, ModelError> {
        panic!("no model")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_worker_itself_is_answered_and_costs_no_place() {
    let mut bench = Bench::new().model(Nameless);
    bench.settings.prefetch = std::num::NonZeroU16::new(1).unwrap();
    let worker = bench.start().await;
    let mut client = worker.client().await;
    // More than the prefetch: a delivery that is stranded would hold up the rest.
    for number in 0..3 {
        let id = number.to_string();
        client.publish("request", client.properties(&id), b"refund").await;
        let answer = client.next().await;
        assert_eq!((answer.code(), answer.correlation_id()), (Some("internal"), Some(id.as_str())));
        let letter = client.dead_letter(&WorkQueue::Requests).await;
        assert_eq!(header(&letter, "chatbot-attempt").as_deref(), Some("3"), "it is tried again, as all that may pass");
    }
    let answer = client.ask("intent.refund", "x").await;
    assert_eq!(answer.text(), Some("refund: x"));
    let queue = worker.names.queue(&WorkQueue::Requests);
    eventually("an empty queue", || async { (client.depth(&queue).await == 0).then_some(()) }).await;
    assert!(*worker.ready.borrow());
    worker.stop().await;
}
