//! Dead letters on a real broker: looked at, sent again, dropped, written down and put back, by the program.

mod moving;
mod queues;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use chatbot_worker::amqp::{Names, WorkQueue, objects::topology::Topology};
use lapin::{BasicProperties, options::BasicGetOptions, types::AMQPValue};
use serde_json::Value;

use crate::{
    cli::program::{Ended, Program},
    support::{Bench, Client, INTENTS, broker_url, eventually, headers, intent, remove, short},
};

/// The bench's intents but for `queued`, which is the one that was taken out.
const INTENTS_FILE: &str = r#"
fallback = "help_info"
[intents.help_info]
examples.en = ["help me", "what can you do", "I need help", "who are you", "how does this work"]
reply.en = "help"
[intents.product_info]
reply.en = "product"
[intents.refund]
examples.en = ["refund", "my money back", "give me a refund", "where is my refund", "I want my money"]
reply.en = "refund"
[intents.outside]
handler = "external"
"#;

/// A namespace with its queues and no worker, the program to look at it with, and a client that fills it.
struct Office {
    program: Program,
    names: Names,
    client: Client,
    folder: PathBuf,
}

impl Office {
    /// With the queues declared, and no worker.
    async fn open() -> Self {
        let office = Self::of(&Bench::new().names).await;
        office.program.run(&["topology", "declare"]).ok();
        office
    }

