//! The main job: a request goes in, its answer comes back.

use std::time::Duration;

use async_trait::async_trait;
use chatbot_worker::{
    amqp::{Names, WorkQueue},
    entity::{Definition, Extractor},
    handler::{Answer, Handler, HandlerError, Job, template::TemplateHandler},
    model::{ModelClient, ModelError, Query},
};
use lapin::types::AMQPValue;

use crate::support::{Bench, Echo, FirstWord, header, headers, intent, short};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_classified_and_answered() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let body = r#"{"body":"product_info 水壶","id":"q1","sender":"ann","conversation":"c","metadata":{"a" : [1,2]}}"#;
    let answer = client.ask("request.web", body).await;
    let json = &answer.json;
    assert_eq!(json["type"], "chat.reply");
    assert_eq!(json["in_reply_to"], "q1");
    assert_eq!(json["receiver"], "ann");
    assert_eq!(json["sender"], "chatbot");
    assert_eq!(json["body"], "product_info: product_info 水壶");
    assert_eq!(json["intent"], serde_json::json!({"name": "product_info", "confidence": 0.9, "fallback": false}));
    assert_eq!(json["model"], "first-word");
    let raw = String::from_utf8(answer.delivery.data.clone()).unwrap();
    assert!(raw.contains(r#""metadata":{"a" : [1,2]}"#), "{raw}");
    let properties = &answer.delivery.properties;
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "chat.reply");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_answers_what_the_model_is_unsure_of() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let answer = client.ask("request", r#"{"body":"flurble"}"#).await;
    let expected = serde_json::json!({
        "name": "help_info", "confidence": null, "fallback": true,
        "predicted": {"name": "refund", "confidence": 0.1},
    });
    assert_eq!(answer.json["intent"], expected);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_text_names_is_told_to_handlers_and_in_the_reply() {
    let values = vec![("kettle".to_owned(), vec!["水壶".to_owned()])];
    let product = Definition { name: "product".into(), values, ..Definition::default() };
    let texts = [("en".to_owned(), "The {{ entities.product }}.".to_owned())];
    let template = || TemplateHandler::new(&intent("refund"), &texts).unwrap();
    let mut bench = Bench::new().handler("refund", template()).handler("queued", template());
    bench.parts.extractor = Extractor::new(&[product]).unwrap();
    let worker = bench.start().await;
    let mut client = worker.client().await;
    let expected = |start: usize| serde_json::json!([{"name": "product", "value": "kettle", "text": "水壶", "start": start, "end": start + 2}]);
    // Classified, by way of a queue of its own, and addressed.
    for (key, body, start) in
        [("request", "refund 我的水壶", 9), ("request", "queued 👋水壶", 8), ("intent.refund", "水壶", 0)]
    {
        let answer = client.ask(key, body).await;
        assert_eq!(answer.text(), Some("The kettle."), "{body}");
        assert_eq!(answer.json["entities"], expected(start), "{body}");
    }
    // Another program finds them beside the classification.
    client.publish("request", client.properties("o"), "outside 水壶".as_bytes()).await;
    let forwarded = client.take(&worker.names.queue(&WorkQueue::Intent(intent("outside")))).await;
    let classification = header(&forwarded, "chatbot-classification").unwrap();
    let classification: serde_json::Value = serde_json::from_str(&classification).unwrap();
    assert_eq!(classification["entities"], expected(8));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_can_be_addressed_and_is_then_not_classified() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    for name in ["refund", "queued"] {
        let answer = client.ask(&format!("intent.{name}"), "where is it").await;
        assert_eq!(answer.text(), Some(format!("{name}: where is it").as_str()));
        assert_eq!(answer.json["intent"], serde_json::json!({"name": name, "confidence": null, "fallback": false}));
        assert!(answer.json.get("model").is_none());
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_intent_is_answered_by_way_of_its_queue_with_its_classification() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let answer = client.ask("request", "queued please").await;
    assert_eq!(answer.text(), Some("queued: queued please"));
    assert_eq!(answer.json["intent"]["confidence"], 0.9);
    assert_eq!(answer.json["model"], "first-word");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_gets_the_messages_of_its_intent_and_may_reject_them() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let properties = client.properties("c1").with_user_id(short("guest")).with_message_id(short("m1"));
    let cc = AMQPValue::FieldArray(vec![AMQPValue::LongString("elsewhere".into())].into());
    let properties = properties.with_headers(headers(&[("CC", cc), ("mine", AMQPValue::LongInt(7))]));
    client.publish("request.app", properties, b"outside now").await;
    let queue = client.names.queue(&WorkQueue::Intent(intent("outside")));
    let message = crate::support::eventually("the forwarded message", || async {
        client.channel.basic_get(short(&queue), Default::default()).await.unwrap()
    })
    .await;
    let delivery = message.delivery;
    assert_eq!(delivery.data, b"outside now");
    assert_eq!(header(&delivery, "chatbot-intent").as_deref(), Some("outside"));
    assert_eq!(header(&delivery, "chatbot-queue"), Some(client.names.queue(&WorkQueue::Requests)));
    assert_eq!(header(&delivery, "chatbot-routing-key").as_deref(), Some("request.app"));
    assert_eq!(header(&delivery, "chatbot-user-id").as_deref(), Some("guest"));
    assert_eq!(header(&delivery, "mine").as_deref(), Some("LongInt(7)"));
    assert_eq!(header(&delivery, "CC"), None);
    assert!(delivery.properties.user_id().is_none());
    delivery.acker.reject(lapin::options::BasicRejectOptions { requeue: false }).await.unwrap();
    let answer = client.next().await;
    assert_eq!((answer.code(), answer.correlation_id()), (Some("handler_failed"), Some("c1")));
    let letter = client.dead_letter(&WorkQueue::Requests).await;
    assert_eq!(header(&letter, "chatbot-dead-reason").as_deref(), Some("handler_failed"));
    assert_eq!(header(&letter, "chatbot-intent").as_deref(), Some("outside"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_reply_to_is_answered() {
    let worker = Bench::new().start().await;
    let client = worker.client().await;
    let channel = client.connection.create_channel().await.unwrap();
    let options = lapin::options::BasicConsumeOptions { no_ack: true, ..Default::default() };
    let direct = short("amq.rabbitmq.reply-to");
    let mut answers = channel.basic_consume(direct.clone(), short(""), options, Default::default()).await.unwrap();
    let properties = lapin::BasicProperties::default().with_reply_to(direct).with_correlation_id(short("d1"));
    channel
        .basic_publish(short(client.names.exchange()), short("request"), Default::default(), b"refund", properties)
        .await
        .unwrap();
    let answer = futures_util::StreamExt::next(&mut answers).await.unwrap().unwrap();
    assert_eq!(answer.properties.correlation_id().as_ref().unwrap().as_str(), "d1");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_an_address_is_handled_and_its_reply_dropped() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let properties = lapin::BasicProperties::default().with_delivery_mode(2);
    client.publish("request", properties, b"refund").await;
    assert_eq!(client.ask("request", "refund").await.text(), Some("refund: refund"));
    assert_eq!(client.depth(&client.names.queue(&WorkQueue::Requests)).await, 0);
    assert_eq!(client.depth(&Names::dead(&client.names.queue(&WorkQueue::Requests))).await, 0);
    worker.stop().await;
}

/// Fails so often, then answers.
struct Flapping {
    failures: std::sync::atomic::AtomicU32,
    how: fn() -> Result<Option<Answer>, HandlerError>,
}

impl Flapping {
    fn new(failures: u32, how: fn() -> Result<Option<Answer>, HandlerError>) -> Self {
        Self { failures: failures.into(), how }
    }
}

#[async_trait]
impl Handler for Flapping {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        use std::sync::atomic::Ordering::SeqCst;
        if self.failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return (self.how)();
        }
        Echo.handle(job).await
    }
}

fn unavailable() -> Result<Option<Answer>, HandlerError> {
    Err(HandlerError::Unavailable { intent: intent("refund"), reason: "away".to_owned() })
}

fn failed() -> Result<Option<Answer>, HandlerError> {
    Err(HandlerError::Failed { intent: intent("refund"), reason: "no such order".to_owned() })
}

fn panics() -> Result<Option<Answer>, HandlerError> {
    panic!("a test's handler panics, as it was told")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_retried_until_it_is_answered() {
    for how in [unavailable as fn() -> _, panics] {
        let worker = Bench::new().handler("refund", Flapping::new(2, how)).start().await;
        let mut client = worker.client().await;
        assert_eq!(client.ask("request", "refund").await.text(), Some("refund: refund"));
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_attempts_are_used_up_the_client_is_told_and_the_message_kept() {
    let worker = Bench::new().handler("refund", Flapping::new(99, unavailable)).start().await;
    let mut client = worker.client().await;
    let answer = client.ask("request.a.b", r#"{"body":"refund","id":"q7"}"#).await;
    assert_eq!(answer.json["in_reply_to"], "q7");
    assert_eq!((answer.code(), &answer.json["error"]["retryable"]), (Some("internal"), &true.into()));
    let letter = client.dead_letter(&WorkQueue::Requests).await;
    assert_eq!(letter.data, br#"{"body":"refund","id":"q7"}"#);
    assert_eq!(header(&letter, "chatbot-attempt").as_deref(), Some("3"));
    assert_eq!(header(&letter, "chatbot-dead-reason").as_deref(), Some("internal"));
    assert_eq!(header(&letter, "chatbot-routing-key").as_deref(), Some("request.a.b"));
    assert_eq!(header(&letter, "chatbot-dead-worker").as_deref(), Some("test"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_pass_is_dead_lettered_at_once() {
    let worker = Bench::new().handler("queued", Flapping::new(1, failed)).start().await;
    let mut client = worker.client().await;
    let answer = client.ask("intent.queued", "x").await;
    assert_eq!(answer.code(), Some("handler_failed"));
    let letter = client.dead_letter(&WorkQueue::Intent(intent("queued"))).await;
    assert_eq!(header(&letter, "chatbot-attempt").as_deref(), Some("1"));
    worker.stop().await;
}

/// Never answers.
struct Hanging;

#[async_trait]
impl ModelClient for Hanging {
    fn name(&self) -> &str {
        "hanging"
    }

    async fn classify(&self, query: &Query<'_>) -> Result<chatbot_worker::domain::Prediction, ModelError> {
        if query.text.starts_with("hang") {
            std::future::pending::<()>().await;
        }
        FirstWord.classify(query).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_wait_for_a_model_that_hangs() {
    let worker = Bench::new().model(Hanging).start().await;
    let mut client = worker.client().await;
    let properties = client.properties("c").with_expiration(short("400"));
    client.publish("request", properties, b"hang").await;
    assert_eq!(client.next().await.code(), Some("deadline_exceeded"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_hangs_is_given_up_and_the_client_told() {
    let mut bench = Bench::new().model(Hanging);
    bench.parts.model_timeout = Duration::from_millis(50);
    let worker = bench.start().await;
    let mut client = worker.client().await;
    assert_eq!(client.ask("request", "hang").await.code(), Some("timeout"));
    assert_eq!(client.ask("request", "refund").await.text(), Some("refund: refund"));
    worker.stop().await;
}
