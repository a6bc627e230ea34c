//! Conversations on a real broker: in order, each turn once, whatever becomes of workers and of the store.

mod kept;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chatbot_worker::{
    amqp::WorkQueue,
    domain::Lane,
    handler::{Answer, Handler, HandlerError, Job},
};

pub use self::kept::Kept;
use crate::{
    chaos::proxy::Proxy,
    support::{Bench, Client, Running, broker_url, eventually, intent, short},
};

/// Answers with what was said, after a moment that differs; fails at first for what says so.
#[derive(Clone, Default)]
struct Echo {
    calls: Arc<Mutex<Vec<(String, String)>>>,
    /// How long it takes, in milliseconds.
    takes: u64,
}

impl Echo {
    fn taking(takes: u64) -> Self {
        Self { takes, ..Self::default() }
    }

    fn calls_of(&self, conversation: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(of, _)| of == conversation).map(|(_, text)| text.clone()).collect()
    }
}

#[async_trait]
impl Handler for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    async fn handle(&self, job: &Job<'_>) -> Result<Option<Answer>, HandlerError> {
        let text = job.request.text.clone();
        let calls = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((job.request.conversation.clone().unwrap_or_default(), text.clone()));
            calls.len() as u64
        };
        tokio::time::sleep(Duration::from_millis(self.takes + calls * 7 % 5)).await;
        if text.contains("fails once")
            && self.calls.lock().unwrap().iter().filter(|(_, said)| *said == text).count() == 1
        {
            return Err(HandlerError::Unavailable { intent: intent("refund"), reason: "on purpose".to_owned() });
        }
        Ok(Some(Answer::text(text, None)))
    }
}

pub fn body(conversation: &str, text: &str) -> String {
    serde_json::json!({ "conversation": conversation, "body": text }).to_string()
}

/// The routing key of a conversation's queue, as clients work it out.
pub fn lane_key(conversation: &str) -> String {
    format!("conversation.{}", Lane::of(conversation))
}

fn numbered(turns: usize) -> Vec<String> {
    (0..turns).map(|turn| format!("refund {turn}")).collect()
}

/// Publishes turns of several conversations, taking turns, each by its key.
async fn publish(client: &Client, conversations: &[(String, String)], turns: std::ops::Range<usize>) {
    for turn in turns {
        for (conversation, key) in conversations {
            let id = format!("{conversation}/{turn}");
            let properties = client.properties(&id).with_message_id(short(&id));
            client.publish(key, properties, body(conversation, &format!("refund {turn}")).as_bytes()).await;
        }
    }
}

/// Publishes a conversation's turns one right after the other: none waits for the confirm of the one before.
async fn burst(client: &Client, conversation: &str, key: &str, turns: usize) {
    let mut confirms = Vec::new();
    for turn in 0..turns {
        let properties = client.properties(&format!("{conversation}/{turn}"));
        let (exchange, key, body) =
            (short(client.names.exchange()), short(key), body(conversation, &format!("refund {turn}")));
        let publish = client.channel.basic_publish(exchange, key, Default::default(), body.as_bytes(), properties);
        confirms.push(publish.await.unwrap());
    }
    for confirm in confirms {
        assert!(confirm.await.unwrap().is_ack());
    }
}

/// So many answers, by conversation, in their order.
async fn answers(client: &mut Client, count: usize) -> BTreeMap<String, Vec<String>> {
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..count {
        let arrived = client.next().await;
        let conversation = arrived.json["conversation"].as_str().unwrap_or_default().to_owned();
        answers.entry(conversation).or_default().push(arrived.text().unwrap_or("no text").to_owned());
    }
    answers
}

