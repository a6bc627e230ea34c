//! To a person and back, and forgetting, on a real broker.

mod program;
mod terminal;

use std::{collections::HashMap, sync::Arc, time::Duration};

use chatbot_worker::{
    amqp::{Names, WorkQueue},
    conversation::{
        Labels, RedisStore, Script, Store,
        script::{Fills, Form, Slot, Steering},
    },
    domain::Role,
    handler::template::ReplyText,
    pipeline::{Dialogue, Questions},
    redis_link::RedisUrl,
    renewed::Renewed,
};
use serde_json::{Value, json};

pub use self::program::Person;
use crate::{
    conversations::Kept,
    process::WorkerProcess,
    redis_server::RedisServer,
    support::{Arrived, Bench, Client, Running, eventually, header, intent, remove, short},
};

/// A bot that hands over what begins with `product_info`, and that asks for an order where it begins with `refund`.
pub fn people(mut bench: Bench) -> Bench {
    let slot = Slot { name: "order".to_owned(), fills: Fills::Text, optional: false, has_question: true, attempts: 2 };
    let asks = ReplyText::compile("Which order?").unwrap();
    let question = [vec![("en".to_owned(), asks)], Vec::new()];
    let questions = Questions { slots: [("order".to_owned(), question)].into(), confirm: Vec::new() };
    bench.parts.dialogue = Some(Dialogue {
        script: Script {
            fallback: intent("help_info"),
            steering: Steering { person: Some(intent("product_info")), ..Steering::default() },
            forms: HashMap::from([(intent("refund"), Form { slots: vec![slot], confirm: false, give_up: None })]),
        },
        remembers: true,
        questions: HashMap::from([(intent("refund"), questions)]),
        labels: Labels::default(),
        yes: Vec::new(),
        no: Vec::new(),
    });
    bench
}

fn redis(url: &str, names: &Names) -> RedisStore {
    RedisStore::start(Renewed::fixed(RedisUrl(url.into())), names.exchange(), Duration::from_secs(600)).unwrap()
}

/// The same with conversations in a Redis.
pub fn kept_in(bench: Bench, url: &str) -> Bench {
    let store = redis(url, &bench.names);
    bench.conversations(Arc::new(store))
}

async fn start(store: &Arc<Kept>) -> Running {
    people(Bench::new()).conversations(store.clone()).start().await
}

fn says(text: &str) -> String {
    json!({ "conversation": "c", "sender": "u", "body": text }).to_string()
}

/// Says something, by an id, and waits for no answer.
async fn say(client: &Client, id: &str, text: &str) {
    let properties = client.properties(id).with_message_id(short(id));
    client.publish("request", properties, says(text).as_bytes()).await;
}

