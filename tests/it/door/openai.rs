//! OpenAI's form.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Opened, Rules, keys};
use crate::{
    conversations::Kept,
    person::people,
    streaming::{WORDS, Writes, worker},
    support::{Bench, eventually},
};

const PATH: &str = "/v1/chat/completions";

fn user(text: &str) -> Value {
    json!({"model": "chatbot", "messages": [{"role": "user", "content": text}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_message_of_the_users_is_answered() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let check = async |body: Value, expected: &str| {
        let completion: Value = door.post(PATH, &body).await.json().await.unwrap();
        assert_eq!(completion["choices"][0]["message"]["content"], expected, "{body} {completion}");
        completion
    };
    let completion = check(user("refund 退货"), "refund: refund 退货").await;
    assert_eq!((&completion["object"], &completion["model"]), (&json!("chat.completion"), &json!("chatbot")));
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        (&completion["chatbot"]["intent"]["name"], &completion["usage"]["total_tokens"]),
        (&json!("refund"), &json!(0))
    );
    let said = json!([
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "product_info before"},
        {"role": "assistant", "content": null, "tool_calls": []},
        {"role": "user", "content": [{"type": "text", "text": "refund"}, {"type": "text", "text": "two"}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ]);
    check(json!({"messages": said, "temperature": 0.7, "tools": [], "stream": null}), "refund: refund\ntwo").await;
    let with_slash = door.post(&format!("{PATH}/"), &user("refund")).await.json::<Value>().await.unwrap();
    assert_eq!(with_slash["choices"][0]["message"]["content"], "refund: refund");
    check(json!({"model": "intent.product_info", "messages": user("x")["messages"]}), "product_info: x").await;
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_streamed_in_chunks() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let door = Opened::before(&worker).await;
    let mut body = user("refund");
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    let (text, ()) =
        tokio::join!(async { door.post(PATH, &body).await.text().await.unwrap() }, writes.write(WORDS.len()));
    let data: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(data.last(), Some(&"[DONE]"));
    let chunks: Vec<Value> = data[..data.len() - 1].iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let told: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(told, "退货很简单，三十天内。");
    assert!(chunks.len() > 4, "{text}");
    let [.., last, usage] = &chunks[..] else { panic!("{text}") };
    assert_eq!(
        (&last["choices"][0]["finish_reason"], &last["chatbot"]["type"]),
        (&json!("stop"), &json!("chat.reply"))
    );
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(0)));
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_has_their_form() {
    let worker = Bench::new().start().await;
    let lines = "[keys.backend]\nhash = \"sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"\n";
    let door = Opened::open(&worker.url, &worker.names, Rules { keys: keys(lines), ..Rules::default() }).await;
    let check = async |key: &str, body: &str, status: u16, kind: &str, code: &str, param: Value| {
        let key = format!("Bearer {key}");
        let response = door.send(Method::POST, PATH, &[("authorization", &key)], body.to_owned()).await;
        assert_eq!(response.status().as_u16(), status, "{body}");
        let again = response.headers()["x-should-retry"].to_str().unwrap().to_owned();
        let error = response.json::<Value>().await.unwrap()["error"].take();
        assert_eq!((&error["type"], &error["code"], &error["param"]), (&json!(kind), &json!(code), &param), "{body}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
        assert_eq!(again, "false");
    };
    let asked = user("refund").to_string();
    check("nonsense", &asked, 401, "authentication_error", "invalid_api_key", json!(null)).await;
    let wrong = [
        ("{", json!(null)),
        (r#"{"messages": 1}"#, json!("messages")),
        (r#"{"messages": []}"#, json!("messages")),
        (r#"{"messages": [{"role": "user", "content": " "}]}"#, json!("messages[0].content")),
        (r#"{"n": 2, "messages": [{"role": "user", "content": "x"}]}"#, json!("n")),
        (r#"{"user": 7, "messages": [{"role": "user", "content": "x"}]}"#, json!("user")),
        (
            r#"{"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": "x"}]}]}"#,
            json!("messages[0].content"),
        ),
    ];
    for (body, param) in wrong {
        check("secret", body, 400, "invalid_request_error", "invalid_message", param).await;
    }
    for name in ["x-conversation-id", "x-openwebui-chat-id", "idempotency-key"] {
        let value = reqwest::header::HeaderValue::from_bytes("会话".as_bytes()).unwrap();
        let request = door.http.post(format!("{}{PATH}", door.url)).bearer_auth("secret").header(name, value);
        let refused = request.body(asked.clone()).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{name}");
        assert!(refused.text().await.unwrap().contains("visible ASCII"), "{name}");
    }
    for model in ["gpt-4", "intent.nobody"] {
        let asked = asked.replace("chatbot", model);
        check("secret", &asked, 404, "invalid_request_error", "model_not_found", json!("model")).await;
    }
    let other = door.send(Method::POST, "/v1/embeddings", &[], asked.clone()).await;
    assert_eq!(other.status(), 404);
    assert_eq!(other.json::<Value>().await.unwrap()["error"]["code"], "unknown_url");
    for path in
        ["/chat/completions", "/v1/v1/chat/completions", "/v1/chat/completions/chat/completions", "/v1/responses"]
    {
        let error = door.send(Method::POST, path, &[], asked.clone()).await.json::<Value>().await.unwrap();
        assert_eq!(
            (&error["error"]["code"], &error["error"]["param"]),
            (&json!("unknown_url"), &json!(null)),
            "{path}"
        );
    }
    let models = eventually("the worker tells of its bot", || async {
        let models: Value = door
            .http
            .get(format!("{}/v1/models", door.url))
            .bearer_auth("secret")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        (models["data"].as_array().unwrap().len() > 1).then_some(models)
    });
    let names: Vec<Value> = models.await["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(
        names,
        ["chatbot", "intent.help_info", "intent.outside", "intent.product_info", "intent.queued", "intent.refund"]
    );
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_word_for_a_user_has_a_conversation_of_its_own() {
    let store = Arc::new(Kept::default());
    let worker = people(Bench::new()).conversations(store.clone()).start().await;
    let door = Opened::before(&worker).await;
    let ask = async |user: &str, text: &str| {
        let mut body = self::user(text);
        body["user"] = user.into();
        let completion: Value = door.post(PATH, &body).await.json().await.unwrap();
        completion["choices"][0]["message"]["content"].clone()
    };
    let [one, other] = ["一", "二"].map(|end| "用户".repeat(255) + end);
    assert_eq!(ask(&one, "refund").await, "Which order?");
    assert_eq!(ask(&other, "help").await, "help_info: help");
    assert_eq!(ask(&one, "1002").await, "refund: 1002");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_package_sends_anew_is_not_said_twice_and_the_same_text_is() {
    let store = Arc::new(Kept::default());
    let worker = Bench::new().conversations(store.clone()).start().await;
    let door = Opened::before(&worker).await;
    let ask = async |tried: &str| {
        let headers = [("x-conversation-id", "c"), ("x-stainless-retry-count", tried)];
        let response = door.send(Method::POST, PATH, &headers, user("help").to_string()).await;
        response.json::<Value>().await.unwrap()["id"].clone()
    };
    let first = ask("0").await;
    assert_eq!((ask("1").await, store.texts().len()), (first.clone(), 2));
    let second = ask("0").await;
    assert_ne!(second, first);
    assert_eq!((ask("1").await, store.texts().len()), (second, 4));
    door.close().await;
    worker.stop().await;
}