async fn start(store: &Arc<Kept>, handler: &Echo) -> Running {
    Bench::new().handler("refund", handler.clone()).conversations(store.clone()).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_of_a_conversation_go_in_order_and_other_conversations_beside() {
    let (store, handler) = (Arc::<Kept>::default(), Echo::default());
    let worker = start(&store, &handler).await;
    let mut client = worker.client().await;
    let by = |at: usize, conversation: &str| match at % 3 {
        0 => "request".to_owned(),
        1 => "intent.refund".to_owned(),
        _ => lane_key(conversation),
    };
    let conversations: Vec<_> = (0..12).map(|at| format!("c{at}")).map(|it| (it.clone(), it)).collect();
    let conversations: Vec<_> =
        conversations.into_iter().enumerate().map(|(at, (it, _))| (it.clone(), by(at, &it))).collect();
    for (conversation, key) in &conversations {
        burst(&client, conversation, key, 15).await;
    }
    let answers = answers(&mut client, 12 * 15).await;
    for (conversation, key) in &conversations {
        assert_eq!(answers[conversation], numbered(15), "{conversation} by {key}");
        assert_eq!(handler.calls_of(conversation), numbered(15), "{conversation} by {key}");
        assert_eq!(store.said()[conversation], numbered(15));
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_fails_is_tried_again_in_its_place() {
    let (store, handler) = (Arc::<Kept>::default(), Echo::default());
    let worker = start(&store, &handler).await;
    let mut client = worker.client().await;
    let texts = ["refund one", "refund fails once", "refund three"];
    for text in texts {
        client.publish("request", client.properties(text), body("c", text).as_bytes()).await;
    }
    assert_eq!(answers(&mut client, 3).await["c"], texts);
    assert_eq!(handler.calls_of("c"), [texts[0], texts[1], texts[1], texts[2]]);
    assert_eq!(store.said()["c"], texts, "a try that failed hasn't happened");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_that_a_worker_outlives_make_no_killer_of_what_it_held() {
    let proxy = Proxy::start(&broker_url()).await;
    let (store, handler) = (Arc::<Kept>::default(), Echo::taking(300));
    let bench = Bench::at(proxy.url()).handler("refund", handler.clone()).conversations(store.clone());
    let worker = bench.start().await;
    let mut client = Client::new(&broker_url(), &worker.names).await;
    burst(&client, "c", &lane_key("c"), 4).await;
    // The broker counts each, for all four, as it would a worker's death.
    for calls in 1..=6 {
        eventually("the first turn in work", || async { (handler.calls_of("c").len() >= calls).then_some(()) }).await;
        proxy.cut();
    }
    assert_eq!(answers(&mut client, 4).await["c"], numbered(4));
    assert_eq!(store.said()["c"], numbered(4));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_or_loses_its_answers_costs_time_and_no_turn() {
    let (store, handler) = (Arc::<Kept>::default(), Echo::default());
    let worker = start(&store, &handler).await;
    let mut client = worker.client().await;
    for failing in 1..=4 {
        let (conversation, text) = (format!("c{failing}"), "refund it");
        store.lose(failing);
        let asked = client.properties(&conversation).with_message_id(short("1"));
        client.publish("request", asked, body(&conversation, text).as_bytes()).await;
        assert_eq!(client.next().await.text(), Some(text), "{failing}");
        assert_eq!(store.said()[&conversation], [text], "{failing}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_is_answered_as_before_and_two_that_say_the_same_are_two() {
    let (store, handler) = (Arc::<Kept>::default(), Echo::default());
    let worker = start(&store, &handler).await;
    let mut client = worker.client().await;
    let mut ids = Vec::new();
    for correlation in ["a", "b"] {
        let asked = client.properties(correlation).with_message_id(short("m1"));
        client.publish("request", asked, body("c", "refund").as_bytes()).await;
        let answer = client.next().await;
        assert_eq!((answer.text(), answer.correlation_id()), (Some("refund"), Some(correlation)));
        ids.push(answer.json["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!((handler.calls_of("c").len(), store.said()["c"].len()), (1, 1));
    // An answer that is too large to be kept is known, and not made again.
    let large = format!("refund {}", "x".repeat(20_000));
    for code in [None, Some("internal")] {
        let asked = client.properties("large").with_message_id(short("m2"));
        client.publish("request", asked, body("large", &large).as_bytes()).await;
        assert_eq!(client.next().await.code(), code);
    }
    assert_eq!(handler.calls_of("large").len(), 1);
    for _ in 0..2 {
        client.publish("request", client.properties("c"), body("c", "refund yes").as_bytes()).await;
        assert_eq!(client.next().await.text(), Some("refund yes"));
    }
    assert_eq!(store.said()["c"], ["refund", "refund yes", "refund yes"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_wrong_queue_is_handed_on_or_told() {
    let (store, handler) = (Arc::<Kept>::default(), Echo::default());
    let worker = start(&store, &handler).await;
    let mut client = worker.client().await;
    let other = Lane::ALL.into_iter().find(|lane| *lane != Lane::of("c")).unwrap();
    let answer = client.ask(&format!("conversation.{other}"), &body("c", "refund")).await;
    assert_eq!((answer.text(), store.said().len()), (Some("refund"), 1));
    let refused = client.ask(&format!("conversation.{other}"), r#"{"body":"refund"}"#).await;
    assert_eq!(refused.code(), Some("invalid_message"));
    let letter = client.dead_letter(&WorkQueue::Conversation(other)).await;
    assert_eq!(crate::support::header(&letter, "chatbot-dead-reason").as_deref(), Some("invalid_message"));
    // Without a conversation all is as it was.
    assert_eq!(client.ask("request", "refund").await.text(), Some("refund"));
    assert_eq!(client.ask("request", r#"{"body":"refund"}"#).await.text(), Some("refund"));
    assert_eq!(store.said().len(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_conversation_holds_half_of_its_lane_and_is_told_beyond() {
    let (store, handler) = (Arc::<Kept>::default(), Echo::taking(300));
    let worker = start(&store, &handler).await;
    let mut client = worker.client().await;
    let conversations = [("c".to_owned(), lane_key("c"))];
    publish(&client, &conversations, 0..17).await;
    let refused = client.next().await;
    assert_eq!((refused.code(), refused.correlation_id()), (Some("overloaded"), Some("c/16")));
    assert_eq!(answers(&mut client, 16).await["c"], numbered(16));
    assert_eq!(store.said()["c"], numbered(16));
    worker.stop().await;
}

/// As at once as a connection may take longer than the time of grace: what waits must not hold up the channel's end.
#[tokio::test(flavor = "multi_thread")]
async fn who_stops_hands_on_what_waits_in_its_lanes_at_once() {
    let (store, handler) = (Arc::<Kept>::default(), Echo::taking(300));
    let mut bench = Bench::new().handler("refund", handler.clone()).conversations(store.clone());
    assert!(bench.settings.broker.connect_timeout > bench.settings.shutdown_grace);
    // One more than this doesn't fit, so that something waits for memory as well.
    bench.settings.memory_budget = bench.settings.max_body;
    let worker = bench.start().await;
    let mut client = worker.client().await;
    burst(&client, "c", &lane_key("c"), 6).await;
    eventually("the first turn in work", || async { (!handler.calls_of("c").is_empty()).then_some(()) }).await;
    let names = worker.names.clone();
    worker.stop_and_leave().await;
    let next = Bench::new().named(&names).handler("refund", handler.clone()).conversations(store.clone()).start().await;
    assert_eq!(answers(&mut client, 6).await["c"], numbered(6));
    next.stop().await;
}

/// Each of two workers stops and starts again while a client goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_keeps_the_order_and_every_turn_once() {
    let (store, handler) = (Arc::<Kept>::default(), Echo::taking(3));
    let first = start(&store, &handler).await;
    let names = first.names.clone();
    let another = || {
        let bench = Bench::new().named(&names).handler("refund", handler.clone());
        bench.conversations(store.clone()).start()
    };
    let mut client = first.client().await;
    let second = another().await;
    let conversations: Vec<_> = (0..16).map(|at| format!("c{at}")).map(|it| (it.clone(), lane_key(&it))).collect();
    let mut publisher = Client::new(&client.url, &names).await;
    let reply_to = client.reply_queue.clone();
    let going_on = {
        let conversations = conversations.clone();
        tokio::spawn(async move {
            publisher.reply_queue = reply_to;
            publish(&publisher, &conversations, 0..30).await;
        })
    };
    let third = another().await;
    first.stop_and_leave().await;
    let fourth = another().await;
    second.stop_and_leave().await;
    going_on.await.unwrap();
    let answers = answers(&mut client, 16 * 30).await;
    for (conversation, _) in &conversations {
        assert_eq!(answers[conversation], numbered(30), "{conversation}");
        // Of what both said the last fifty texts are kept.
        assert_eq!(store.said()[conversation], numbered(30)[5..], "{conversation}");
    }
    third.stop_and_leave().await;
    fourth.stop().await;
}
