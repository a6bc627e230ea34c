//! What an administrator does: check, declare, delete, prune, and run the commands for `rabbitmqctl` that the program
//! prints.

mod permissions;

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use chatbot_worker::amqp::{Names, WorkQueue, objects::declare::TopologyMode};
use lapin::{
    Confirmation,
    options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use serde_json::Value;

use crate::{
    redis_server::RedisServer,
    support::{Bench, Client, broker_url, intent, remove, short},
};

/// The bench's intents, as a file.
pub const INTENTS_FILE: &str = r#"
fallback = "help_info"
[intents.help_info]
examples.en = ["help me", "what can you do", "I need help", "who are you", "how does this work"]
reply.en = "help"
[intents.product_info]
examples.en = ["kettle", "how big is the kettle", "what is it made of", "product details", "tell me its size"]
reply.en = "product"
[intents.refund]
examples.en = ["refund", "my money back", "give me a refund", "where is my refund", "I want my money"]
reply.en = "refund"
[intents.outside]
handler = "external"
[intents.queued]
dispatch = "queue"
reply.en = "queued"
"#;
/// Where nobody listens.
const NOBODY: &str = "amqp://127.0.0.1:1";

/// The program, under a namespace and an intents file of its own.
pub struct Admin {
    names: Names,
    url: String,
    intents: PathBuf,
    mode: TopologyMode,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Admin {
    pub fn new(names: &Names, url: &str) -> Self {
        let this = Self {
            names: names.clone(),
            url: url.to_owned(),
            intents: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", names.exchange())),
            mode: TopologyMode::Declare,
        };
        this.write_intents(INTENTS_FILE);
        this
    }

    fn write_intents(&self, text: &str) {
        std::fs::write(&self.intents, text).unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    /// Takes an intent out of the file.
    pub fn without_intent(&self, name: &str) {
        let sections = INTENTS_FILE.split("\n[intents.").filter(|section| !section.starts_with(&format!("{name}]")));
        self.write_intents(&sections.collect::<Vec<_>>().join("\n[intents."));
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        finish(self.command(arguments), input)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mode = if self.mode == TopologyMode::Declare { "declare" } else { "verify" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatbot-worker"));
        command.args(arguments).env_clear();
        command.env("CHATBOT_AMQP_URL", &self.url).env("CHATBOT_AMQP_EXCHANGE", self.names.exchange());
        command.env("CHATBOT_AMQP_TOPOLOGY", mode).env("CHATBOT_INTENTS_PATH", &self.intents);
        command.env("CHATBOT_RETRY_DELAYS", "100ms,200ms");
        command
    }

    /// What `check --format json` finds, and its exit code.
    pub fn check(&self) -> (Vec<Value>, Option<i32>) {
        let ended = self.run(&["check", "--format", "json"]);
        (serde_json::from_str(&ended.out).unwrap(), ended.code)
    }

    /// Runs those of the printed commands that name `what`, as they are, in a shell.
    fn run_printed(&self, arguments: &[&str], what: &str) {
        let printed = self.run(arguments);
        let chosen: Vec<_> = printed.out.lines().filter(|l| l.starts_with("rabbitmqctl") && l.contains(what)).collect();
        assert_eq!(chosen.len(), 1, "{printed:?}");
        shell(chosen[0]);
    }

    pub async fn remove(self) {
        remove(&broker_url(), &self.names).await;
        std::fs::remove_file(&self.intents).unwrap();
    }
}

fn finish(mut command: Command, input: &str) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = tokio::task::block_in_place(|| child.wait_with_output()).unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    Ended { code: output.status.code(), out, err }
}

/// Runs a command line in which `rabbitmqctl` is that of the tests' broker.
pub fn shell(line: &str) -> String {
    std::env::var("TEST_BROKER").expect("TEST_BROKER names no scripts/broker: run scripts/test");
    let mut command = Command::new("bash");
    command.args(["-c", &format!("rabbitmqctl() {{ \"$TEST_BROKER\" ctl test \"$@\"; }}; {line}")]);
    let ended = finish(command, "");
    assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    ended.out
}

/// A user of the broker without any permission, and the URL with which it logs in.
pub fn add_user(names: &Names, role: &str) -> (String, String) {
    let user = format!("{}-{role}", names.exchange());
    shell(&format!("rabbitmqctl add_user '{user}' secret"));
    (user.clone(), broker_url().replacen("guest:guest", &format!("{user}:secret"), 1))
}

/// The findings of one check that aren't `ok`, each as `status: message`.
pub fn complaints(found: &[Value], check: &str) -> Vec<String> {
    let found = found.iter().filter(|line| line["check"] == check && line["status"] != "ok");
    found.map(|line| format!("{}: {}", line["status"].as_str().unwrap(), line["message"].as_str().unwrap())).collect()
}

fn statuses(found: &[Value]) -> Vec<(&str, &str)> {
    found.iter().map(|line| (line["check"].as_str().unwrap(), line["status"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_is_shown_and_deleted_but_not_with_messages_unless_told() {
    let names = Bench::new().names;
    let admin = Admin::new(&names, &broker_url());
    let shown = admin.run(&["topology"]);
    assert!(shown.out.contains("MISSING") && !shown.out.contains("exists"), "{shown:?}");
    for _ in 0..2 {
        let declared = admin.run(&["topology", "declare"]);
        assert_eq!(declared.code, Some(0), "{declared:?}");
    }
    let shown = admin.run(&["topology", "show"]);
    assert_eq!(shown.out.lines().count(), 1 + 4 + 2 + 2 * 7 + 2, "{}", shown.out);
    assert!(!shown.out.contains("MISSING"), "{}", shown.out);

    let client = Client::new(&broker_url(), &names).await;
    client.publish("request", client.properties("c1"), b"hello").await;
    let shown = admin.run(&["topology", "show"]);
    let requests = format!("{}.requests ", names.exchange());
    let row = shown.out.lines().find(|line| line.contains(&requests)).unwrap();
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(row[2..5], ["exists", "1", "0"]);

    for (arguments, code) in [
        (&["topology", "delete"][..], 1),
        (&["topology", "delete", "--yes"], 1),
        (&["topology", "delete", "--with-messages"], 64),
        (&["topology", "delete", "--with-messages", "--yes"], 0),
    ] {
        let shown = admin.run(&["topology", "show"]);
        assert!(!shown.out.contains("MISSING"), "{}", shown.out);
        let ended = admin.run(arguments);
        assert_eq!(ended.code, Some(code), "{ended:?}");
    }
    let shown = admin.run(&["topology", "show"]);
    assert!(shown.out.contains("MISSING") && !shown.out.contains("exists"), "{}", shown.out);
    let again = admin.run(&["topology", "delete", "--yes"]);
    assert_eq!(again.code, Some(0));
    assert!(again.out.starts_with("Nothing"), "{again:?}");
    admin.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_under_a_worker() {
    let worker = Bench::new().start().await;
    let admin = Admin::new(&worker.names, &broker_url());
    let ended = admin.run(&["topology", "delete", "--yes", "--with-messages"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("are consumed"), "{ended:?}");
    assert_eq!(worker.client().await.ask("request", "refund please").await.text(), Some("refund: refund please"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_policy_gets_unroutable_messages_answered_and_check_tells_its_state() {
    let worker = Bench::new().start().await;
    let mut client = worker.client().await;
    let admin = Admin::new(&worker.names, &broker_url());
    let (found, code) = admin.check();
    assert_eq!(code, Some(0));
    assert!(
        complaints(&found, "unroutable")[0].starts_with("warn: messages with a routing key that nobody binds are drop")
    );
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let exchange = short(worker.names.exchange());
    let publish = client.channel.basic_publish(exchange, short("nobody"), options, b"hi", client.properties("c1"));
    let confirmation = publish.await.unwrap().await.unwrap();
    assert!(matches!(confirmation, Confirmation::Ack(Some(_))), "{confirmation:?}");

    admin.run_printed(&["topology", "policy"], "alternate-exchange");
    let answer = client.ask("nobody", "hello").await;
    assert_eq!(answer.code(), Some("unroutable"));
    let (found, code) = admin.check();
    assert_eq!(code, Some(0));
    let dead = Names::dead(&worker.names.queue(&WorkQueue::Requests));
    assert_eq!(complaints(&found, "dead"), [format!("warn: 1 in {dead}: what couldn't be answered (unroutable 1)")]);
    let outside = worker.names.queue(&WorkQueue::Intent(intent("outside")));
    let expected = format!("warn: no program consumes {outside}, the queue of the external intent 'outside'");
    assert_eq!(complaints(&found, "consumers"), [expected]);
    for check in ["settings", "model", "broker", "permissions", "topology", "unroutable", "bindings", "orphans"] {
        assert_eq!(complaints(&found, check), [""; 0], "{found:?}");
        assert!(statuses(&found).contains(&(check, "ok")), "{check}: {found:?}");
    }
    // The broker doesn't say that it was unroutable again: the client is told anew, and there is a new letter.
    assert_eq!(admin.run(&["dead", "replay", "--all"]).code, Some(0));
    assert_eq!(client.next().await.code(), Some("unroutable"));
    // The probe was taken by the worker, and left nothing behind.
    client.take(&dead).await;
    for queue in [dead, worker.names.died(), Names::dead(&worker.names.died())] {
        assert_eq!(client.depth(&queue).await, 0, "{queue}");
    }
    shell(&format!("rabbitmqctl clear_policy {}", worker.names.unroutable_policy()));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_all_at_once() {
    let names = Bench::new().names;
    let mut admin = Admin::new(&names, &broker_url());
    let (found, code) = admin.check();
    assert_eq!(code, Some(0), "{found:?}");
    assert!(complaints(&found, "topology")[0].starts_with("warn: none of the 16 exchanges and queues"), "{found:?}");

    admin.run(&["topology", "declare"]);
    let client = Client::new(&broker_url(), &names).await;
    let gone =
        [names.queue(&WorkQueue::Intent(intent("refund"))), names.retry_queue(std::time::Duration::from_millis(200))];
    for queue in &gone {
        client.channel.queue_delete(short(queue), QueueDeleteOptions::default()).await.unwrap();
    }
    admin.mode = TopologyMode::Verify;
    let (found, code) = admin.check();
    assert_eq!(code, Some(78));
    let expected = format!("fail: 2 of 16 exchanges and queues are missing: queue '{}', queue '{}'", gone[0], gone[1]);
    let unproved = "warn: CHATBOT_AMQP_TOPOLOGY=verify proves that the exchanges and queues exist";
    let told = complaints(&found, "topology");
    assert!(matches!(&told[..], [missing, warned] if *missing == expected && warned.starts_with(unproved)), "{told:?}");
    let shown = admin.run(&["topology"]);
    assert_eq!(shown.err.matches("verify proves").count(), 1, "{shown:?}");
    let worker = admin.run(&["run"]);
    assert_eq!(worker.code, Some(78), "{worker:?}");
    assert!(gone.iter().all(|queue| worker.err.contains(queue.as_str())), "{worker:?}");
    admin.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_arguments_is_told_in_words() {
    let names = Bench::new().names;
    let admin = Admin::new(&names, &broker_url());
    let client = Client::new(&broker_url(), &names).await;
    let requests = names.queue(&WorkQueue::Requests);
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    client.channel.queue_declare(short(&requests), options, FieldTable::default()).await.unwrap();
    let (found, code) = admin.check();
    assert_eq!(code, Some(78));
    let complaints = complaints(&found, "topology");
    let expected = format!("fail: queue '{requests}': the broker says: 406 PRECONDITION_FAILED - inequivalent arg '");
    assert!(complaints.iter().any(|complaint| complaint.starts_with(&expected)), "{found:?}");
    let line = found.iter().find(|line| line["message"].as_str().unwrap().contains("inequivalent")).unwrap();
    assert!(line["mend"].as_str().unwrap().contains("isn't what the worker declares (the worker's is"), "{line}");
    let declared = admin.run(&["topology", "declare"]);
    assert_eq!(declared.code, Some(78));
    assert!(declared.err.contains(&format!("queue '{requests}'")), "{declared:?}");
    admin.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_of_redis_and_only_warns() {
    let mut server = RedisServer::start_with(&["--requirepass", "s3cret"]).await;
    let admin = Admin::new(&Bench::new().names, NOBODY);
    let check = |url: &str| {
        let mut command = admin.command(&["check", "--format", "json"]);
        command.env("CHATBOT_ANSWERED_REDIS_URL", url);
        let ended = finish(command, "");
        assert_eq!(ended.code, Some(69), "only the broker is away: {ended:?}");
        let found: Vec<Value> = serde_json::from_str(&ended.out).unwrap();
        let line = found.into_iter().find(|line| line["check"] == "redis").unwrap();
        (line["status"].as_str().unwrap().to_owned(), line["message"].as_str().unwrap().to_owned())
    };
    let with = |password: &str| server.url().replace("redis://", &format!("redis://:{password}@"));
    let (right, wrong) = (with("s3cret"), with("wr0ng"));
    let (status, message) = check(&right);
    assert_eq!(status, "ok", "{message}");
    assert!(message.contains("answers a PING in ") && !message.contains("s3cret"), "{message}");
    let (status, message) = check(&wrong);
    assert_eq!(status, "warn");
    assert!(message.contains("uthentication") && !message.contains("wr0ng"), "{message}");
    server.freeze();
    let (status, message) = check(&right);
    assert!(status == "warn" && message.contains("it didn't connect within 5s"), "{message}");
    server.kill();
    let (status, message) = check(&right);
    assert!(status == "warn" && message.contains("refused"), "{message}");
    std::fs::remove_file(&admin.intents).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_everything_else_is_checked_and_shown() {
    let admin = Admin::new(&Bench::new().names, NOBODY);
    let (found, code) = admin.check();
    assert_eq!(code, Some(69));
    for expected in [("settings", "ok"), ("intents", "ok"), ("model", "ok"), ("broker", "fail")] {
        assert!(statuses(&found).contains(&expected), "{found:?}");
    }
    let shown = admin.run(&["topology"]);
    assert_eq!(shown.code, Some(69));
    assert!(shown.out.contains(&admin.names.died()) && shown.err.contains("can't be reached"), "{shown:?}");
    assert_eq!(admin.run(&["topology", "declare"]).code, Some(69));

    // A fault of one's own is told as well, and wins.
    admin.write_intents(&INTENTS_FILE.replacen("reply.en = \"help\"", "repyl.en = \"help\"", 1));
    let (found, code) = admin.check();
    assert_eq!(code, Some(78));
    assert!(complaints(&found, "intents").iter().any(|fault| fault.contains(".toml: line 5, column 1")), "{found:?}");
    assert!(statuses(&found).contains(&("broker", "fail")), "{found:?}");
    std::fs::remove_file(&admin.intents).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_of_what_is_no_longer_configured_are_pruned_once_they_are_empty() {
    let names = Bench::new().names;
    let admin = Admin::new(&names, &broker_url());
    let old = ["empty", "full"].map(|name| names.queue(&WorkQueue::Intent(intent(name))));
    let more = "[intents.empty]\nreply.en = \"x\"\n[intents.full]\nreply.en = \"x\"\n";
    admin.write_intents(&format!("{INTENTS_FILE}{more}"));
    assert_eq!(admin.run(&["topology", "declare"]).code, Some(0));
    admin.write_intents(INTENTS_FILE);
    let client = Client::new(&broker_url(), &names).await;
    client.publish("intent.full", client.properties("c1"), b"hello").await;
    for name in ["empty", "full"] {
        client.make_dead_letter_queue(&WorkQueue::Intent(intent(name))).await;
    }

    let list = || shell("rabbitmqctl --quiet list_queues name");
    let exists = |list: &str, queue: &str| list.lines().any(|line| line.trim() == queue);
    let checked = admin.run_with(&["check", "--queues", "-"], &list());
    assert!(checked.out.contains(&format!("{} (messages: 1)", old[1])), "{checked:?}");
    let asked = admin.run_with(&["topology", "prune", "--queues", "-"], &list());
    assert_eq!(asked.code, Some(64), "{asked:?}");
    assert!(exists(&list(), &old[0]));

    let pruned = admin.run_with(&["topology", "prune", "--queues", "-", "--yes"], &list());
    assert_eq!(pruned.code, Some(1), "{pruned:?}");
    let left = list();
    for (queue, kept) in [(&old[0], false), (&old[1], true)] {
        assert_eq!(exists(&left, queue), kept, "{left}");
        assert_eq!(exists(&left, &Names::dead(queue)), kept, "{left}");
    }
    // A queue of dead letters that was never made isn't missed, and is shown as what it is.
    let shown = admin.run(&["topology"]).out;
    let state = |queue: &str| shown.lines().find(|line| line.split_whitespace().nth(1) == Some(queue)).unwrap();
    let refund = names.queue(&WorkQueue::Intent(intent("refund")));
    assert!(state(&Names::dead(&refund)).contains("not yet") && state(&refund).contains("exists"), "{shown}");
    assert!(exists(&left, &names.queue(&WorkQueue::Intent(intent("refund")))), "{left}");

    client.take(&old[1]).await;
    // What is kept is still bound.
    client.publish("intent.full", client.properties("c2"), b"hello").await;
    client.take(&old[1]).await;
    let pruned = admin.run_with(&["topology", "prune", "--queues", "-", "--yes"], &list());
    assert_eq!(pruned.code, Some(0), "{pruned:?}");
    assert!(!exists(&list(), &old[1]));
    admin.remove().await;
}
