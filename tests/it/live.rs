//! Changing a live system: another bot for a worker that runs, and workers that are replaced one by one.

use std::{num::NonZeroU16, path::PathBuf, time::Duration};

use chatbot_worker::amqp::{Names, ReplaceError, WorkQueue};
use futures_util::FutureExt;
use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    cli::program::{Process, Program},
    load::{Load, all_are_replies},
    node::Node,
    support::{Bench, Client, PATIENCE, Running, Slow, broker_url, eventually, header, intent, remove, short},
};

const BOT: &str = r#"
fallback = "help_info"
[intents.help_info]
examples.en = ["help me", "what can you do", "I need help", "who are you", "how does this work"]
reply.en = "help"
[intents.refund]
examples.en = ["refund", "my money back", "give me a refund", "where is my refund", "I want my money"]
examples.zh = ["退款", "把钱退给我", "我要退款", "退款到哪里了", "请退钱"]
reply.en = "refund, as ever"
reply.zh = "退款照旧"
"#;
const GIFT_WRAP: &str = r#"
[intents.gift_wrap]
dispatch = "queue"
examples.en = ["wrap it", "gift wrapping please", "wrap it as a present", "can you gift wrap it", "a gift box"]
examples.zh = ["包装成礼物", "有礼品包装吗", "请帮我包成礼物", "要礼盒", "礼品包装多少钱"]
reply.en = "wrapped"
reply.zh = "包好了"
"#;

/// The program with an intents file of its own.
struct Bot {
    program: Program,
    file: PathBuf,
}

impl Bot {
    fn new(watch: &str) -> Self {
        let program = Program::new();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", program.names.exchange()));
        let program = program.with("CHATBOT_INTENTS_PATH", file.to_str().unwrap()).with("CHATBOT_INTENTS_WATCH", watch);
        let this = Self { program, file };
        this.write(BOT);
        this
    }

