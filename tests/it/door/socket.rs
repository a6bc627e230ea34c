//! The WebSocket.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::{Opened, Rules, file_of_keys, keys};
use crate::{
    conversations::Kept,
    person::{Person, people},
    streaming::{WORDS, Writes, worker},
    support::{Bench, PATIENCE},
};

/// An open socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn open(door: &Opened, query: &str) -> Self {
        Self::try_open(door, query, None).await.unwrap()
    }

    pub async fn try_open(door: &Opened, query: &str, origin: Option<&str>) -> Result<Self, Error> {
        let mut request = format!("{}/api/socket{query}", door.url.replace("http:", "ws:")).into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        Ok(Self(connect_async(request).await?.0))
    }

    pub async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Sends a frame, where the socket still stands.
    pub async fn try_send(&mut self, frame: &Value) -> Result<(), Error> {
        self.0.send(Message::text(frame.to_string())).await
    }

    /// The next frame; the code with which the socket was closed.
    pub async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(0, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// The parts until the answer, and the answer.
    async fn rest(&mut self) -> (Vec<Value>, Value) {
        let mut parts = Vec::new();
        loop {
            match self.next().await.unwrap() {
                part if part["type"] == "chat.reply.part" => parts.push(part),
                answer => return (parts, answer),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_answered_by_its_id() {
    let worker = Bench::new().start().await;
    let door = Opened::before(&worker).await;
    let mut socket = Socket::open(&door, "").await;
    for id in ["1", "2", "3"] {
        socket.send(&json!({"id": id, "body": format!("refund {id}")})).await;
    }
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = socket.next().await.unwrap();
        answers.push((answer["in_reply_to"].as_str().unwrap().to_owned(), answer["body"].as_str().unwrap().to_owned()));
    }
    answers.sort();
    let expected = ["1", "2", "3"].map(|id| (id.to_owned(), format!("refund: refund {id}")));
    assert_eq!(answers, expected);
    socket.send(&json!({"id": "0", "body": "refund", "intent": "product_info"})).await;
    assert_eq!(socket.next().await.unwrap()["body"], "product_info: refund");
    for (frame, code) in [
        (json!({"id": "4", "body": ""}), "invalid_message"),
        (json!({"id": "5", "body": "x", "type": "chat.release"}), "invalid_message"),
        (json!({"id": "5", "body": "x", "conversation": ""}), "invalid_message"),
        (json!({"id": "5", "body": "x", "intent": {"name": "refund"}}), "invalid_message"),
        (json!({"id": "5", "body": "x", "intent": "no name"}), "invalid_message"),
        (json!({"id": "5", "body": "x", "intent": "nobody"}), "unroutable"),
        (json!({"type": "chat.cancel"}), "invalid_message"),
        (json!({"id": "5", "type": "chat.forget", "conversation": ""}), "invalid_message"),
        (json!([1]), "invalid_message"),
    ] {
        socket.send(&frame).await;
        let error = socket.next().await.unwrap();
        assert_eq!((&error["type"], &error["error"]["code"]), (&json!("chat.error"), &json!(code)));
        assert_eq!(error["in_reply_to"], frame["id"]);
    }
    let mut large = Socket::open(&door, "").await;
    large.send(&json!({"id": "6", "body": "x".repeat(100 * 1024)})).await;
    assert_eq!(large.next().await, Err(1009));
    door.close().await;
    assert_eq!(socket.next().await, Err(1013));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_stopped_in_the_middle() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let door = Opened::before(&worker).await;
    let mut socket = Socket::open(&door, "").await;
    socket.send(&json!({"id": "7", "body": "refund", "stream": true})).await;
    writes.write(1).await;
    let part = socket.next().await.unwrap();
    assert_eq!(
        (&part["type"], &part["delta"], &part["in_reply_to"]),
        (&json!("chat.reply.part"), &json!("退货"), &json!("7"))
    );
    socket.send(&json!({"type": "chat.cancel", "id": "7"})).await;
    let (_, reply) = socket.rest().await;
    assert_eq!(
        (&reply["finish"], &reply["body"], &reply["in_reply_to"]),
        (&json!("cancelled"), &json!("退货"), &json!("7"))
    );
    writes.is_stopped().await;
    // One that is over already is no fault.
    socket.send(&json!({"type": "chat.cancel", "id": "7"})).await;
    socket.send(&json!({"id": "8", "body": "help"})).await;
    assert_eq!(socket.next().await.unwrap()["in_reply_to"], "8");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_gets_the_answer_that_was_under_way() {
    for leaves in [true, false] {
        let writes = Writes::default();
        let worker = worker(&writes).await;
        let door = Opened::before(&worker).await;
        let asked = json!({"id": "7", "conversation": "c", "body": "refund", "stream": true});
        let mut before = Socket::open(&door, "").await;
        before.send(&asked).await;
        writes.write(1).await;
        before.next().await.unwrap();
        // A connection that is lost isn't always one that was closed.
        let before = if leaves {
            drop(before);
            None
        } else {
            Some(before)
        };
        let mut socket = Socket::open(&door, "").await;
        socket.send(&asked).await;
        writes.write(WORDS.len()).await;
        let (_, reply) = socket.rest().await;
        assert_eq!((&reply["body"], reply.get("finish")), (&json!("退货很简单，三十天内。"), None));
        assert_eq!(writes.begun(), 1);
        // Who stands yet has it as well.
        if let Some(mut before) = before {
            assert_eq!(before.rest().await.1, reply);
        }
        door.close().await;
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_ask_the_same_at_once_get_the_same_answer_once() {
    let writes = Writes::default();
    let worker = worker(&writes).await;
    let door = Opened::before(&worker).await;
    let asked = json!({"id": "7", "conversation": "c", "body": "refund", "stream": true});
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = Socket::open(&door, "").await;
        socket.send(&asked).await;
        sockets.push(socket);
    }
    // One goes; the others lose nothing by that, nor by another id.
    drop(sockets.pop());
    let mut other = Socket::open(&door, "").await;
    other.send(&json!({"id": "8", "conversation": "d", "body": "help"})).await;
    assert_eq!(other.next().await.unwrap()["in_reply_to"], "8");
    writes.write(WORDS.len()).await;
    let mut replies = Vec::new();
    for socket in &mut sockets {
        replies.push(socket.rest().await.1);
    }
    assert_eq!((&replies[0]["body"], &replies[0]["in_reply_to"]), (&json!("退货很简单，三十天内。"), &json!("7")));
    assert_eq!(replies[0], replies[1]);
    assert_eq!(writes.begun(), 1);
    // Each is told once.
    for socket in &mut sockets {
        socket.send(&json!({"id": "9", "body": "help"})).await;
        assert_eq!(socket.next().await.unwrap()["in_reply_to"], "9");
    }
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_says_is_heard_and_kept_while_nobody_listens() {
    let worker = people(Bench::new()).conversations(Arc::new(Kept::default())).start().await;
    let mut person = Person::at(&worker).await;
    let door = Opened::before(&worker).await;
    let mut socket = Socket::open(&door, "").await;
    socket.send(&json!({"id": "1", "body": "product_info please", "conversation": "c", "sender": "u"})).await;
    let (handed, pass) = person.next().await;
    person.answers(&handed, "Hello, I am Anna.").await;
    let reply = socket.next().await.unwrap();
    assert_eq!((&reply["body"], &reply["in_reply_to"]), (&json!("Hello, I am Anna."), &json!("1")));
    let done = person.sends("chat.message", &pass, &json!({"body": "One moment."})).await;
    assert_eq!(done.json["delivered"], true);
    let said = socket.next().await.unwrap();
    assert_eq!(
        (&said["type"], &said["body"], &said["conversation"]),
        (&json!("chat.message"), &json!("One moment."), &json!("c"))
    );
    drop(socket);
    person.sends("chat.message", &pass, &json!({"body": "Found it."})).await;
    let mut other = Socket::open(&door, "?conversation=c&sender=another").await;
    let mut socket = Socket::open(&door, "?conversation=c&sender=u").await;
    assert_eq!(socket.next().await.unwrap()["body"], "Found it.");
    other.send(&json!({"id": "x", "body": "refund"})).await;
    assert_eq!(other.next().await.unwrap()["in_reply_to"], "x");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_opened_for_those_who_may() {
    let worker = Bench::new().start().await;
    let lines = "[keys.page]\nhash = \"sha256:efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7\"\npublic = true\n\
                 origins = [\"https://shop.example.com\"]\n";
    let door = Opened::open(&worker.url, &worker.names, Rules { keys: keys(lines), ..Rules::default() }).await;
    let check = async |query: &str, origin: Option<&str>, expected: u16| {
        let status = match Socket::try_open(&door, query, origin).await {
            Ok(_) => 101,
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(status, expected, "{query} {origin:?}");
    };
    let shop = Some("https://shop.example.com");
    check("", shop, 401).await;
    check("?key=public", shop, 101).await;
    check("?key=public", Some("https://evil.example"), 403).await;
    check("?key=public&conversation=c-1", shop, 403).await;
    check("?key=wrong", shop, 401).await;
    check("?key=public&conversation=", shop, 400).await;
    let plain = door.get("/api/socket?key=public").await;
    assert_eq!(plain.status(), 400);
    assert!(plain.text().await.unwrap().contains("pass on the headers Upgrade and Connection"));
    let mut socket = Socket::try_open(&door, "?key=public", shop).await.unwrap();
    socket.send(&json!({"id": "1", "body": "refund", "conversation": "c-1"})).await;
    assert_eq!(socket.next().await.unwrap()["error"]["code"], "forbidden");
    door.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_back_closes_its_sockets() {
    let worker = Bench::new().start().await;
    let lines = "[keys.backend]\nhash = \"sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"\n";
    let (path, keys) = file_of_keys(lines);
    let door = Opened::open(&worker.url, &worker.names, Rules { keys, ..Rules::default() }).await;
    let mut request = format!("{}/api/socket", door.url.replace("http:", "ws:")).into_client_request().unwrap();
    request.headers_mut().insert("authorization", "Bearer secret".parse().unwrap());
    let mut socket = Socket(connect_async(request).await.unwrap().0);
    socket.send(&json!({"id": "1", "body": "refund"})).await;
    assert_eq!(socket.next().await.unwrap()["body"], "refund: refund");
    std::fs::write(&path, "").unwrap();
    // The client says nothing meanwhile.
    let closed = timeout(PATIENCE, socket.next()).await.expect("the socket stays open").unwrap_err();
    assert_eq!(closed, 1008);
    std::fs::remove_file(path).unwrap();
    door.close().await;
    worker.stop().await;
}
