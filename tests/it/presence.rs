//! Workers that know of each other, on a real broker; and those with stores of their own, of which one takes conversations.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chatbot_worker::{
    amqp::{
        Names,
        objects::{admin::Admin as Connection, ask::AskError},
        presence::{Alive, Beat, GONE, StoreKind, roll_call},
    },
    conversation::{Bounds, MemoryStore, Store},
};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer, ExchangeKind,
    options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::Value;

use crate::{
    admin::{Admin, add_user, complaints, shell},
    chaos::proxy::Proxy,
    cli::program::Program,
    support::{Bench, Client, PATIENCE, Running, broker_url, eventually, intent, remove, short},
};

fn memory() -> Arc<dyn Store> {
    let bounds = Bounds { most: 1_000, bytes: 1 << 20, expires: Duration::from_secs(3_600) };
    Arc::new(MemoryStore::new(bounds, ""))
}

/// A worker with conversations in its own memory, whose name begins so.
fn own(names: &Names, name: &str) -> Bench {
    let mut bench = Bench::new().named(names).conversations(memory());
    bench.settings.worker = name.to_owned();
    bench
}

/// Asks who is alive, as `workers` does.
pub struct Asking(Connection, Names);

impl Asking {
    pub async fn new(names: &Names) -> Self {
        Self(Connection::open(&Bench::new().settings.broker).await.unwrap(), names.clone())
    }

    async fn alive(&self) -> Alive {
        roll_call(self.0.link(), &self.1).await.unwrap()
    }

    pub async fn beats(&self) -> Vec<Beat> {
        self.alive().await.at(Instant::now()).map(|(beat, _)| beat.clone()).collect()
    }

    /// Waits until these are alive, each by how its name begins and whether it waits for lanes.
    async fn until(&self, expected: &[(&str, bool)]) {
        eventually(&format!("these workers: {expected:?}"), || async {
            let beats = self.beats().await;
            let fits = |(beat, (name, waits)): (&Beat, &(&str, bool))| {
                beat.name.starts_with(&format!("{name}-")) && beat.waits == *waits
            };
            (beats.len() == expected.len() && beats.iter().zip(expected).all(fits)).then_some(())
        })
        .await;
    }
}

/// A queue behind the control exchange that hears everything, and asks nothing.
struct Listener {
    _channel: Channel,
    messages: Consumer,
}

impl Listener {
    async fn new(client: &Client) -> Self {
        let channel = client.connection.create_channel().await.unwrap();
        let control = short(&client.names.control_exchange());
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(control.clone(), ExchangeKind::Fanout, options, FieldTable::default()).await.unwrap();
        let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let queue = channel.queue_declare(short(""), options, FieldTable::default()).await.unwrap();
        let bind = channel.queue_bind(queue.name().clone(), control, short(""), Default::default(), Default::default());
        bind.await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consume = channel.basic_consume(queue.name().clone(), short(""), options, FieldTable::default());
        let messages = consume.await.unwrap();
        Self { _channel: channel, messages }
    }

