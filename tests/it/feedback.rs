//! What users say of answers, on a real broker.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    conversations::Kept,
    door::{Opened, refused},
    person::people,
    support::{Arrived, Bench, Client},
};

async fn rate(client: &mut Client, key: &str, further: &Value) -> Arrived {
    let mut body = json!({ "type": "chat.feedback", "id": "f1", "in_reply_to": "r1", "value": "up" });
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    client.ask(key, &body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_answered_and_is_no_turn_of_its_conversation() {
    let store = Arc::<Kept>::default();
    let worker = people(Bench::new()).conversations(store.clone()).start().await;
    let mut client = worker.client().await;
    let says = |text: &str| json!({ "conversation": "c", "sender": "u", "body": text }).to_string();
    assert_eq!(client.ask("request", &says("refund it")).await.text(), Some("Which order?"));
    let version = store.record().unwrap().version();
    let of = json!({ "conversation": "c", "sender": "u", "intent": "refund", "handler": "test" });
    let done = rate(&mut client, "request", &of).await;
    let told = ["type", "done", "in_reply_to", "conversation"].map(|field| done.json[field].clone());
    assert_eq!(told, ["chat.done", "chat.feedback", "f1", "c"].map(Value::from), "{}", done.json);
    assert_eq!(done.delivery.properties.kind().as_ref().map(|kind| kind.as_str()), Some("chat.done"));
    assert_eq!(store.record().unwrap().version(), version);
    // It answered nothing that was asked.
    assert_eq!(client.ask("request", &says("FL1")).await.text(), Some("refund: FL1"));
    assert_eq!(store.texts(), ["refund it", "Which order?", "FL1", "refund: FL1"]);
    let misplaced = rate(&mut client, "conversation.5", &of).await;
    assert_eq!(misplaced.code(), Some("invalid_message"));
    let why = misplaced.json["error"]["message"].as_str().unwrap();
    assert!(why.contains("use the routing key request"), "{why}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_without_conversations_takes_it_and_what_it_has_to_say_is_told() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let done = rate(&mut client, "request", &json!({})).await;
    assert_eq!((&done.json["done"], done.json.get("conversation")), (&"chat.feedback".into(), None));
    for (wrong, why) in [
        (json!({ "value": "5 stars" }), "\"up\" or \"down\""),
        (json!({ "value": null }), "\"up\" or \"down\""),
        (json!({ "in_reply_to": "" }), "has to name the answer"),
        (json!({ "in_reply_to": 7 }), "must be a string"),
    ] {
        let refused = rate(&mut client, "request", &wrong).await;
        assert_eq!((refused.code(), &refused.json["in_reply_to"]), (Some("invalid_message"), &Value::Null), "{wrong}");
        assert!(refused.json["error"]["message"].as_str().unwrap().contains(why), "{wrong}: {}", refused.json);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_through_the_door_with_its_type_or_without() {
    let store = Arc::<Kept>::default();
    let worker = people(Bench::new()).conversations(store.clone()).start().await;
    let door = Opened::before(&worker).await;
    for kind in [Value::Null, "chat.feedback".into(), "chat.request".into()] {
        let body = json!({ "type": kind, "id": "f1", "in_reply_to": "r", "value": "down", "conversation": "c" });
        let done = door.post("/api/feedback", &body).await;
        assert_eq!(done.status(), 200, "{kind}");
        let done: Value = done.json().await.unwrap();
        let told = ["type", "done", "in_reply_to", "conversation"].map(|field| done[field].clone());
        assert_eq!(told, ["chat.done", "chat.feedback", "f1", "c"].map(Value::from), "{done}");
    }
    // It has begun no conversation.
    assert!(store.record().is_none());
    for body in [json!({}), json!({ "in_reply_to": "r" }), json!({ "in_reply_to": "r", "value": "sideways" })] {
        let (status, code) = refused(door.post("/api/feedback", &body).await).await;
        assert_eq!((status, code.as_str()), (400, "invalid_message"), "{body}");
    }
    door.close().await;
    worker.stop().await;
}
