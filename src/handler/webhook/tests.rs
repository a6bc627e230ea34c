//! What a webhook is sent, and what is made of its answers.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{AttachmentKind, Content, IntentName, Request},
    outbound::{
        Limits,
        stub::{Act, Stub},
        tests::limits,
    },
};

fn request() -> Request {
    let metadata = Some(RawValue::from_string(r#"{"shop": 7}"#.into()).unwrap());
    Request {
        id: Some("m-1".into()),
        sender: Some("u-1".into()),
        locale: Some("zh".into()),
        metadata,
        text: "取消订单 SH12345678".into(),
        ..Request::default()
    }
}

async fn asked(handler: &WebhookHandler, request: &Request, key: Option<Key>) -> Result<Option<Answer>, HandlerError> {
    let entity =
        Entity { name: "order".into(), value: "SH12345678".into(), text: "SH12345678".into(), start: 5, end: 15 };
    let (intent, deadline) = (IntentName::new("cancel_order").unwrap(), Instant::now() + Duration::from_secs(20));
    let job = Job { entities: &[entity], key, ..Job::new(request, &intent, deadline) };
    handler.handle(&job).await
}

fn handler(stub: &Stub, retries: usize) -> WebhookHandler {
    let limits = Limits { retries, ..limits() };
    WebhookHandler::new(Arc::new(stub.service_within(&limits)), Some("geheim".to_owned().into()))
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_decoded_and_signed() {
    let stub = Stub::script(vec![Act::json(&json!({"text": "好的"}))]).await;
    let answer = asked(&handler(&stub, 0), &request(), Some(Key::of([None]))).await.unwrap().unwrap();
    assert_eq!((answer.text.as_str(), answer.locale), ("好的", None));
    let seen = &stub.seen()[0];
    let entities = json!([{"name": "order", "value": "SH12345678", "text": "SH12345678", "start": 5, "end": 15}]);
    let request =
        json!({"body": "取消订单 SH12345678", "id": "m-1", "sender": "u-1", "locale": "zh", "metadata": {"shop": 7}});
    let expected = json!({"request": request, "intent": "cancel_order", "entities": entities, "slots": {}});
    assert_eq!(seen.json(), expected);
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let timestamp = seen.header("x-chatbot-timestamp").unwrap();
    assert!(timestamp.parse::<u64>().unwrap() > 1_700_000_000);
    let expected = signature(&"geheim".to_owned().into(), timestamp, &seen.body).unwrap();
    assert_eq!(seen.header("x-chatbot-signature"), Some(&*expected));
}

#[test]
fn a_signature_is_what_other_programs_make_of_it() {
    // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac geheim
    let expected = "v1=c2f0a59f12d0bcd3933234d85083c03b99e970604203fd059a320436bb602adf";
    assert_eq!(signature(&"geheim".to_owned().into(), "1700000000", br#"{"a":1}"#).unwrap(), expected);
}

#[tokio::test]
async fn a_repetition_has_the_same_name_and_another_request_another() {
    let stub = Stub::script(vec![Act::json(&json!({"text": "ok"}))]).await;
    let handler = WebhookHandler::new(Arc::new(stub.service()), None);
    let keys = [Some(Key::of([None])), Some(Key::of([None])), Some(Key::of([Some(&b"x"[..])])), None, None];
    for key in keys {
        asked(&handler, &request(), key).await.unwrap();
    }
    let seen = stub.seen();
    let ids: Vec<&str> = seen.iter().map(|seen| seen.header("x-chatbot-request-id").unwrap()).collect();
    assert_eq!(ids[0], ids[1]);
    for (at, id) in ids.iter().enumerate().skip(2) {
        assert!(!ids[..at].contains(id), "{ids:?}");
    }
    // Without a secret nothing is signed.
    assert!(seen[0].header("x-chatbot-signature").is_none() && seen[0].header("x-chatbot-timestamp").is_none());
}

#[tokio::test]
async fn it_is_sent_again_only_where_it_knows_repetitions() {
    for (retries, times) in [(0, 1), (1, 2)] {
        let stub = Stub::script(vec![Act::Close, Act::json(&json!({"text": "ok"}))]).await;
        let answer = asked(&handler(&stub, retries), &request(), Some(Key::of([None]))).await;
        assert_eq!((answer.is_ok(), stub.seen().len()), (retries > 0, times));
        let seen = stub.seen();
        let id = |at: usize| seen[at].header("x-chatbot-request-id").unwrap();
        assert_eq!(id(0), id(times - 1));
    }
}

#[tokio::test]
async fn what_it_answers_is_read_or_told_what_is_wrong_with_it() {
    async fn check(act: Act, expected: Result<Option<&str>, (Failure, &str)>) {
        let stub = Stub::script(vec![act.clone()]).await;
        let found = asked(&handler(&stub, 0), &request(), None).await;
        match (found, expected) {
            (Ok(answer), Ok(text)) => assert_eq!(answer.map(|answer| answer.text).as_deref(), text, "{act:?}"),
            (Err(HandlerError::Service { error, .. }), Err((failure, reason))) => {
                assert_eq!(error.failure, failure, "{act:?}: {error}");
                assert!(error.to_string().contains(reason), "{error}");
                assert!(!error.to_string().contains("SH12345678"), "{error}");
            }
            (found, _) => unreachable!("{act:?}: {found:?}"),
        }
    }
    async fn json(body: Value, expected: Result<Option<&str>, &str>) {
        check(Act::json(&body), expected.map_err(|reason| (Failure::BadAnswer, reason))).await;
    }
    json(json!({"text": "ok", "more": 5}), Ok(Some("ok"))).await;
    json(json!({"texts": {"en": "ok", "zh-CN": "好"}}), Ok(Some("好"))).await;
    json(json!({"answer": null}), Ok(None)).await;
    check(Act::Answer(204, "", String::new()), Ok(None)).await;
    json(json!({}), Err("neither 'text' nor 'texts'")).await;
    json(json!({"answer": "ok"}), Err("neither 'text' nor 'texts'")).await;
    json(json!({"answer": null, "text": "ok"}), Err("both that it has no answer")).await;
    json(json!({"text": "ok", "texts": {"en": "ok"}}), Err("both 'text' and 'texts'")).await;
    json(json!({"text": 5}), Err("'text' is no text")).await;
    json(json!({"text": " \n"}), Err("its text is empty")).await;
    json(json!({"texts": {}}), Err("'texts' is empty")).await;
    json(json!({"texts": {"english": "ok"}}), Err("texts by language")).await;
    json(json!({"texts": ["ok"]}), Err("texts by language")).await;
    json(json!({"text": "ok", "choices": "yes"}), Err("'choices' is no list")).await;
    json(json!({"text": "ok", "choices": [{"title": "yes"}]}), Err("'choices' is no list")).await;
    json(json!({"text": "ok", "choices": [{"title": "", "value": "y"}]}), Err("title or value is empty")).await;
    let many = vec![json!({"title": "yes", "value": "y"}); 33];
    json(json!({"text": "ok", "choices": many}), Err("more than 32 choices")).await;
    json(json!({"text": "ok", "slots": [1]}), Err("'slots' is no object")).await;
    json(json!({"text": "ok", "slots": {"order": ["FL1"]}}), Err("a list or an object")).await;
    json(json!({"text": "ok", "slots": {"order": " "}}), Err("an empty text")).await;
    json(json!({"text": "ok", "slots": {"order": "x".repeat(1001)}}), Err("more than 1000 characters")).await;
    json(json!({"error": "no such order: SH12345678"}), Err("it answered with an error")).await;
    json(json!(["text"]), Err("isn't JSON of the form")).await;
    let answer = |status, body: &str| Act::Answer(status, "", body.to_owned());
    check(answer(200, ""), Err((Failure::BadAnswer, "it is empty"))).await;
    check(answer(200, "ok"), Err((Failure::BadAnswer, "isn't JSON"))).await;
    check(answer(200, "<html>"), Err((Failure::Denied, "is the address right?"))).await;
    check(answer(404, "{}"), Err((Failure::Denied, "404"))).await;
    check(answer(401, "{}"), Err((Failure::Denied, "is the key right?"))).await;
    check(answer(422, "{\"message\": \"no order 取消订单 SH12345678\"}"), Err((Failure::Refused, "no order …"))).await;
    check(answer(500, "oops"), Err((Failure::Server, "500"))).await;
    check(Act::Close, Err((Failure::Unreachable, ""))).await;
}

#[tokio::test]
async fn data_and_choices_come_along() {
    let body =
        r#"{"text": "ok", "data": {"b": 1,  "a": 2.50}, "choices": [{"title": "是", "value": "yes"}], "slots": {}}"#;
    let stub = Stub::script(vec![Act::Answer(200, "", body.to_owned())]).await;
    let details = asked(&handler(&stub, 0), &request(), None).await.unwrap().unwrap().details;
    assert_eq!(details.data.unwrap().get(), r#"{"b": 1,  "a": 2.50}"#);
    assert_eq!((details.choices[0].title.as_str(), details.choices[0].value.as_str()), ("是", "yes"));
}

#[tokio::test]
async fn slots_and_the_number_of_the_turn_go_along_and_slots_come_back() {
    let said = json!({"text": "ok", "slots": {"order": "FL2", "paid": true, "sum": 12.5, "why": null}});
    let stub = Stub::script(vec![Act::json(&said)]).await;
    let (request, intent) = (request(), IntentName::new("cancel_order").unwrap());
    let mut slots = crate::conversation::Slots::new();
    slots.say("order", "FL1");
    let deadline = Instant::now() + Duration::from_secs(5);
    let job = Job { slots: &slots, turn: Some(3), ..Job::new(&request, &intent, deadline) };
    let answer = handler(&stub, 0).handle(&job).await.unwrap().unwrap();
    let said = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    let expected =
        [said("order", Some("FL2")), said("paid", Some("true")), said("sum", Some("12.5")), said("why", None)];
    let mut found = answer.slots;
    found.sort();
    assert_eq!(found, expected);
    let sent = stub.seen()[0].json();
    assert_eq!((&sent["slots"], &sent["turn"]), (&json!({"order": "FL1"}), &json!(3)));
}

#[tokio::test]
async fn attachments_go_along_as_they_were_sent() {
    let stub = Stub::script(vec![Act::json(&json!({"text": "ok"}))]).await;
    let attachment = |name: Option<&str>, content| Attachment {
        kind: AttachmentKind::Image,
        media_type: "image/png".into(),
        name: name.map(str::to_owned),
        content,
    };
    let url = "https://files.example.com/a.png?key=1".to_owned();
    let attachments = vec![
        attachment(Some("a.png"), Content::Data(bytes::Bytes::from_static(b"png"))),
        attachment(None, Content::Url { url: url.clone(), fetched: Some(bytes::Bytes::from_static(b"png")) }),
    ];
    asked(&handler(&stub, 0), &Request { attachments, ..request() }, None).await.unwrap();
    let expected = json!([
        {"type": "image", "media_type": "image/png", "name": "a.png", "data": "cG5n"},
        {"type": "image", "media_type": "image/png", "url": url},
    ]);
    assert_eq!(stub.seen()[0].json()["request"]["attachments"], expected);
}
