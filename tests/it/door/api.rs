//! Our own form over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chatbot_worker::handler::{Answer, Handler, HandlerError, Job};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Opened, Rules, keys, refused};
use crate::{
    conversations::Kept,
    person::people,
    streaming::{WORDS, Writes, worker},
    support::{Bench, Slow, eventually},
};

const EVENTS: [(&str, &str); 1] = [("accept", "text/event-stream")];

/// Can't answer.
struct Fails;

#[async_trait]
impl Handler for Fails {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        Err(HandlerError::Failed { intent: job.intent.clone(), reason: "it can't".to_owned() })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_as_over_amqp() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let asked = json!({"body": "refund 我想退货", "id": "m-1", "sender": "u", "conversation": "c", "metadata": {"b": 1, "a": 2.50}});
    let mut over_http = door.ask(&asked).await;
    let mut over_amqp = worker.client().await.ask("request", &asked.to_string()).await.json;
    assert_ne!(over_http["id"].take(), over_amqp["id"].take());
    assert_eq!(over_http, over_amqp);
    assert_eq!((&over_http["body"], &over_http["in_reply_to"]), (&json!("refund: refund 我想退货"), &json!("m-1")));

    let text = [("content-type", "text/plain; charset=gbk")];
    let (gbk, _, _) = encoding_rs::GBK.encode("refund 退");
    let request = door.http.post(format!("{}/api/messages", door.url)).header(text[0].0, text[0].1);
    let answer: Value = request.body(gbk.into_owned()).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["body"], "refund: refund 退");
    assert_eq!(answer["receiver"], "web");
    // What curl sends with -d.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let request = door.http.post(format!("{}/api/messages", door.url)).header(form[0].0, form[0].1);
    let answer: Value = request.body(r#"{"body":"refund"}"#).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["body"], "refund: refund");
    let response = door.post("/api/messages?intent=product_info", &json!({"body": "x"})).await;
    assert_eq!(response.json::<Value>().await.unwrap()["body"], "product_info: x");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_has_a_status_and_a_code() {
    let slow = Slow(Duration::from_secs(60));
    let mut bench = Bench::new().handler("refund", Fails).handler("product_info", slow);
    bench.parts.retry.delays.clear();
    bench.parts.handler_timeout = Duration::from_millis(300);
    let worker = bench.start().await;
    let door = Opened::before(&worker).await;
    let check = async |path: &str, body: &str, status: u16, code: &str| {
        let response = door.send(Method::POST, path, &[("idempotency-key", "k-1")], body.to_owned()).await;
        let retry_after = response.headers().contains_key("retry-after");
        assert_eq!(refused(response).await, (status, code.to_owned()), "{path} {body}");
        assert_eq!(retry_after, status == 429, "{path} {body}");
    };
    check("/api/messages", "", 400, "invalid_message").await;
    check("/api/messages", "{\"body\": \"\"}", 400, "invalid_message").await;
    check("/api/messages", "[1]", 400, "invalid_message").await;
    check("/api/messages", r#"{"body":"x","type":"chat.nonsense"}"#, 400, "invalid_message").await;
    check("/api/messages", r#"{"body":"x","type":"chat.reply"}"#, 400, "invalid_message").await;
    check("/api/messages", r#"{"body":"x","type":"chat.message"}"#, 400, "invalid_message").await;
    check("/api/messages", r#"{"type":"chat.cancel"}"#, 400, "invalid_message").await;
    check("/api/messages", r#"{"type":"chat.forget"}"#, 400, "invalid_message").await;
    check("/api/messages?intent=no%20name", r#"{"body":"x"}"#, 400, "invalid_message").await;
    check("/api/messages", &format!(r#"{{"body":"{}"}}"#, "x".repeat(65 * 1024)), 413, "payload_too_large").await;
    check("/api/messages?intent=nobody", r#"{"body":"x"}"#, 404, "unroutable").await;
    check("/api/messages", r#"{"body":"refund"}"#, 502, "handler_failed").await;
    check("/api/messages", r#"{"body":"product_info"}"#, 504, "timeout").await;
    let xml = door.http.post(format!("{}/api/messages", door.url)).header("content-type", "text/xml").body("<a/>");
    assert_eq!(refused(xml.send().await.unwrap()).await, (415, "unsupported_media_type".to_owned()));
    assert_eq!(refused(door.get("/nothing").await).await, (404, "not_found".to_owned()));
    assert!(door.get("/nothing").await.text().await.unwrap().contains("POST /api/messages"));
    assert_eq!(refused(door.get("/api/messages").await).await, (405, "method_not_allowed".to_owned()));
    assert!(door.get("/api/messages").await.text().await.unwrap().contains("another method: POST"));
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_gives_ends_with_the_doors_time() {
    let worker = Bench::new().start().await;
    let (url, names) = (worker.url.clone(), worker.names.clone());
    worker.stop_and_leave().await;
    let rules = Rules { timeout: Duration::from_millis(500), ..Rules::default() };
    let door = Opened::open(&url, &names, rules).await;
    assert_eq!(refused(door.post("/api/messages", &json!({"body": "x"})).await).await, (504, "timeout".to_owned()));
    let told = door.post("/api/messages", &json!({"body": "x"})).await.text().await.unwrap();
    assert!(told.contains("no worker is alive"), "{told}");
    door.close().await;
    crate::support::remove(&url, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_as_it_is_written() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let door = Opened::before(&worker).await;
    let writing = async { writes.write(WORDS.len()).await };
    let asking = async {
        let response = door.send(Method::POST, "/api/messages", &EVENTS, r#"{"id":"7","body":"refund"}"#).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response.text().await.unwrap()
    };
    let (events, ()) = tokio::join!(asking, writing);
    let mut events: Vec<(&str, Value)> = events
        .split("\n\n")
        .filter(|event| !event.is_empty() && !event.starts_with(':'))
        .map(|event| {
            let (kind, data) = event.split_once('\n').unwrap();
            let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            (kind.strip_prefix("event: ").unwrap(), data)
        })
        .collect();
    let (kind, reply) = events.pop().unwrap();
    assert_eq!(
        (kind, &reply["body"], &reply["in_reply_to"]),
        ("chat.reply", &json!("退货很简单，三十天内。"), &json!("7"))
    );
    assert!(!events.is_empty() && events.iter().all(|(kind, _)| *kind == "chat.reply.part"), "{events:?}");
    let text: String = events.iter().map(|(_, part)| part["delta"].as_str().unwrap()).collect();
    assert_eq!(text, WORDS.concat());
    // Without a beginning there is a status.
    let failed = door.send(Method::POST, "/api/messages?intent=nobody", &EVENTS, r#"{"body":"x"}"#).await;
    assert_eq!(refused(failed).await, (404, "unroutable".to_owned()));
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_has_the_answer_stopped() {
    for events in [false, true] {
        let writes = Writes::default();
        let worker = worker(&writes).await;
        let door = Opened::before(&worker).await;
        let headers: &[_] = if events { &EVENTS } else { &[] };
        let asking = door.send(Method::POST, "/api/messages", headers, r#"{"body":"refund","stream":true}"#);
        tokio::select! {
            _ = async { asking.await.text().await } => panic!("there is no answer"),
            () = async { writes.begins().await; writes.write(1).await } => {}
        }
        writes.is_stopped().await;
        door.close().await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_made_spoken_in_and_forgotten() {
    let store = Arc::new(Kept::default());
    let worker = people(Bench::new()).conversations(store.clone()).start().await;
    let door = Opened::before(&worker).await;
    let made: Value = door.post("/api/conversations", &json!({})).await.json().await.unwrap();
    let conversation = made["conversation"].as_str().unwrap();
    let asked = door.ask(&json!({"body": "refund please", "conversation": conversation})).await;
    assert_eq!((&asked["body"], &asked["state"]["status"]), (&json!("Which order?"), &json!("asking")));
    let answer = door.ask(&json!({"body": "1002", "conversation": conversation})).await;
    assert_eq!(answer["state"]["status"], "done");
    assert_eq!(store.texts().len(), 4);
    let forgotten = door.send(Method::DELETE, &format!("/api/conversations/{conversation}"), &[], "").await;
    assert_eq!(forgotten.status(), 200);
    let done: Value = forgotten.json().await.unwrap();
    assert_eq!((&done["done"], &done["forgotten"]), (&json!("chat.forget"), &json!(true)));
    assert!(store.texts().is_empty());
    let path = format!("/api/conversations/{conversation}");
    assert_eq!(
        refused(door.send(Method::DELETE, &path, &[], "").await).await,
        (404, "not_found".to_owned()),
        "there is nothing left"
    );
    // One that belongs to a sender is that sender's.
    door.ask(&json!({"body": "refund please", "conversation": "c", "sender": "u"})).await;
    let nobodys = door.send(Method::DELETE, "/api/conversations/c", &[], "").await;
    assert_eq!(nobodys.status(), 404);
    let text = nobodys.text().await.unwrap();
    assert!(text.contains("chat.error") && text.contains("?sender="), "{text}");
    assert!(!store.texts().is_empty());
    assert_eq!(door.send(Method::DELETE, "/api/conversations/c?sender=u", &[], "").await.status(), 200);
    assert!(store.texts().is_empty());
    assert_eq!(refused(door.send(Method::DELETE, "/api/conversations/%ff", &[], "").await).await.0, 400);
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_speaks_in_its_own_conversations_alone() {
    let worker = Bench::new().conversations(Arc::new(Kept::default())).start().await;
    // SHA-256 of `public` and of `secret`.
    let lines = "[keys.page]\nhash = \"sha256:efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7\"\npublic = true\n\
                 origins = [\"https://shop.example.com\"]\nrate = 5\n\
                 [keys.backend]\nhash = \"sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"\n";
    let door = Opened::open(&worker.url, &worker.names, Rules { keys: keys(lines), ..Rules::default() }).await;
    let post = async |path: &str, headers: &[(&str, &str)], body: &Value| {
        door.send(Method::POST, path, headers, body.to_string()).await
    };
    let body = json!({"body": "refund", "sender": "somebody"});
    assert_eq!(refused(post("/api/messages", &[], &body).await).await, (401, "unauthorized".to_owned()));
    assert_eq!(refused(post("/api/messages?key=secret", &[], &body).await).await, (403, "forbidden".to_owned()));
    let wrong = [("authorization", "Bearer nonsense")];
    assert_eq!(refused(post("/api/messages", &wrong, &body).await).await, (401, "unauthorized".to_owned()));
    let secret = [("authorization", "Bearer secret")];
    let answer: Value = post("/api/messages", &secret, &body).await.json().await.unwrap();
    assert_eq!((&answer["body"], &answer["receiver"]), (&json!("refund: refund"), &json!("backend")));

    let page = [("origin", "https://shop.example.com")];
    let other = [("origin", "https://evil.example")];
    assert_eq!(refused(post("/api/messages?key=public", &other, &body).await).await, (403, "forbidden".to_owned()));
    let made = post("/api/conversations?key=public", &page, &json!({})).await;
    assert_eq!(made.headers()["access-control-allow-origin"], "https://shop.example.com");
    let conversation = made.json::<Value>().await.unwrap()["conversation"].clone();
    let own = json!({"body": "refund", "conversation": conversation});
    let answer: Value = post("/api/messages?key=public", &page, &own).await.json().await.unwrap();
    assert_eq!((&answer["conversation"], &answer["receiver"]), (&conversation, &json!("page")));
    let others = json!({"body": "refund", "conversation": "c-42"});
    assert_eq!(refused(post("/api/messages?key=public", &page, &others).await).await, (403, "forbidden".to_owned()));
    let forget = door.send(Method::DELETE, "/api/conversations/c-42?key=public", &page, "").await;
    assert_eq!(refused(forget).await, (403, "forbidden".to_owned()));
    let too_many = eventually("one is too many", || async {
        let response = post("/api/messages?key=public", &page, &body).await;
        (response.status() == 429).then_some(response)
    });
    let too_many = too_many.await;
    assert!(too_many.headers().contains_key("retry-after"));
    assert_eq!(refused(too_many).await, (429, "rate_limited".to_owned()));

    let preflight = async |origin: &str| door.send(Method::OPTIONS, "/api/messages", &[("origin", origin)], "").await;
    let allowed = preflight("https://shop.example.com").await;
    assert_eq!(
        (allowed.status().as_u16(), allowed.headers()["access-control-allow-origin"].to_str().unwrap()),
        (204, "https://shop.example.com")
    );
    let asks =
        [("origin", "https://shop.example.com"), ("access-control-request-headers", "authorization,x-stainless-os")];
    let asked = door.send(Method::OPTIONS, "/api/messages", &asks, "").await;
    assert_eq!(asked.headers()["access-control-allow-headers"], "authorization,x-stainless-os");
    let framed = |response: &reqwest::Response| {
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        policy.rsplit_once("frame-ancestors ").unwrap().1.to_owned()
    };
    assert_eq!(framed(&door.get("/?embed=1&key=public").await), "'self' https://shop.example.com");
    assert_eq!(framed(&door.get("/?embed=1").await), "'self'");
    assert!(!preflight("https://evil.example").await.headers().contains_key("access-control-allow-origin"));
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_ask_the_same_at_once_get_the_same_answer() {
    let store = Arc::new(Kept::default());
    let worker = Bench::new().conversations(store.clone()).start().await;
    let door = Opened::before(&worker).await;
    let asked = json!({"id": "m-1", "conversation": "c", "body": "refund"});
    let (one, other) = tokio::join!(door.ask(&asked), door.ask(&asked));
    assert_eq!((&one["body"], &one), (&json!("refund: refund"), &other));
    assert_eq!(store.texts().len(), 2, "it is said once, and answered once");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_address_says_twice_is_refused() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let body = json!({"body": "refund"});
    for name in ["key", "intent"] {
        let refusal = door.post(&format!("/api/messages?{name}=refund&{name}=product_info"), &body).await;
        let text = refusal.text().await.unwrap();
        assert!(text.contains("invalid_message") && text.contains(&format!("'{name}' more than once")), "{text}");
    }
    let refused = door.post("/webhooks/rest/webhook?token=a&token=b", &json!({"sender": "u", "message": "x"})).await;
    assert_eq!(refused.status(), 400);
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_may_know_of_the_bot_is_told() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let bot = eventually("the worker tells of its bot", || async {
        let bot: Value = door.get("/api/bot").await.json().await.unwrap();
        (bot["intents"] != json!([])).then_some(bot)
    });
    assert_eq!(
        bot.await,
        json!({"intents": ["help_info", "outside", "product_info", "queued", "refund"], "keys": false})
    );
    for path in ["/api/bot", "/v1/models"] {
        // A slash at the end changes nothing.
        let (without, with) = (door.get(path).await, door.get(&format!("{path}/")).await);
        assert_eq!((without.status().as_u16(), with.status().as_u16()), (200, 200), "{path}");
        assert_eq!(without.text().await.unwrap(), with.text().await.unwrap(), "{path}");
    }
    let page = door.get("/").await;
    assert!(
        page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'; script-src 'self'")
    );
    assert!(page.text().await.unwrap().contains("page/main.js"));
    let script = door.get("/page/main.js").await;
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_answered_by_a_bot_that_has_none_any_more() {
    let before = Bench::new().conversations(Arc::new(Kept::default())).start().await;
    let (url, names) = (before.url.clone(), before.names.clone());
    before.stop_and_leave().await;
    // The queues of conversations are there still, and nobody consumes them.
    let worker = Bench::new().named(&names).start().await;
    let door = Opened::open(&url, &names, Rules::default()).await;
    for _ in 0..2 {
        let answer = door.ask(&json!({"body": "refund", "conversation": "c"})).await;
        assert_eq!((&answer["body"], &answer["conversation"]), (&json!("refund: refund"), &json!("c")));
    }
    // Nothing is kept, so there is nothing to forget.
    let forgotten = door.send(Method::DELETE, "/api/conversations/c", &[], "").await;
    assert_eq!(refused(forgotten).await, (404, "not_found".to_owned()));
    door.close().await;
    worker.stop().await;
}