    /// The next beat that fits.
    async fn beat(&mut self, what: &str, fits: impl Fn(&Beat) -> bool) -> Beat {
        let next = async {
            loop {
                let delivery = self.messages.next().await.unwrap().unwrap();
                assert_eq!(delivery.properties.delivery_mode(), &Some(1), "it is transient");
                let beat = Beat::read(&delivery.data).filter(|beat| fits(beat));
                if let Some(beat) = beat {
                    return beat;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("no beat: {what}"))
    }
}

fn in_conversation(text: &str) -> String {
    serde_json::json!({ "conversation": "c", "body": text }).to_string()
}

/// The answer to what is said. One from before may come again: its ack was cut off.
async fn said(client: &mut Client, text: &str) -> String {
    let id = uuid::Uuid::now_v7().to_string();
    client.publish("request", client.properties(&id), in_conversation(text).as_bytes()).await;
    loop {
        let arrived = client.next().await;
        if arrived.correlation_id() == Some(id.as_str()) {
            return arrived.text().unwrap_or("no text").to_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_tell_of_themselves_at_once_when_asked_and_at_their_end() {
    let names = Bench::new().names;
    let client = Client::new(&broker_url(), &names).await;
    let mut listener = Listener::new(&client).await;
    let mut first = Bench::new().named(&names);
    (first.settings.worker, first.hash) = ("first".to_owned(), "b1");
    let first = first.start().await;
    let beat = listener.beat("of the first", |beat| beat.name.starts_with("first-")).await;
    assert_eq!((beat.bot.as_str(), beat.store, beat.waits, beat.leaves), ("b1", None, false, false));
    assert_eq!(beat.version, env!("CARGO_PKG_VERSION"));
    let mut second = Bench::new().named(&names);
    second.settings.worker = "second".to_owned();
    let second = second.start().await;
    // Who starts asks, and the one before answers.
    listener.beat("of the second", |beat| beat.name.starts_with("second-")).await;
    listener.beat("of the first, asked", |beat| beat.name.starts_with("first-")).await;
    let asking = Asking::new(&names).await;
    asking.until(&[("first", false), ("second", false)]).await;
    // Another bot is told of at once.
    let mut other = Bench::new().named(&names);
    other.hash = "b2";
    first.replacer.replace(other.bot()).await.unwrap();
    listener.beat("of the new bot", |beat| beat.name.starts_with("first-") && beat.bot == "b2").await;
    let ending = Instant::now();
    second.stop_and_leave().await;
    let last = listener.beat("the last of the second", |beat| beat.leaves).await;
    assert!(last.name.starts_with("second-") && ending.elapsed() < GONE);
    asking.until(&[("first", false)]).await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_with_stores_of_their_own_that_start_together_one_takes_conversations() {
    let names = Bench::new().names;
    let asking = Asking::new(&names).await;
    let (b, a) = tokio::join!(own(&names, "b").start(), own(&names, "a").start());
    asking.until(&[("a", false), ("b", true)]).await;
    let mut client = a.client().await;
    assert_eq!(said(&mut client, "refund one").await, "refund: refund one");
    let beats = eventually("the lane that was handed out", || async {
        Some(asking.beats().await).filter(|beats| !beats[0].lanes.is_empty())
    })
    .await;
    assert_eq!((beats[0].store, beats[1].store), (Some(StoreKind::Memory), Some(StoreKind::Memory)));
    assert!(beats[1].lanes.is_empty());
    // What is in no conversation both answer.
    assert_eq!(client.ask("request", "refund two").await.text(), Some("refund: refund two"));
    // At the last word of the one the other takes them, at once.
    let ending = Instant::now();
    a.stop_and_leave().await;
    asking.until(&[("b", false)]).await;
    assert_eq!(said(&mut client, "refund three").await, "refund: refund three");
    assert!(ending.elapsed() < GONE, "{:?}", ending.elapsed());
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_its_session_while_another_waited_begins_conversations_anew_and_says_so() {
    let names = Bench::new().names;
    let proxy = Proxy::start(&broker_url()).await;
    let mut a = Bench::at(proxy.url()).named(&names).conversations(memory());
    a.settings.worker = "a".to_owned();
    let a = a.start().await;
    let asking = Asking::new(&names).await;
    asking.until(&[("a", false)]).await;
    let mut client = Client::new(&broker_url(), &names).await;
    assert_eq!(said(&mut client, "refund one").await, "refund: refund one");
    // Nobody else was there: what it keeps is all there is.
    cut(&proxy, &a).await;
    assert_eq!(said(&mut client, "refund two").await, "refund: refund two");

    let b = own(&names, "b").start().await;
    asking.until(&[("a", false), ("b", true)]).await;
    cut(&proxy, &a).await;
    asking.until(&[("a", false), ("b", true)]).await;
    let answer = said(&mut client, "refund three").await;
    assert!(answer.starts_with("(I no longer know what we talked about before") && answer.ends_with("refund three"));
    assert_eq!(said(&mut client, "refund four").await, "refund: refund four", "it is said once");
    a.stop_and_leave().await;
    b.stop().await;
}

/// Cuts a worker's connections, and waits until it has a session again.
async fn cut(proxy: &Proxy, worker: &Running) {
    let mut ready = worker.ready.clone();
    ready.mark_unchanged();
    proxy.cut();
    tokio::time::timeout(PATIENCE, ready.changed()).await.unwrap().unwrap();
    tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_cut_off_for_long_finds_another_in_its_place_and_waits() {
    let names = Bench::new().names;
    let mut proxy = Proxy::start(&broker_url()).await;
    let mut a = Bench::at(proxy.url()).named(&names).conversations(memory());
    a.settings.worker = "a".to_owned();
    let a = a.start().await;
    let asking = Asking::new(&names).await;
    asking.until(&[("a", false)]).await;
    let b = own(&names, "b").start().await;
    asking.until(&[("a", false), ("b", true)]).await;
    proxy.refuse().await;
    asking.until(&[("b", false)]).await;
    let mut client = Client::new(&broker_url(), &names).await;
    assert_eq!(said(&mut client, "refund one").await, "refund: refund one");
    proxy.heal().await;
    asking.until(&[("a", true), ("b", false)]).await;
    assert_eq!(said(&mut client, "refund two").await, "refund: refund two");
    a.stop_and_leave().await;
    b.stop().await;
}

/// What a client may publish with the key `cancel` is no beat; nor is anything else that comes.
#[tokio::test(flavor = "multi_thread")]
async fn only_workers_are_believed_and_what_is_no_beat_is_passed_over() {
    let names = Bench::new().names;
    let worker = own(&names, "m").start().await;
    let asking = Asking::new(&names).await;
    asking.until(&[("m", false)]).await;
    let client = worker.client().await;
    let mut forged = asking.beats().await.remove(0);
    (forged.name, forged.lanes) = ("a-forged".to_owned(), chatbot_worker::amqp::presence::Lanes::default().with(3));
    let of_type = |kind: &str| BasicProperties::default().with_type(short(kind));
    client.publish("cancel", of_type("chat.worker"), &forged.write()).await;
    client.publish("cancel", of_type("chat.cancel"), br#"{"id":"1"}"#).await;
    let control = names.control_exchange();
    for body in [&b""[..], b"{", b"\xff", br#"{"name":""}"#, &[b'x'; 10_000]] {
        client.publish_to_who_is_left(&control, of_type("chat.worker"), body).await;
        client.publish_to_who_is_left(&control, of_type("chat.other"), body).await;
        client.publish_to_who_is_left(&control, BasicProperties::default(), body).await;
    }
    asking.until(&[("m", false)]).await;
    // The same from a worker is: it was handed a lane, so this one leaves its own.
    client.publish_to_who_is_left(&control, of_type("chat.worker"), &forged.write()).await;
    asking.until(&[("m", true)]).await;
    client.publish_to_who_is_left(&control, of_type("chat.worker"), &Beat { leaves: true, ..forged }.write()).await;
    asking.until(&[("m", false)]).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_lost_is_made_anew_and_ends_no_session() {
    let names = Bench::new().names;
    let worker = own(&names, "m").start().await;
    let asking = Asking::new(&names).await;
    asking.until(&[("m", false)]).await;
    let list = format!("rabbitmqctl --quiet list_queues name | grep '^{}.worker.'", names.exchange());
    let before = shell(&list);
    assert_eq!(before.lines().count(), 1, "{before}");
    shell(&format!("rabbitmqctl delete_queue '{}'", before.trim()));
    asking.until(&[("m", false)]).await;
    let after =
        eventually("its queue", || async { Some(shell(&format!("{list} || true"))).filter(|it| !it.is_empty()) });
    assert_ne!(after.await, before);
    assert!(!worker.ready.has_changed().unwrap(), "the session lives on");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_user_may_not_know_of_others_works_on_and_check_says_so() {
    let names = Bench::new().names;
    assert_eq!(Admin::new(&names, &broker_url()).run(&["topology", "declare"]).code, Some(0));
    let (user, url) = add_user(&names, "deaf");
    let exchange = names.exchange();
    let all = format!(r"^(amq\.default|{exchange}(\.(?!control|worker).*)?)$");
    shell(&format!("rabbitmqctl set_permissions '{user}' '{all}' '{all}' '{all}'"));
    let worker = Bench::at(&url).named(&names).conversations(memory()).start().await;
    let ready = worker.ready.clone();
    let mut client = Client::new(&broker_url(), &names).await;
    assert_eq!(said(&mut client, "refund please").await, "refund: refund please");
    assert_eq!(client.ask("intent.queued", "x").await.text(), Some("queued: x"));
    let admin = Admin::new(&names, &url);
    let (found, code) = admin.check();
    assert_eq!(code, Some(0), "{found:?}");
    let told = complaints(&found, "workers");
    assert!(
        matches!(&told[..], [line] if line.starts_with("warn: ") && line.contains("knows of no others")),
        "{told:?}"
    );
    assert_eq!((complaints(&found, "permissions"), complaints(&found, "topology")), (vec![], vec![]));
    let refused = admin.run(&["workers"]);
    assert_eq!(refused.code, Some(77));
    assert!(refused.err.contains(&format!("`chatbot-worker topology permissions --operator {user}`")), "{refused:?}");
    assert!(!ready.has_changed().unwrap(), "the session lives on");
    worker.stop_and_leave().await;
    shell(&format!("rabbitmqctl delete_user '{user}'"));
    admin.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_and_check_holds_them_against_each_other() {
    let names = Bench::new().names;
    let admin = Admin::new(&names, &broker_url());
    let none = admin.run(&["workers"]);
    assert_eq!(none.code, Some(69));
    assert!(none.err.contains("so none runs"), "{none:?}");
    let mut first = Bench::new().named(&names);
    first.settings.worker = "first".to_owned();
    let first = first.start().await;
    let asking = Asking::new(&names).await;
    asking.until(&[("first", false)]).await;
    let (found, code) = admin.check();
    assert_eq!((code, complaints(&found, "workers")), (Some(0), vec![]), "{found:?}");
    let mut second = own(&names, "second");
    second.hash = "0123456789abcdef";
    let second = second.start().await;
    let third = own(&names, "third").start().await;
    asking.until(&[("first", false), ("second", false), ("third", true)]).await;

    let listed = admin.run(&["workers"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let rows: Vec<Vec<&str>> = listed.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "VERSION", "BOT", "STORE", "LANES", "IN", "WORK", "HEARD"]);
    let told = |row: &[&str]| [row[2], row[3], row[4], row[5]].map(str::to_owned);
    assert_eq!(told(&rows[1]), ["b0", "-", "-", "0"]);
    assert_eq!(told(&rows[2]), ["01234567*", "memory", "-", "0"]);
    assert_eq!(told(&rows[3]), ["b0", "memory", "waits", "0"]);
    assert!(rows[1..].iter().all(|row| row[1] == env!("CARGO_PKG_VERSION") && row[6].ends_with('s')), "{rows:?}");
    let json: Value = serde_json::from_str(&admin.run(&["workers", "--format", "json"]).out).unwrap();
    assert_eq!((&json[1]["bot"], &json[2]["waits"]), (&"0123456789abcdef".into(), &true.into()));
    assert!(json[0]["heard"].as_u64().is_some_and(|heard| heard < 1_000), "{json}");

    let (found, code) = admin.check();
    assert_eq!(code, Some(78));
    let told = complaints(&found, "workers");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("fail: second-") && told[0].contains("(memory), and there are others"), "{told:?}");
    assert!(told[1].starts_with("fail: third-") && told[1].ends_with("while others live"), "{told:?}");
    assert!(told[2].starts_with("warn: workers answer from 2 different bots: 01234567 (second-"), "{told:?}");
    for worker in [first, second, third] {
        worker.stop_and_leave().await;
    }
    let none = admin.run(&["workers"]);
    assert_eq!(none.code, Some(69));
    assert!(none.err.contains("answers: is one running?"), "{none:?}");
    admin.remove().await;
}

const BOT: &str = r#"
fallback = "help_info"
[conversation]
cancel = "never_mind"
[intents.never_mind]
examples.en = ["never mind", "forget it", "leave it", "stop that", "no thanks, forget it"]
reply.en = "As you wish."
[intents.help_info]
examples.en = ["help me", "what can you do", "I need help", "who are you", "how does this work"]
reply.en = "What can I do for you?"
[intents.refund]
examples.en = ["refund", "my money back", "give me a refund", "where is my refund", "I want my money"]
slots.reason = { text = true, ask.en = "Why?" }
reply.en = "Refunded, as you said: {{ slots.reason }}"
"#;

/// What `/metrics` tells of waiting for lanes.
async fn waiting(address: &str) -> Option<f64> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut connection = tokio::net::TcpStream::connect(address).await.ok()?;
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.ok()?;
    let mut metrics = String::new();
    connection.read_to_string(&mut metrics).await.ok()?;
    metrics.lines().find_map(|line| line.strip_prefix("chatbot_conversation_waiting ")?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_with_a_memory_of_its_own_takes_conversations_when_the_first_was_killed() {
    let program = Program::new();
    let file = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", program.names.exchange()));
    std::fs::write(&file, BOT).unwrap();
    let program = program.with("CHATBOT_INTENTS_PATH", file.to_str().unwrap());
    let names = program.names.clone();
    let mut first = program.start();
    first.until("this worker takes the queues of conversations");
    let mut client = Client::new(&broker_url(), &names).await;
    assert_eq!(said(&mut client, "give me a refund").await, "Why?");
    let mut second = program.start();
    let address = second.address();
    second.until(" ready ");
    let warned = second.until("another worker has conversations");
    assert!(warned.contains("takes no queue of conversations while that one lives"), "{warned}");
    eventually("the gauge", || async { waiting(&address).await.filter(|waits| *waits > 0.5) }).await;
    // It works for all that is in no conversation, and the first has what is in one.
    assert_eq!(said(&mut client, "it is broken").await, "Refunded, as you said: it is broken");
    assert_eq!(said(&mut client, "give me a refund").await, "Why?");
    let killed = Instant::now();
    first.signal("KILL");
    let answer = said(&mut client, "it is too large").await;
    assert!(!answer.contains("Refunded"), "the second knows nothing of it: {answer}");
    assert!(killed.elapsed() < 2 * GONE);
    assert_eq!(said(&mut client, "give me a refund").await, "Why?");
    assert_eq!(said(&mut client, "it is broken").await, "Refunded, as you said: it is broken");
    assert_eq!(waiting(&address).await, Some(0.0));
    second.signal("TERM");
    let (code, log) = second.end();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("another worker has conversations").count(), 1, "it is warned of once: {log}");
    for name in ["never_mind", "help_info", "refund"] {
        let queue = names.queue(&chatbot_worker::amqp::WorkQueue::Intent(intent(name)));
        client.channel.queue_delete(short(&queue), Default::default()).await.unwrap();
    }
    remove(&broker_url(), &names).await;
    std::fs::remove_file(file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_is_told_so() {
    let names = Bench::new().names;
    let worker = Bench::new().named(&names).start().await;
    let (user, url) = add_user(&names, "client");
    shell(&format!("rabbitmqctl set_permissions '{user}' '^amq\\.gen-.+$' '^{}$' '^amq\\.gen-.+$'", names.exchange()));
    let connection = Connection::open(&Bench::at(&url).settings.broker).await.unwrap();
    let refused = roll_call(connection.link(), &names).await;
    assert!(matches!(refused, Err(AskError::Refused(problem)) if problem.refused));
    connection.close().await;
    shell(&format!("rabbitmqctl delete_user '{user}'"));
    worker.stop().await;
}