fn kind(arrived: &Arrived) -> &str {
    assert_eq!(arrived.delivery.properties.kind().as_ref().map(|kind| kind.as_str()), arrived.json["type"].as_str());
    arrived.json["type"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_to_a_person_and_comes_back() {
    let store = Arc::<Kept>::default();
    let worker = start(&store).await;
    let (mut user, mut person) = (worker.client().await, Person::at(&worker).await);
    assert_eq!(user.ask("request", &says("refund it")).await.text(), Some("Which order?"));
    assert_eq!(user.ask("request", &says("FL1")).await.text(), Some("refund: FL1"));

    let deadline = user.properties("m1").with_message_id(short("m1")).with_expiration(short("60000"));
    user.publish("request", deadline, says("product_info please").as_bytes()).await;
    let (handed, pass) = person.next().await;
    let expected = json!({
        "sender": "u", "conversation": "c", "id": "m1", "body": "product_info please", "slots": { "order": "FL1" },
        "transcript": [
            { "role": "user", "text": "refund it" }, { "role": "assistant", "text": "Which order?" },
            { "role": "user", "text": "FL1" }, { "role": "assistant", "text": "refund: FL1" },
            { "role": "user", "text": "product_info please" },
        ],
    });
    assert_eq!(handed.json, expected);
    let text = |name| header(&handed.delivery, name);
    assert_eq!((handed.delivery.exchange.as_str(), text("chatbot-intent").as_deref()), ("", Some("product_info")));
    let classification: Value = serde_json::from_str(&text("chatbot-classification").unwrap()).unwrap();
    assert_eq!(classification["model"], "first-word");
    assert!(text("chatbot-deadline").is_some());
    // The broker tells what is left of the time that it may wait: a fifth of its own is the bot's.
    let wait: u64 = handed.delivery.properties.expiration().as_ref().unwrap().as_str().parse().unwrap();
    assert!((1..=48_000).contains(&wait), "{wait}");

    // It answers itself, to where the user listens.
    person.answers(&handed, "Hello, I am Anna.").await;
    let answered = user.next().await;
    assert_eq!((answered.correlation_id(), answered.text()), (Some("m1"), Some("Hello, I am Anna.")));

    // What the user says goes there, whatever it means, as it is the same handover.
    say(&user, "m2", "refund another").await;
    let (handed, again) = person.next().await;
    assert_eq!((&handed.json["body"], &again), (&json!("refund another"), &pass));
    assert_eq!(header(&handed.delivery, "chatbot-classification"), None);

    // It speaks unasked, and is told what became of it.
    let spoken = json!({ "body": "One moment, please.", "locale": "en", "metadata": { "agent": 7 }, "id": "p1" });
    let done = person.sends("chat.message", &pass, &spoken).await;
    assert_eq!((kind(&done), done.correlation_id()), ("chat.done", Some("chat.message")));
    let told = |field: &str| done.json[field].clone();
    assert_eq!(
        (told("done"), told("delivered"), told("in_reply_to")),
        (json!("chat.message"), json!(true), json!("p1"))
    );
    let heard = user.next().await;
    assert_eq!(
        (kind(&heard), heard.text(), heard.correlation_id()),
        ("chat.message", Some("One moment, please."), None)
    );
    for (field, value) in [("conversation", json!("c")), ("receiver", json!("u")), ("metadata", json!({ "agent": 7 }))]
    {
        assert_eq!(heard.json[field], value);
    }

    let done = person.sends("chat.release", &pass, &json!({})).await;
    assert_eq!((&done.json["done"], &done.json["conversation"]), (&json!("chat.release"), &json!("c")));
    assert_eq!(user.ask("request", &says("help_info now")).await.text(), Some("help_info: help_info now"));
    let state = store.record().unwrap().state;
    assert!(!state.person && state.slots.get("order") == Some("FL1"));
    let told: Vec<&str> =
        state.history.iter().filter(|turn| turn.role == Role::Assistant).map(|turn| turn.text.as_str()).collect();
    assert_eq!(told[2..4], ["One moment, please.", "[A person spoke with the user here.]"]);
    // Another program is told what is known, too.
    say(&user, "m3", "outside where").await;
    let forwarded = user.take(&format!("{}.intent.outside", user.names.exchange())).await;
    assert_eq!(header(&forwarded, "chatbot-slots").as_deref(), Some(r#"{"order":"FL1"}"#));
    // The next handover has another pass, and the one before is of no use in it.
    say(&user, "m4", "product_info again").await;
    let (_, next) = person.next().await;
    assert_ne!(next, pass);
    assert_eq!(person.sends("chat.message", &pass, &json!({ "body": "late" })).await.code(), Some("invalid_message"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_pass_of_this_handover_nobody_speaks_or_releases() {
    let store = Arc::<Kept>::default();
    let worker = start(&store).await;
    let (user, mut person) = (worker.client().await, Person::at(&worker).await);
    say(&user, "m1", "product_info please").await;
    let (_, pass) = person.next().await;
    let (place, token) = pass.rsplit_once('.').unwrap();
    let other = token.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect::<String>();
    let elsewhere = format!("{}.{}.{token}", &pass[..1], "0".repeat(64));
    for wrong in [&format!("{place}.{other}"), &elsewhere, place, "c", ""] {
        for kind in ["chat.message", "chat.release"] {
            let refused = person.sends(kind, wrong, &json!({ "body": "x", "conversation": "c", "sender": "u" })).await;
            let message = refused.json["error"]["message"].as_str().unwrap_or_default();
            assert_eq!(refused.code(), Some("invalid_message"), "{wrong}");
            assert!(message.contains("the header chatbot-conversation"), "{message}");
        }
    }
    assert_eq!((store.record().unwrap().version(), store.record().unwrap().state.person), (1, true));
    // In a user's own request it means nothing.
    let forged = person.properties("chat.request", &format!("{place}.{other}"));
    person.client.publish("request", forged, says("product_info too").as_bytes()).await;
    assert_eq!(person.next().await.1, pass);
    // It says nothing without a text.
    let empty = person.sends("chat.message", &pass, &json!({ "body": " " })).await;
    assert_eq!(empty.code(), Some("invalid_message"));
    // Nobody listens to the user any more, which the person is told.
    user.connection.close(200, short("left")).await.unwrap();
    let own = person.properties("chat.request", "").with_reply_to(short(&user.reply_queue));
    person.client.publish("request", own, says("product_info gone").as_bytes()).await;
    person.next().await;
    let done = person.sends("chat.message", &pass, &json!({ "body": "Are you there?" })).await;
    assert_eq!((&done.json["done"], &done.json["delivered"]), (&json!("chat.message"), &json!(false)));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_there_the_bot_answers_at_once_and_keeps_the_conversation() {
    let store = Arc::<Kept>::default();
    let worker = start(&store).await;
    let mut user = worker.client().await;
    let answer = user.ask("request", &says("product_info please")).await;
    assert_eq!(answer.text(), Some("product_info: product_info please"));
    let state = store.record().unwrap().state;
    assert!(!state.person && state.token.is_none());
    let texts: Vec<&str> = state.history.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(texts, ["product_info please", "product_info: product_info please"]);
    assert_eq!(user.ask("request", &says("help_info")).await.text(), Some("help_info: help_info"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_in_time_is_the_bots_to_answer() {
    let store = Arc::<Kept>::default();
    let bench = Bench { person_idle: Duration::from_secs(1), ..people(Bench::new()) };
    let worker = bench.conversations(store.clone()).start().await;
    let (mut user, mut person) = (worker.client().await, Person::busy(&worker).await);
    // It has one in hand, and can take no other.
    let other = json!({ "conversation": "d", "body": "product_info of another" }).to_string();
    user.publish("request", user.properties("other"), other.as_bytes()).await;
    person.next().await;
    say(&user, "m1", "product_info \u{1} 请").await;
    let answer = user.next().await;
    assert_eq!((answer.correlation_id(), answer.text()), (Some("m1"), Some("product_info: product_info \u{1} 请")));
    assert_eq!(answer.json["in_reply_to"], "m1");
    assert_eq!(store.said()["c"], ["product_info \u{1} 请"], "it was said once");
    let answer = user.ask("request", &says("help_info")).await;
    assert_eq!(answer.text(), Some("help_info: help_info"), "the bot has it again");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_persons_program_rejects_is_the_bots_to_answer() {
    let store = Arc::<Kept>::default();
    let worker = start(&store).await;
    let (mut user, mut person) = (worker.client().await, Person::busy(&worker).await);
    say(&user, "m1", "product_info please").await;
    let (handed, pass) = person.next().await;
    handed.delivery.acker.reject(lapin::options::BasicRejectOptions { requeue: false }).await.unwrap();
    assert_eq!(user.next().await.text(), Some("product_info: product_info please"));
    let late = person.sends("chat.message", &pass, &json!({ "body": "Wait" })).await;
    assert_eq!(late.code(), Some("invalid_message"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_says_nothing_for_long_has_the_conversation_no_more() {
    let store = Arc::<Kept>::default();
    let worker = start(&store).await;
    let (mut user, mut person) = (worker.client().await, Person::at(&worker).await);
    say(&user, "m1", "product_info please").await;
    let (_, pass) = person.next().await;
    store.age(29 * 60_000);
    say(&user, "m2", "help_info").await;
    assert_eq!(person.next().await.1, pass, "that was not for long");
    store.age(30 * 60_000);
    assert_eq!(user.ask("request", &says("help_info")).await.text(), Some("help_info: help_info"));
    assert_eq!(person.sends("chat.release", &pass, &json!({})).await.code(), Some("invalid_message"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_to_a_person_and_what_a_person_says_happen_once_each() {
    let store = Arc::<Kept>::default();
    let worker = start(&store).await;
    let (mut user, mut person) = (worker.client().await, Person::at(&worker).await);
    // The store takes it, and its answer is lost.
    store.lose(2);
    say(&user, "m1", "product_info please").await;
    let (first, pass) = person.next().await;
    say(&user, "m1", "product_info please").await;
    let (second, again) = person.next().await;
    assert_eq!((&first.json, &pass), (&second.json, &again));
    assert_eq!(store.said()["c"], ["product_info please"]);
    let spoken = person.properties("chat.message", &pass).with_message_id(short("p1"));
    let (mut told, mut heard) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let done = person.sends_as(spoken.clone(), &json!({ "body": "Yes?" })).await;
        told.push((done.json["id"].clone(), done.json["delivered"].clone()));
        heard.push(user.next().await.json["id"].clone());
    }
    assert_eq!((&told[0], &heard[0]), (&told[1], &heard[1]));
    assert_eq!(store.record().unwrap().state.history.len(), 2);
    let release = person.properties("chat.release", &pass).with_message_id(short("p2"));
    for _ in 0..2 {
        let done = person.sends_as(release.clone(), &json!({})).await;
        assert_eq!(done.json["done"], "chat.release");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_forgotten_at_its_users_word_alone() {
    let store = Arc::<Kept>::default();
    let worker = start(&store).await;
    let (mut user, mut person) = (worker.client().await, Person::at(&worker).await);
    user.ask("request", &says("refund it")).await;
    user.ask("request", &says("FL1")).await;
    let offers = |asked: &Arrived| asked.json["choices"].clone();
    assert_eq!(offers(&user.ask("request", &says("refund again")).await), json!([{ "title": "FL1", "value": "FL1" }]));
    let forget = |sender: &str| json!({ "type": "chat.forget", "conversation": "c", "sender": sender, "id": "f1" });
    // Another's of that name is another.
    let others = user.ask("request", &forget("v").to_string()).await.json;
    assert_eq!((&others["done"], &others["forgotten"]), (&json!("chat.forget"), &json!(false)));
    assert!(store.texts().contains(&"FL1".to_owned()));
    say(&user, "m9", "product_info please").await;
    let (_, pass) = person.next().await;
    for _ in 0..2 {
        let done = user.ask("request", &forget("u").to_string()).await;
        let told = |field: &str| done.json[field].clone();
        assert_eq!((kind(&done), told("done"), told("conversation")), ("chat.done", json!("chat.forget"), json!("c")));
        assert_eq!((told("in_reply_to"), told("forgotten")), (json!("f1"), json!(true)));
    }
    assert_eq!(store.texts(), [""; 0]);
    assert_eq!(person.sends("chat.message", &pass, &json!({ "body": "x" })).await.code(), Some("invalid_message"));
    let asked = user.ask("request", &says("refund")).await;
    assert_eq!((asked.text(), offers(&asked)), (Some("Which order?"), Value::Null));
    let nameless = user.ask("request", r#"{"type":"chat.forget"}"#).await;
    assert_eq!(nameless.code(), Some("invalid_message"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_the_contracts_are_refused_where_they_mean_nothing() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    for (kind, why) in [
        ("chat.message", "is about a conversation, and this bot has none"),
        ("chat.release", "is about a conversation, and this bot has none"),
        ("chat.forget", "is about a conversation, and this bot has none"),
        ("chat.cancel", "has to have the routing key cancel"),
        ("chat.remember", "chat.request, chat.cancel, chat.message, chat.release, chat.forget, chat.feedback"),
    ] {
        let body = json!({ "type": kind, "body": "refund", "conversation": "c" }).to_string();
        let refused = client.ask("request", &body).await;
        let message = refused.json["error"]["message"].as_str().unwrap();
        assert_eq!(refused.code(), Some("invalid_message"), "{kind}");
        assert!(message.contains(why), "{kind}: {message}");
    }
    for kind in ["chat.request", "their.own"] {
        let body = json!({ "type": kind, "body": "refund" }).to_string();
        assert_eq!(client.ask("request", &body).await.text(), Some("refund: refund"), "{kind}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_a_person_has_outlives_its_worker() {
    let server = RedisServer::start_with(&["--appendonly", "no"]).await;
    let (url, names) = (crate::support::broker_url(), Bench::new().names);
    let mut first = WorkerProcess::start_with_people(&url, &names, &server.url());
    // Its queues are there before they are bound.
    let user = eventually("the worker at work", || async {
        let client = Client::new(&url, &names).await;
        client.is_consumed(&names.queue(&WorkQueue::Requests)).await.then_some(client)
    });
    let mut user = user.await;
    let running = || async { Client::new(&url, &names).await };
    let mut person = Person::by(running().await, true).await;
    say(&user, "m1", "product_info please").await;
    let (handed, pass) = person.next().await;
    first.kill();
    let second = WorkerProcess::start_with_people(&url, &names, &server.url());
    // Whether the one before had acked it or not: it happened once, and what is said comes behind it.
    say(&user, "m2", "product_info still").await;
    let mut copies = vec![(handed, pass.clone())];
    while copies.last().unwrap().0.json["body"] != "product_info still" {
        copies.push(person.next().await);
    }
    let (last, _) = copies.pop().unwrap();
    assert!((1..=2).contains(&copies.len()), "{}", copies.len());
    assert!(copies.iter().all(|(copy, by)| copy.json == copies[0].0.json && *by == pass));
    let said = |turn: &Value| turn["text"].as_str().unwrap().to_owned();
    let transcript: Vec<String> = last.json["transcript"].as_array().unwrap().iter().map(said).collect();
    assert_eq!(transcript, ["product_info please", "product_info still"]);
    let done = person.sends("chat.message", &pass, &json!({ "body": "Here I am." })).await;
    assert_eq!(done.json["delivered"], true);
    assert_eq!(user.next().await.text(), Some("Here I am."));
    let kept = redis(&server.url(), &names);
    let page = eventually("the store", || async { kept.page(None, 10).await.ok() }).await;
    assert_eq!((page.found.len(), page.found[0].1.version), (1, 3));
    drop(second);
    remove(&url, &names).await;
}
