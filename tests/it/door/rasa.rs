//! Rasa's form.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use super::Opened;
use crate::{conversations::Kept, person::people, support::Bench};

const PATH: &str = "/webhooks/rest/webhook";

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_has_a_conversation_and_gets_messages() {
    let worker = people(Bench::new()).conversations(Arc::new(Kept::default())).start().await;
    let door = Opened::before(&worker).await;
    let said = async |sender: &str, text: &str| {
        let body = json!({"sender": sender, "message": text});
        door.post(PATH, &body).await.json::<Value>().await.unwrap()
    };
    assert_eq!(said("u", "refund").await, json!([{"recipient_id": "u", "text": "Which order?"}]));
    assert_eq!(
        said("v", "help\n\ntwo").await,
        json!([{"recipient_id": "v", "text": "help_info: help"}, {"recipient_id": "v", "text": "two"}])
    );
    assert_eq!(said("u", "1002").await, json!([{"recipient_id": "u", "text": "refund: 1002"}]));
    // Streamed, each message is a line.
    let streamed = door.post(&format!("{PATH}?stream=true"), &json!({"sender": "v", "message": "help\n\ntwo"})).await;
    assert_eq!(streamed.headers()["content-type"], "text/event-stream");
    let lines = "{\"recipient_id\":\"v\",\"text\":\"help_info: help\"}\n{\"recipient_id\":\"v\",\"text\":\"two\"}\n";
    assert_eq!(streamed.text().await.unwrap(), lines);
    let wrong = door.send(Method::POST, &format!("{PATH}?stream=True"), &[], "{").await;
    assert_eq!(wrong.status(), 400);
    for body in ["{", "{\"sender\": \"u\"}", "{\"message\": \" \"}", "{\"message\": 7}"] {
        let response = door.send(Method::POST, PATH, &[], body).await;
        assert_eq!(response.status().as_u16(), 400, "{body}");
        let fault: Value = response.json().await.unwrap();
        assert_eq!(
            (&fault["status"], &fault["reason"], &fault["code"]),
            (&json!("failure"), &json!("invalid_message"), &json!(400))
        );
    }
    assert_eq!(door.get("/webhooks/rest/").await.json::<Value>().await.unwrap(), json!({"status": "ok"}));
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_widgets_send_by_themselves_is_no_text() {
    let store = Arc::new(Kept::default());
    let worker = people(Bench::new()).conversations(store.clone()).start().await;
    let door = Opened::before(&worker).await;
    let said = async |text: &str| {
        let body = json!({"sender": "u", "message": text});
        door.post(PATH, &body).await.json::<Value>().await.unwrap()
    };
    for unknown in ["/get_started", "/session_start", "/affirm{\"order\": \"1002\"}"] {
        assert_eq!(said(unknown).await, json!([]), "{unknown}");
    }
    assert_eq!(said("/help_info").await, json!([{"recipient_id": "u", "text": "help_info: /help_info"}]));
    assert_eq!(said("refund").await, json!([{"recipient_id": "u", "text": "Which order?"}]));
    assert!(!store.texts().is_empty());
    assert_eq!(said("/restart").await, json!([]));
    assert!(store.texts().is_empty());
    assert_eq!(said("help").await, json!([{"recipient_id": "u", "text": "help_info: help"}]));
    let nobody = door.post(&format!("{PATH}?stream=true"), &json!({"message": "/restart"})).await;
    assert_eq!((nobody.status().as_u16(), nobody.text().await.unwrap()), (200, String::new()));
    door.close().await;
    worker.stop().await;
}
