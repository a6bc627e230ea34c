//! A bot that answers from documents, a catalogue and somebody's service, over RabbitMQ.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    cli::program::Program,
    stub::{Act, Stub},
    support::{Client, broker_url, eventually, short},
};

const BOT: &str = r#"
fallback = "help_info"
[knowledge.help]
paths = ["help/*.md", "faq.csv"]
[catalogue.shop]
path = "products.csv"
[intents.help_info]
handler = ["search", "template"]
search.knowledge = "help"
reply.en = "I don't know that."
reply.zh = "这个我不知道。"
[intents.recommend]
handler = "recommend"
recommend = { catalogue = "shop", limit = 2 }
examples = ["recommend me something", "which kettle is good", "推荐一款水壶", "有什么推荐", "what should I buy"]
[intents.order_status]
handler = ["webhook", "template"]
webhook.service = "orders"
examples = ["where is my order", "track my parcel", "我的订单到哪了", "查一下快递", "when does my order arrive"]
reply.en = "Our system is away; look at My orders."
"#;

/// The program with a bot in a folder of its own.
struct Bot {
    program: Program,
    folder: PathBuf,
}

impl Bot {
    fn new(orders: &str) -> Self {
        let program = Program::new();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-bot", program.names.exchange()));
        std::fs::create_dir_all(folder.join("help")).unwrap();
        let bot = Self {
            program: program
                .with("CHATBOT_INTENTS_PATH", folder.join("bot.toml").to_str().unwrap())
                .with("CHATBOT_INTENTS_WATCH", "100ms")
                .with("CHATBOT_ORDERS_KIND", "webhook")
                .with("CHATBOT_ORDERS_URL", orders),
            folder,
        };
        bot.write("bot.toml", BOT);
        bot.write("help/returns.md", "# Returns\n\nA kettle can be returned within 30 days of delivery, unused.\n");
        bot.write("help/hours.md", "# 营业时间\n\n客服每天九点到二十一点在线。\n");
        bot.write("faq.csv", "question,answer\nDo you ship abroad?,\"We ship to Japan, and to no other country.\"\n");
        bot.write("products.csv", "id,title,price\nk1,Dawn kettle,259\nk2,Glass kettle,399\n");
        bot
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    /// Asks the documents.
    fn help(&self, question: &str) -> Value {
        self.ask(&["--intent", "help_info", question])
    }

    fn ask(&self, words: &[&str]) -> Value {
        let replies = self.program.run(&[&["ask", "--format", "json"], words].concat()).json_lines();
        replies.into_iter().next().unwrap()
    }

    async fn end(self) {
        self.program.remove().await;
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_a_catalogue_and_a_service_answer_and_a_changed_document_is_served() {
    let orders = Stub::start(|_| Act::json(json!({"text": "It comes on Friday.", "data": {"eta": 5}}))).await;
    let bot = Bot::new(&orders.url);
    let mut worker = bot.program.start_ready();

    let reply = bot.help("within how many days can a kettle be returned?");
    assert_eq!(reply["handler"], "search", "{reply}");
    assert!(reply["body"].as_str().unwrap().contains("within 30 days"), "{reply}");
    assert_eq!(reply["sources"][0]["path"], "help/returns.md", "{reply}");
    let reply = bot.help("客服每天几点在线");
    assert_eq!((&reply["sources"][0]["path"], &reply["locale"]), (&json!("help/hours.md"), &json!("zh")), "{reply}");
    let reply = bot.help("do you ship abroad");
    assert_eq!(reply["body"], "We ship to Japan, and to no other country.", "{reply}");
    // What nothing answers is the next handler's.
    let reply = bot.help("who wrote Hamlet");
    assert_eq!((&reply["handler"], &reply["body"]), (&json!("template"), &json!("I don't know that.")), "{reply}");
    assert_eq!(reply.get("sources"), None, "{reply}");

    let reply = bot.ask(&["--intent", "recommend", "a kettle under 300"]);
    assert_eq!(reply["data"]["items"][0]["id"], "k1", "{reply}");
    assert_eq!(reply["data"]["items"].as_array().unwrap().len(), 1, "{reply}");
    let reply = bot.ask(&["--intent", "order_status", "where is my order"]);
    assert_eq!((&reply["body"], &reply["data"]["eta"]), (&json!("It comes on Friday."), &json!(5)), "{reply}");
    assert_eq!(orders.seen()[0].body["intent"], "order_status");

    bot.write("help/returns.md", "# Returns\n\nA kettle can be returned within 60 days of delivery, unused.\n");
    assert!(worker.until("making the bot again").contains("help"));
    worker.until("reloaded: the new bot serves");
    assert!(bot.help("within how many days can a kettle be returned?")["body"].as_str().unwrap().contains("60 days"));
    // A document with a fault: the bot before serves on, and the fault is told with its line.
    bot.write("faq.csv", "question,answer\nDo you ship abroad?,\"We\n");
    let told = worker.until("the one before serves on");
    assert!(told.contains("bot.toml"), "{told}");
    assert_eq!(bot.help("do you ship abroad")["body"], "We ship to Japan, and to no other country.");
    drop(worker);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_service_is_away_the_next_handler_answers() {
    let bot = Bot::new("http://127.0.0.1:1");
    let worker = bot.program.start_ready();
    let reply = bot.ask(&["--intent", "order_status", "where is my order"]);
    assert_eq!((&reply["handler"], &reply["intent"]["name"]), (&json!("template"), &json!("order_status")), "{reply}");
    drop(worker);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_called_again_after_a_workers_death_is_told_so_by_the_id() {
    // It hangs at first, and is killed with the worker's connection; the next worker's call is answered.
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let orders = Stub::start(move |_| match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Act::Hang,
        _ => Act::json(json!({"text": "It comes on Friday."})),
    })
    .await;
    let bot = Bot::new(&orders.url);
    let first = bot.program.start_ready();
    let mut client = Client::new(&broker_url(), &bot.program.names).await;
    let properties = client.properties("1").with_message_id(short("order-7"));
    client.publish("intent.order_status", properties, b"where is my order").await;
    eventually("the first call", || async { (!orders.seen().is_empty()).then_some(()) }).await;
    first.signal("KILL");
    drop(first);
    let second = bot.program.start_ready();
    assert_eq!(client.next().await.text(), Some("It comes on Friday."));
    let id = |at: usize| {
        let headers = orders.seen()[at].headers.clone();
        headers.lines().find_map(|line| line.strip_prefix("x-chatbot-request-id: ").map(str::to_owned)).unwrap()
    };
    assert_eq!((orders.seen().len(), id(0)), (2, id(1)), "the program knows that it is the same request");
    drop(second);
    bot.end().await;
}

#[test]
fn the_whole_bot_is_tried_without_a_broker() {
    let bot = Bot::new("http://127.0.0.1:1");
    let question = ["--intent", "help_info", "within how many days can a kettle be returned?"];
    let tried = bot.program.run(&[&["try", "--format", "json"], &question[..]].concat()).json_lines();
    assert_eq!((&tried[0]["handler"], &tried[0]["sources"][0]["path"]), (&json!("search"), &json!("help/returns.md")));
    // People see where it stands.
    let shown = bot.program.run(&[&["try"], &question[..]].concat());
    assert!(shown.ok().contains("source 1: Returns · help/returns.md"), "{shown:?}");
    // What is slow, or has a queue of its own, is answered as well.
    let tried = bot.program.run(&["try", "--format=json", "--intent", "order_status", "where is it"]);
    let reply: Value = serde_json::from_str(tried.out.trim()).unwrap();
    assert_eq!(reply["handler"], "template", "{tried:?}");
    assert!(tried.err.contains("orders"), "why the service didn't answer is told: {tried:?}");
    bot.program.run(&["try", "--intent", "nothing", "x"]).failed(64, &["the bot has no intent 'nothing'"]);
    let lines = bot.program.fed(&["try"], "who wrote Hamlet\n\nrecommend me something\n".as_bytes());
    assert_eq!(lines.ok().lines().filter(|line| line.starts_with("  intent ")).count(), 2, "{lines:?}");
    // A service that isn't there is told with the line that names it, and what to set.
    let without = Bot::new("http://127.0.0.1:1");
    let program = without.program.without("CHATBOT_ORDERS_KIND").without("CHATBOT_ORDERS_URL");
    program
        .run(&["try", "x"])
        .failed(78, &["line 18, column 19", "there is no service 'orders': set CHATBOT_ORDERS_KIND to webhook"]);
    std::fs::remove_dir_all(&without.folder).unwrap();
    std::fs::remove_dir_all(&bot.folder).unwrap();
}

#[test]
fn every_example_answers_where_its_services_are_away() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let folders = std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path().join("intents.toml"));
    let bots: Vec<_> = folders.filter(|path| path.is_file()).collect();
    assert_eq!(bots.len(), 5, "{bots:?}");
    for bot in bots {
        let program = Program::new()
            .with("CHATBOT_INTENTS_PATH", bot.to_str().unwrap())
            .with("CHATBOT_QWEN_KIND", "openai")
            .with("CHATBOT_QWEN_URL", "http://127.0.0.1:1/v1")
            .with("CHATBOT_QWEN_MODEL", "m");
        for text in ["hello there", "你好"] {
            let tried = program.run(&["try", "--format", "json", text]);
            assert_eq!(tried.code, Some(0), "{}: {tried:?}", bot.display());
            let reply: Value = serde_json::from_str(tried.out.lines().next().unwrap()).unwrap();
            assert_eq!(reply["type"], "chat.reply", "{}: {tried:?}", bot.display());
        }
    }
}
