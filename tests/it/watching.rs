//! What the page to watch a worker is told, by a worker as a process on a real broker.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    cli::program::Program,
    support::{Client, broker_url, eventually},
};

/// The head and the body of what is served there.
async fn get(address: &str, path: &str) -> (String, String) {
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn json_of(address: &str, path: &str) -> Value {
    let (head, body) = get(address, path).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_str(&body).unwrap()
}

/// The metrics whose lines begin so.
async fn metrics(address: &str, name: &str) -> Vec<String> {
    let (_, text) = get(address, "/metrics").await;
    let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_alive_what_waits_and_what_users_say_is_told() {
    let program = Program::new();
    let mut worker = program.start();
    let address = worker.address();
    // While it trains its model nothing is known but that.
    let before = json_of(&address, "/workers").await;
    assert!(before.is_null() || before["this"].is_string(), "{before}");
    worker.until(" ready ");
    let told = eventually("the worker among the workers", || async {
        let told = json_of(&address, "/workers").await;
        let this = told["this"].as_str()?.to_owned();
        let workers = told["workers"].as_array()?.clone();
        workers.into_iter().find(|worker| worker["name"] == *this)
    })
    .await;
    assert_eq!((&told["version"], told["leaves"].as_bool()), (&env!("CARGO_PKG_VERSION").into(), None));
    assert!(told["heard"].is_u64() && told["bot"].as_str().is_some_and(|bot| bot.len() > 8), "{told}");

    let requests = format!("{}.requests", program.names.exchange());
    let waits = eventually("what waits", || async {
        Some(json_of(&address, "/queues").await).filter(|waits| waits["ago"].is_u64())
    })
    .await;
    let of = |queue: &str| waits["queues"].as_array().unwrap().iter().find(|one| one["queue"] == queue).cloned();
    assert_eq!(of(&requests), Some(json!({ "queue": requests, "messages": 0, "consumers": 1 })), "{waits}");
    assert_eq!((of(&format!("{requests}.dead")), &waits["left_out"]), (None, &0.into()), "{waits}");

    let mut client = Client::new(&broker_url(), &program.names).await;
    let asked = client.ask("request", r#"{"body":"I want my money back"}"#).await;
    let intent = asked.json["intent"]["name"].as_str().unwrap().to_owned();
    for (intent, handler, value) in [(intent.as_str(), "template", "up"), ("s3cret", "s3cret", "down")] {
        let feedback = json!({ "type": "chat.feedback", "in_reply_to": "r", "value": value, "intent": intent, "handler": handler });
        assert_eq!(client.ask("request", &feedback.to_string()).await.json["done"], "chat.feedback");
    }
    let feedback = |intent: &str, handler: &str, value: &str| {
        format!(r#"chatbot_feedback_total{{intent="{intent}",handler="{handler}",value="{value}"}} 1"#)
    };
    let mut expected = [feedback(&intent, "template", "up"), feedback("unknown", "unknown", "down")];
    expected.sort_unstable();
    assert_eq!(metrics(&address, "chatbot_feedback_total").await, expected);
    let answers = eventually("the answer among those of intents", || async {
        Some(metrics(&address, "chatbot_intent_replies_total").await).filter(|lines| !lines.is_empty())
    })
    .await;
    let fallback = asked.json["intent"]["fallback"].as_bool().unwrap();
    assert_eq!(answers, [format!(r#"chatbot_intent_replies_total{{intent="{intent}",fallback="{fallback}"}} 1"#)]);

    let (head, page) = get(&address, "/").await;
    assert!(head.to_ascii_lowercase().contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(page.contains("page/main.js"), "{page}");
    let (head, _) = get(&address, "/page/main.js").await;
    assert!(head.to_ascii_lowercase().contains("content-type: text/javascript"), "{head}");
    worker.signal("TERM");
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    program.remove().await;
}