    /// As an editor does: a new file, renamed.
    fn write(&self, text: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    fn names(&self) -> &Names {
        &self.program.names
    }

    async fn remove(self) {
        let client = Client::new(&broker_url(), self.names()).await;
        for name in ["gift_wrap", "refund", "help_info"] {
            let queue = self.names().queue(&WorkQueue::Intent(intent(name)));
            for queue in [Names::dead(&queue), queue] {
                client.channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await.unwrap();
            }
        }
        self.program.remove().await;
        std::fs::remove_file(self.file).unwrap();
    }
}

/// What `/metrics` tells of the last reload.
async fn last_reload(address: &str) -> Option<(bool, f64)> {
    let mut connection = tokio::net::TcpStream::connect(address).await.ok()?;
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.ok()?;
    let mut metrics = String::new();
    connection.read_to_string(&mut metrics).await.ok()?;
    let value = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    Some((value("chatbot_last_reload_successful ")? > 0.5, value("chatbot_last_reload_timestamp_seconds ")?))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_built_in_bot_a_hangup_only_says_that_there_is_no_file() {
    let program = Program::new();
    let mut worker = program.start_ready();
    worker.signal("HUP");
    worker.until("SIGHUP: the built-in bot has no file to read again; see CHATBOT_INTENTS_PATH");
    worker.signal("TERM");
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    program.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_served_and_a_broken_one_refused_with_its_reasons() {
    let bot = Bot::new("100ms");
    let mut worker = bot.program.start();
    let address = worker.address();
    worker.until(" ready ");
    let mut client = Client::new(&broker_url(), bot.names()).await;
    assert_eq!(client.ask("request", "give me a refund").await.text(), Some("refund, as ever"));
    let (well, began) = last_reload(&address).await.unwrap();
    assert!(well);

    bot.write(&format!("{BOT}{GIFT_WRAP}"));
    let told = worker.until("reloaded");
    assert!(told.contains("added=\"gift_wrap\"") && told.contains("removed=\"\""), "{told}");
    // Classified, by way of its new queue; and addressed straight to it.
    assert_eq!(client.ask("request", "请帮我包成礼物").await.text(), Some("包好了"));
    assert_eq!(client.ask("intent.gift_wrap", "x").await.text(), Some("wrapped"));
    let (well, at) = last_reload(&address).await.unwrap();
    assert!(well && at > began);

    bot.write(&format!("{BOT}{GIFT_WRAP}").replacen("reply.en = \"help\"", "repyl.en = \"help\"", 1));
    worker.until("can't be made of the files as they are; the one before serves on");
    let told = worker.until("line 5, column 1");
    assert!(told.contains("intent 'help_info': there is no key 'repyl'"), "{told}");
    eventually("the failure in the metrics", || async { last_reload(&address).await.filter(|(well, _)| !well) }).await;
    assert_eq!(client.ask("request", "请帮我包成礼物").await.text(), Some("包好了"));
    std::fs::remove_file(&bot.file).unwrap();
    worker.until("can't be read");
    assert_eq!(client.ask("request", "give me a refund").await.text(), Some("refund, as ever"));

    bot.write(&BOT.replace("as ever", "anew"));
    let told = worker.until("reloaded");
    assert!(told.contains("removed=\"gift_wrap\""), "{told}");
    let told = worker.until("stays bound");
    assert!(told.contains(&format!("{}.intent.gift_wrap", bot.names().exchange())), "{told}");
    assert_eq!(client.ask("request", "give me a refund").await.text(), Some("refund, anew"));
    assert!(last_reload(&address).await.unwrap().0);
    worker.signal("TERM");
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    bot.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_that_a_bot_is_made_of_is_watched() {
    let files = Program::new();
    let file = |name: &str| {
        let name = format!("{}-{name}", files.names.exchange());
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name).to_str().unwrap().to_owned()
    };
    let [rules, ca, key, model] = ["rules.toml", "ca.pem", "key", "model"].map(file);
    std::fs::write(&rules, "[[rule]]\nintent = \"refund\"\nwords = [\"money back\"]\n").unwrap();
    std::fs::write(&ca, rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap().cert.pem()).unwrap();
    std::fs::write(&key, "k1").unwrap();
    let variables = [
        ("MODEL_CHAIN", "words,embedded,far"),
        ("WORDS_KIND", "keywords"),
        ("WORDS_RULES_PATH", &rules),
        ("FAR_KIND", "rasa"),
        ("FAR_URL", "https://127.0.0.1:1"),
        ("FAR_CA_PATH", &ca),
        ("FAR_API_KEY_FILE", &key),
        ("EMBEDDED_PATH", &model),
        ("INTENTS_WATCH", "100ms"),
    ];
    let with = |program: Program, (name, value): (&str, &str)| program.with(&format!("CHATBOT_{name}"), value);
    // The bot is the built-in one: it has no file of its own.
    let program = variables.into_iter().fold(files, with);
    let mut worker = program.start();
    let watched = worker.until("watched: ");
    for path in [&rules, &ca, &key, &model] {
        assert!(watched.contains(path.as_str()), "{watched}");
    }
    worker.until(" ready ");
    for (path, content) in
        [(&rules, "[[rule]]\nintent = \"refund\"\nwords = [\"cash\"]\n"), (&key, "k2"), (&model, "no model")]
    {
        std::fs::write(path, content).unwrap();
        let told = worker.until("making the bot again");
        assert!(told.contains(path.as_str()), "{told}");
        worker.until("reloaded: the new bot serves");
    }
    for (path, content, why) in [(&ca, "no certificate", "CHATBOT_FAR_CA_PATH"), (&key, "", "CHATBOT_FAR_API_KEY_FILE")]
    {
        std::fs::write(path, content).unwrap();
        let told = worker.until("the one before serves on");
        assert!(told.contains(why) || told.contains(path.as_str()), "{told}");
    }
    drop(worker);
    program.remove().await;
    [rules, ca, key, model].into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn hangups_under_load_cost_no_answer() {
    let bot = Bot::new("off");
    let mut worker = bot.program.start_ready();
    let requests = [("request", "give me a refund"), ("request.web", "我要退款"), ("intent.refund", "refund")];
    let load = Load::start(&broker_url(), bot.names(), &requests).await;
    for version in ["one", "two", "three"] {
        bot.write(&BOT.replace("as ever", version));
        // Quickly after one another: the last one counts.
        worker.signal("HUP");
        worker.signal("HUP");
        worker.until("reloaded");
    }
    let mut client = Client::new(&broker_url(), bot.names()).await;
    assert_eq!(client.ask("request", "give me a refund").await.text(), Some("refund, three"));
    let answers = load.finish().await;
    all_are_replies(&answers);
    let texts: std::collections::BTreeSet<_> = answers.values().filter_map(|answer| answer.text()).collect();
    assert!(texts.contains("refund, as ever") && texts.contains("refund, three"), "{texts:?}");
    let dead = Names::dead(&bot.names().queue(&WorkQueue::Requests));
    assert_eq!(client.depth(&dead).await, 0);
    worker.signal("TERM");
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    bot.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_with_the_built_in_bot_is_a_notice() {
    let program = Program::new();
    let mut worker = program.start_ready();
    worker.signal("HUP");
    worker.until("the built-in bot has no file to read again");
    assert_eq!(program.run(&["ask", "--intent", "refund", "hi"]).code, Some(0));
    worker.signal("TERM");
    assert_eq!(worker.end().0, Some(0));
    program.remove().await;
}

/// Fails the test where the worker isn't ready, at any moment until this is aborted.
fn always_ready(worker: &Running) -> tokio::task::JoinHandle<()> {
    let mut ready = worker.ready.clone();
    tokio::spawn(async move {
        while ready.changed().await.is_ok() {
            assert!(*ready.borrow_and_update(), "it isn't ready");
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_replaced_works_off_what_it_holds_and_the_worker_stays_ready() {
    let slow = || {
        let mut bench = Bench::new().handler("refund", Slow(Duration::from_millis(50)));
        bench.settings.prefetch = NonZeroU16::new(20).unwrap();
        // Room for two at a time, for both sessions together, so that the rest of the prefetched isn't started.
        bench.settings.memory_budget = 2 * 1024;
        bench
    };
    let worker = slow().start().await;
    let ready = always_ready(&worker);
    let client = worker.client().await;
    for number in 0..200 {
        client.publish("request", client.properties(&number.to_string()), b"refund").await;
    }
    for _ in 0..2 {
        worker.replacer.replace(slow().named(&worker.names).bot()).await.unwrap();
    }
    assert!(!ready.is_finished(), "{:?}", ready.await);
    ready.abort();
    let (url, names) = (worker.url.clone(), worker.names.clone());
    worker.stop_and_leave().await;
    // Handed back once at the most, when the worker stopped.
    let (requests, mut counts) = (names.queue(&WorkQueue::Requests), Vec::new());
    while client.depth(&requests).await > 0 {
        let message = client.take(&requests).await;
        counts.push(header(&message, "x-delivery-count").map_or(0, |count| count.parse::<u32>().unwrap()));
    }
    assert!(counts.len() > 40, "{} are left", counts.len());
    assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
    remove(&url, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_the_broker_refuses_leaves_the_one_before_at_work() {
    let worker = Bench::new().start().await;
    let ready = always_ready(&worker);
    let mut client = worker.client().await;
    let queue = worker.names.queue(&WorkQueue::Intent(intent("new")));
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    client.channel.queue_declare(short(&queue), options, FieldTable::default()).await.unwrap();
    let bot = || {
        let mut bench = Bench::new().named(&worker.names);
        let route = bench.parts.routes.remove(&intent("queued")).unwrap();
        bench.parts.routes.insert(intent("new"), route);
        bench.parts.choice.intents = bench.parts.routes.keys().map(|intent| (intent.clone(), None)).collect();
        bench.bot()
    };
    let refused = worker.replacer.replace(bot()).await.unwrap_err();
    assert!(matches!(&refused, ReplaceError::Refused(error) if error.to_string().contains(&queue)), "{refused}");
    assert_eq!(client.ask("request", "queued please").await.text(), Some("queued: queued please"));
    client.channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await.unwrap();
    worker.replacer.replace(bot()).await.unwrap();
    assert_eq!(client.ask("intent.new", "hi").await.text(), Some("new: hi"));
    assert!(!ready.is_finished(), "{:?}", ready.await);
    ready.abort();
    for queue in [Names::dead(&queue), queue] {
        client.channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await.unwrap();
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_the_newest_bot_waits_and_a_worker_that_stops_drops_it() {
    let node = Node::start("live");
    let mut worker = Bench::at(&node.url).start().await;
    let mut ready = worker.ready.clone();
    let names = worker.names.clone();
    let bot = |text: &'static str| Bench::at(&node.url).named(&names).handler("refund", Says(text)).bot();
    node.ctl(&["stop_app"]);
    ready.wait_for(|ready| !ready).await.unwrap();
    let replacing = [bot("first"), bot("second")].map(|bot| {
        let replacer = worker.replacer.clone();
        Box::pin(async move { replacer.replace(bot).await })
    });
    let [mut first, mut second] = replacing;
    assert!((&mut first).now_or_never().is_none(), "the broker is away");
    tokio::select! {
        biased;
        told = &mut second => unreachable!("the broker is away: {told:?}"),
        told = first => assert!(matches!(told, Err(ReplaceError::Dropped))),
    }
    node.ctl(&["start_app"]);
    second.await.unwrap();
    ready.wait_for(|ready| *ready).await.unwrap();
    let mut client = worker.client().await;
    assert_eq!(client.ask("request", "refund").await.text(), Some("second"));
    // Lost once more, the worker comes back with that bot.
    node.ctl(&["close_all_connections", "an operator closes it"]);
    let mut client = eventually("a client", || async { Some(worker.client().await) }).await;
    assert_eq!(client.ask("request", "refund").await.text(), Some("second"));

    node.ctl(&["stop_app"]);
    ready.wait_for(|ready| !ready).await.unwrap();
    let replacer = worker.replacer.clone();
    let third = bot("third");
    let third = tokio::spawn(async move { replacer.replace(third).await });
    tokio::task::yield_now().await;
    worker.shutdown.cancel();
    tokio::time::timeout(PATIENCE, worker.task.take().unwrap()).await.expect("the worker stops").unwrap().unwrap();
    assert!(matches!(third.await.unwrap(), Err(ReplaceError::Dropped)));
}

/// Says the same to everything.
pub struct Says(&'static str);

#[async_trait::async_trait]
impl chatbot_worker::handler::Handler for Says {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn handle(
        &self,
        _job: &chatbot_worker::handler::Job<'_>,
    ) -> Result<Option<chatbot_worker::handler::Answer>, chatbot_worker::handler::HandlerError> {
        Ok(Some(chatbot_worker::handler::Answer::text(self.0, None)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_restarted_one_by_one_under_load_answer_everything_and_without_an_error() {
    // The bodies that may be worked on at a time are few, so that there is a backlog, and something to hand back.
    let program = Program::new().with("CHATBOT_WORKER_MEMORY_BUDGET", "2KiB").with("CHATBOT_WORKER_MAX_BODY", "1KiB");
    let mut workers: Vec<Process> = (0..2).map(|_| program.start_ready()).collect();
    let requests = [
        ("request", "where is my parcel"),
        ("request.web", "我想查询产品规格"),
        ("intent.refund", "refund"),
        ("request", "I want to return this kettle"),
    ];
    let load = Load::start(&broker_url(), &program.names, &requests).await;
    // Twice each, so that what is handed back may have been handed back before.
    for _ in 0..2 {
        for worker in &mut workers {
            let old = std::mem::replace(worker, program.start_ready());
            old.signal("TERM");
            let (code, log) = old.end();
            assert_eq!(code, Some(0), "{log}");
            assert!(log.contains("everything in flight was settled"), "{log}");
        }
    }
    let answers = load.finish().await;
    all_are_replies(&answers);
    let client = Client::new(&broker_url(), &program.names).await;
    for queue in [WorkQueue::Requests, WorkQueue::Intent(intent("refund")), WorkQueue::Suspects] {
        let queue = program.names.queue(&queue);
        assert_eq!(client.depth(&Names::dead(&queue)).await, 0, "{queue}");
    }
    for worker in workers {
        worker.signal("TERM");
        assert_eq!(worker.end().0, Some(0));
    }
    program.remove().await;
}