    /// In the namespace of a worker that runs.
    async fn of(names: &Names) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(names.exchange());
        std::fs::create_dir_all(&folder).unwrap();
        let intents = folder.join("intents.toml");
        std::fs::write(&intents, INTENTS_FILE).unwrap();
        let mut program = Program::new()
            .with("CHATBOT_AMQP_EXCHANGE", names.exchange())
            .with("CHATBOT_RETRY_DELAYS", "100ms,200ms")
            .with("CHATBOT_INTENTS_PATH", intents.to_str().unwrap());
        program.names = names.clone();
        let client = Client::new(&broker_url(), names).await;
        Self { program, names: names.clone(), client, folder }
    }

    fn dead(&self, arguments: &[&str]) -> Ended {
        tokio::task::block_in_place(|| self.program.run(&[&["dead"], arguments].concat()))
    }

    /// Starts a `dead` command in a process of its own.
    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.program.command(&[&["dead"], arguments].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn queue(&self, queue: &str) -> String {
        Names::dead(&self.names.queue(&WorkQueue::parse(queue).unwrap()))
    }

    /// Puts a letter into a queue's dead letters, as a worker would have done `age` ago.
    async fn put(&self, queue: &str, key: &str, reason: &str, age: Duration, body: &str) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let text = |text: &str| AMQPValue::LongString(text.into());
        let table = headers(&[
            ("chatbot-dead-reason", text(reason)),
            ("chatbot-dead-error", text("as the test wants it")),
            ("chatbot-dead-at", AMQPValue::LongLongInt(i64::try_from((now - age).as_millis()).unwrap())),
            ("chatbot-dead-worker", text("test")),
            ("chatbot-queue", text(&format!("{}.{queue}", self.names.exchange()))),
            ("chatbot-routing-key", text(key)),
            ("chatbot-attempt", AMQPValue::LongLongInt(3)),
        ]);
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(table);
        self.client.make_dead_letter_queue(&WorkQueue::parse(queue).unwrap()).await;
        self.client.publish_to("", &self.queue(queue), properties, body.as_bytes()).await;
    }

    /// So many letters of the requests' queue, told apart by their bodies.
    async fn fill(&self, letters: usize) -> BTreeSet<String> {
        let bodies: BTreeSet<String> = (0..letters).map(|number| format!("refund {number:05}")).collect();
        for body in &bodies {
            self.put("requests", "request", "timeout", Duration::ZERO, body).await;
        }
        bodies
    }

    async fn depth(&self, queue: &str) -> usize {
        usize::try_from(self.client.depth(queue).await).unwrap()
    }

    /// Takes everything out of a queue, and tells what it was.
    async fn drain(&self, queue: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        while let Some(got) =
            self.client.channel.basic_get(short(queue), BasicGetOptions { no_ack: true }).await.unwrap()
        {
            bodies.push(String::from_utf8(got.delivery.data).unwrap());
        }
        bodies
    }

    async fn close(self) {
        remove(&broker_url(), &self.names).await;
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn distinct(bodies: &[String]) -> BTreeSet<String> {
    bodies.iter().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_letter_is_answered_by_a_worker_although_its_deadline_has_passed() {
    let worker = Bench::new().start().await;
    let mut office = Office::of(&worker.names).await;
    let late = headers(&[("chatbot-deadline", AMQPValue::LongLongInt(1)), ("mine", AMQPValue::Boolean(true))]);
    let properties = office.client.properties("late").with_headers(late);
    office.client.publish("request", properties, "refund 请退款".as_bytes()).await;
    assert_eq!(office.client.next().await.code(), Some("deadline_exceeded"));

    let listed = lines(office.dead(&["list", "--format", "json"]).ok());
    assert_eq!(listed.len(), 1, "{listed:?}");
    let seen = ["reason", "queue", "routing_key"].map(|name| listed[0][name].as_str().unwrap());
    assert_eq!(seen, ["deadline_exceeded", "requests", "request"]);
    let id = listed[0]["id"].as_str().unwrap();
    let replayed = office.dead(&["replay", &id[..8]]);
    assert_eq!(replayed.ok(), "replayed: 1\n");
    let answer = office.client.next().await;
    assert_eq!((answer.correlation_id(), answer.text()), (Some("late"), Some("refund: refund 请退款")));
    assert_eq!(office.depth(&office.queue("requests")).await, 0);

    // With a deadline of its own it is held to that.
    office.put("requests", "request", "timeout", Duration::ZERO, "refund").await;
    worker.stop_and_leave().await;
    assert_eq!(office.dead(&["replay", "--all", "--deadline", "1ms"]).code, Some(0));
    let mut bench = Bench::new();
    (bench.names, bench.settings.names) = (office.names.clone(), office.names.clone());
    let worker = bench.start().await;
    let letter = office.client.dead_letter(&WorkQueue::Requests).await;
    assert_eq!(crate::support::header(&letter, "chatbot-dead-reason").as_deref(), Some("deadline_exceeded"));
    worker.stop_and_leave().await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_would_take_stays_and_the_rest_goes() {
    let office = Office::open().await;
    // The intent is gone from the file, but its queues are still there.
    let all: Vec<_> = INTENTS.iter().map(|&name| intent(name)).collect();
    let topology = Topology::new(&office.names, &all, &[]);
    for queue in topology.queues.iter().filter(|queue| queue.name.contains("queued")) {
        let options = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
        office.client.channel.queue_declare(short(&queue.name), options, queue.arguments.clone()).await.unwrap();
    }
    office.put("intent.queued", "intent.queued", "timeout", Duration::ZERO, "gone").await;
    office.put("requests", "nobody.binds.this", "unroutable", Duration::ZERO, "nobody").await;
    office.put("requests", "intent.refund", "timeout", Duration::ZERO, "refund").await;
    office.client.publish_to("", &office.queue("requests"), BasicProperties::default(), b"by hand").await;

    let replayed = office.dead(&["replay", "--queue", "requests,intent.queued"]);
    assert_eq!(replayed.code, Some(1), "{replayed:?}");
    for said in [
        "replayed: 1, kept: 3\n",
        "kept 1: intent 'queued' isn't in the intents file, or has no queue\n",
        "kept 1: no queue takes the routing key 'nobody.binds.this'\n",
        "kept 1: no worker put it there: it has no chatbot-routing-key\n",
    ] {
        assert!(replayed.out.contains(said), "{said}: {replayed:?}");
    }
    assert_eq!(office.drain(&office.queue("intent.queued")).await, ["gone"]);
    let kept = office.drain(&office.queue("requests")).await;
    assert_eq!(distinct(&kept), BTreeSet::from(["nobody".to_owned(), "by hand".to_owned()]));
    assert_eq!(office.drain(&office.names.queue(&WorkQueue::Intent(intent("refund")))).await, ["refund"]);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_ids_choose_letters() {
    let office = Office::open().await;
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    office.put("requests", "request", "timeout", minutes(0), "new").await;
    office.put("requests", "request", "crashed", minutes(90), "old").await;
    office.put("intent.refund", "intent.refund", "timeout", minutes(90), "退款").await;
    office.put("intent.help_info", "intent.help_info", "handler_failed", minutes(30), "help").await;
    let check = |arguments: &[&str], expected: &[&str]| {
        let exported = office.dead(&[&["export"], arguments].concat());
        let expected: Vec<_> = expected.iter().map(|&text| Value::from(text)).collect();
        let mut found: Vec<_> = lines(&exported.out).into_iter().map(|letter| letter["body"].clone()).collect();
        found.sort_by_key(ToString::to_string);
        assert_eq!(found, expected, "{arguments:?}: {exported:?}");
        assert_eq!(exported.code, Some(if expected.is_empty() { 1 } else { 0 }), "{exported:?}");
    };
    check(&["--all"], &["help", "new", "old", "退款"]);
    check(&["--queue", "requests"], &["new", "old"]);
    check(&["--queue", "requests,intent.refund"], &["new", "old", "退款"]);
    check(&["--reason", "timeout"], &["new", "退款"]);
    check(&["--reason", "timeout", "--reason", "crashed", "--older-than", "1h"], &["old", "退款"]);
    check(&["--intent", "refund"], &["退款"]);
    check(&["--newer-than", "45m"], &["help", "new"]);
    check(&["--newer-than", "45m", "--older-than", "15m"], &["help"]);
    check(&["--intent", "refund", "--reason", "crashed"], &[]);

    let listed = lines(office.dead(&["list", "--format", "json"]).ok());
    let id = |reason: &str| {
        let found = listed.iter().find(|letter| letter["reason"] == reason).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    check(&[&id("crashed")], &["old"]);
    check(&[&id("crashed")[..10], &id("handler_failed").to_uppercase()], &["help", "old"]);
    // Sixteen digits and four letters: some beginning of one digit means several or none.
    for digit in "0123456789abcdef".chars().map(|digit| digit.to_string()) {
        let alike = listed.iter().filter(|letter| letter["id"].as_str().unwrap().starts_with(&digit)).count();
        let shown = office.dead(&["show", &digit]);
        match alike {
            0 => shown.failed(1, &[&format!("no letter has an ID that begins with '{digit}'")]),
            1 => assert_eq!(shown.code, Some(0), "{shown:?}"),
            _ => shown.failed(64, &[&format!("the IDs of several letters begin with '{digit}'")]),
        }
    }
    office.dead(&["purge", "--all", "--reason", "timeout", "--yes"]).failed(64, &["cannot be used with"]);
    office.dead(&["replay"]).failed(64, &["--all"]);
    office.dead(&["list", "--queue", "intent.nonsense"]).failed(1, &["the intents file has no such intent"]);

    let count = office.dead(&["list", "--count"]);
    let row = |queue, reason| format!("{queue} {reason} 1");
    let rows: Vec<String> =
        count.ok().lines().skip(1).map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect();
    let expected =
        [row("intent.help_info", "handler_failed"), row("intent.refund", "timeout"), row("requests", "crashed")];
    assert_eq!(rows, [&expected[..], &[row("requests", "timeout")]].concat());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_shown_whole_but_its_body_only_on_request() {
    let office = Office::open().await;
    office.put("requests", "request.web", "timeout", Duration::from_secs(7200), "我的秘密\u{1b}[2J").await;
    office.put("requests", "request.web", "timeout", Duration::from_secs(60), "another").await;
    let id = lines(office.dead(&["list", "--older-than", "1h", "--format", "json"]).ok())[0]["id"].clone();
    let id = id.as_str().unwrap();
    let shown = office.dead(&["show", id]);
    for said in [
        id,
        "as the test wants it",
        "2h ago",
        "request.web",
        "attempts",
        "header chatbot-dead-reason",
        r#"{"long_string":"timeout"}"#,
        "delivery_mode",
    ] {
        assert!(shown.ok().contains(said), "{said}: {shown:?}");
    }
    assert!(!shown.out.contains("秘密") && !office.dead(&["list"]).out.contains("秘密"), "{shown:?}");
    assert!(!office.dead(&["show", id, "--format", "json"]).out.contains("秘密"));
    let shown = office.dead(&["show", id, "--body"]);
    assert!(shown.ok().contains("我的秘密\\u{1b}[2J"), "{shown:?}");
    let json: Value = serde_json::from_str(office.dead(&["show", id, "--body", "--format", "json"]).ok()).unwrap();
    assert_eq!((&json["attempt"], &json["letter"]["body"]), (&3.into(), &"我的秘密\u{1b}[2J".into()));
    assert_eq!(office.depth(&office.queue("requests")).await, 2);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_or_stopped_in_the_middle_a_replay_loses_nothing() {
    const LETTERS: usize = 1_000;
    let office = Office::open().await;
    let bodies = office.fill(LETTERS).await;
    let (requests, dead) = (office.names.queue(&WorkQueue::Requests), office.queue("requests"));
    let in_the_middle = async |replayed: u32| {
        let client = &office.client;
        eventually("some are replayed", || async { (client.depth(&requests).await >= replayed).then_some(()) }).await;
    };
    let mut killed = office.start(&["replay", "--all", "--rate", "400/s"]);
    in_the_middle(200).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    // What it held comes back: nothing is lost, and what was in flight may be there twice.
    let total = async || office.depth(&requests).await + office.depth(&dead).await;
    eventually("all are there again", || async { (total().await >= LETTERS).then_some(()) }).await;
    // In flight are 64; the acks of as many more may be lost with the socket.
    let doubles = total().await - LETTERS;
    assert!(doubles <= 128, "{doubles}");
    let left = office.depth(&dead).await;
    assert!(left > 0, "it was killed too late");

    let before = office.depth(&requests).await;
    let stopped = office.start(&["replay", "--all", "--rate", "400/s"]);
    in_the_middle(u32::try_from(before + 100).unwrap()).await;
    let kill = Command::new("kill").args(["-INT", &stopped.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = tokio::task::block_in_place(|| stopped.wait_with_output()).unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{out}");
    let replayed = office.depth(&requests).await - before;
    assert!(out.starts_with(&format!("replayed: {replayed}; stopped after ")), "{replayed}: {out}");
    // What it said and what is there agree at once: stopping makes no doubles.
    assert_eq!(office.depth(&dead).await, left - replayed);

    let rest = office.dead(&["replay", "--all"]);
    assert_eq!(rest.ok(), format!("replayed: {}\n", left - replayed));
    assert_eq!(office.depth(&dead).await, 0);
    assert_eq!(distinct(&office.drain(&requests).await), bodies);
    office.close().await;
}
