//! Pictures, recordings and files, over RabbitMQ.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    cli::program::Program,
    conversations::Kept,
    person::people,
    stub::{Act, Stub},
    support::{Bench, Client, broker_url, header, short},
};

const BOT: &str = r#"
fallback = "help_info"
transcription = "ears"

[intents.help_info]
handler = ["llm", "template"]
llm.service = "eyes"
llm.system.en = "You help in a shop."
reply.en = "Ask me about orders."

[intents.order_status]
dispatch = "queue"
examples = ["where is my order", "track my parcel", "我的订单到哪了", "查一下快递", "when does my order arrive"]
reply.en = "It is on its way."
reply.zh = "已经在路上了。"

[intents.complaint]
examples = ["it came broken", "I want to complain", "收到的东西坏了", "我要投诉", "this is a bad kettle"]
reply.en = "We are sorry."
reply.zh = "很抱歉。"

[intents.goodbye]
handler = "external"
examples = ["goodbye", "see you", "再见", "拜拜", "bye for now"]
"#;

/// The program with such a bot, whose services are these.
struct Bot {
    program: Program,
    path: PathBuf,
}

impl Bot {
    fn new(ears: &str, eyes: &str, images: bool) -> Self {
        let program = Program::new();
        let name = format!("{}-attachments.toml", program.names.exchange());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, BOT).unwrap();
        let program = program
            .with("CHATBOT_INTENTS_PATH", path.to_str().unwrap())
            .with("CHATBOT_RETRY_DELAYS", "50ms")
            .with("CHATBOT_EARS_KIND", "transcription")
            .with("CHATBOT_EARS_URL", ears)
            .with("CHATBOT_EYES_KIND", "openai")
            .with("CHATBOT_EYES_URL", eyes)
            .with("CHATBOT_EYES_MODEL", "m")
            .with("CHATBOT_EYES_IMAGES", &images.to_string());
        Self { program, path }
    }

    async fn client(&self) -> Client {
        Client::new(&broker_url(), &self.program.names).await
    }

    async fn end(self) {
        self.program.remove().await;
        std::fs::remove_file(&self.path).unwrap();
    }
}

const NOWHERE: &str = "http://127.0.0.1:1";

fn request(text: &str, locale: &str, attachments: Value) -> String {
    json!({"body": text, "locale": locale, "attachments": attachments}).to_string()
}

fn audio() -> Value {
    json!({"media_type": "audio/ogg", "data": "T2dnUwA="})
}

/// A service that hears this.
async fn hears(text: &'static str) -> Stub {
    Stub::start(move |_| Act::json(json!({"text": text}))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_answered_as_what_is_said_in_it_and_heard_once() {
    let ears = hears("where is my order, please").await;
    let bot = Bot::new(&ears.url, NOWHERE, false);
    let worker = bot.program.start_ready();
    let mut client = bot.client().await;
    let reply = client.ask("request", &request("", "en", json!([audio()]))).await;
    assert_eq!(reply.text(), Some("It is on its way."), "{}", reply.json);
    assert_eq!(reply.json["intent"]["name"], "order_status");
    // The message went by its intent's queue, and what was said in it went along.
    let seen = ears.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/audio/transcriptions");
    assert!(seen[0].headers.contains("content-type: multipart/form-data; boundary="), "{}", seen[0].headers);
    drop(worker);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_gets_what_is_said_beside_the_message_as_it_was_sent() {
    let ears = hears("再见").await;
    let bot = Bot::new(&ears.url, NOWHERE, false);
    let worker = bot.program.start_ready();
    let client = bot.client().await;
    let body = request("", "zh", json!([audio()]));
    client.publish("request", client.properties("1"), body.as_bytes()).await;
    let taken = client.take(&format!("{}.intent.goodbye", bot.program.names.exchange())).await;
    assert_eq!(taken.data, body.as_bytes());
    let classification: Value = serde_json::from_str(&header(&taken, "chatbot-classification").unwrap()).unwrap();
    assert_eq!(classification["transcript"], "再见", "{classification}");
    drop(worker);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_hears_it_is_tried_again_then_kept_and_can_be_replayed() {
    let is_away = Arc::new(AtomicBool::new(true));
    let ears = Stub::start({
        let is_away = Arc::clone(&is_away);
        move |_| match is_away.load(Ordering::SeqCst) {
            true => Act::status(503),
            false => Act::json(json!({"text": "收到的东西坏了"})),
        }
    })
    .await;
    let bot = Bot::new(&ears.url, NOWHERE, false);
    let bot = Bot { program: bot.program.with("CHATBOT_EARS_RETRIES", "off"), ..bot };
    let worker = bot.program.start_ready();
    let mut client = bot.client().await;
    let body = request("", "zh", json!([audio()]));
    client.publish("request", client.properties("1").with_message_id(short("m-1")), body.as_bytes()).await;
    let reply = client.next().await;
    assert_eq!((reply.code(), &reply.json["error"]["retryable"]), (Some("model_unavailable"), &json!(true)));
    assert!(reply.json["error"]["message"].as_str().unwrap().contains("ears"), "{}", reply.json);
    assert_eq!(ears.seen().len(), 2, "once, and once again after the delay");
    is_away.store(false, Ordering::SeqCst);
    let replayed = bot.program.run(&["dead", "replay", "--all"]);
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    assert_eq!(client.next().await.text(), Some("很抱歉。"));
    drop(worker);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_the_service_refuses_is_told_in_words() {
    let ears = Stub::start(|_| Act::status(400)).await;
    let bot = Bot::new(&ears.url, NOWHERE, false);
    let worker = bot.program.start_ready();
    let mut client = bot.client().await;
    let reply = client.ask("request", &request("", "zh-CN", json!([audio()]))).await;
    assert_eq!(reply.text(), Some("我没听清语音。请用文字告诉我。"), "{}", reply.json);
    assert_eq!((&reply.json["locale"], &reply.json["intent"]["name"]), (&json!("zh"), &json!("help_info")));
    let reply = client.ask("request", &request("it came broken", "en", json!([audio()]))).await;
    assert_eq!(reply.text(), Some("We are sorry.\n\n(I couldn't make out the recording.)"), "{}", reply.json);
    drop(worker);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_goes_to_a_model_that_looks_at_it() {
    let eyes = Stub::start(|_| Act::completion("That is a kettle.")).await;
    let bot = Bot::new(NOWHERE, &eyes.url, true);
    let worker = bot.program.start_ready();
    let mut client = bot.client().await;
    let data = "data:image/png;base64,iVBORw0KGgo=";
    // As OpenAI's clients send it, too.
    for picture in [json!({"url": data}), json!({"media_type": "image/png", "data": "iVBORw0KGgo="})] {
        let reply = client.ask("request", &request("", "en", json!([picture]))).await;
        assert_eq!(reply.text(), Some("That is a kettle."), "{}", reply.json);
        assert_eq!((&reply.json["handler"], &reply.json["intent"]["fallback"]), (&json!("llm"), &json!(true)));
        assert_eq!(reply.json.get("model"), None, "nothing was classified: {}", reply.json);
        let messages = eyes.seen().pop().unwrap().body["messages"].clone();
        let content = messages.as_array().unwrap().last().unwrap()["content"].clone();
        assert_eq!(content, json!([{"type": "image_url", "image_url": {"url": data}}]));
    }
    drop(worker);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_refused_in_words_and_never_dropped_in_silence() {
    let eyes = Stub::start(|_| Act::completion("What do you mean?")).await;
    let bot = Bot::new(NOWHERE, &eyes.url, false);
    let worker = bot.program.start_ready();
    let mut client = bot.client().await;
    let picture = || json!([{"media_type": "image/png", "data": "iVBORw0KGgo="}]);
    let reply = client.ask("request", &request("", "zh", picture())).await;
    assert_eq!(reply.text(), Some("我看不了图片。请用文字告诉我。"), "{}", reply.json);
    assert!(eyes.seen().is_empty());
    let reply = client.ask("intent.complaint", &request("收到的东西坏了", "zh", picture())).await;
    assert_eq!(reply.text(), Some("很抱歉。\n\n（我看不了图片。）"), "{}", reply.json);
    // One that can't be read isn't guessed at.
    let broken = json!([{"media_type": "image/png", "data": "SECRET!"}]);
    let reply = client.ask("request", &request("hello", "en", broken)).await;
    assert_eq!(reply.json["error"]["message"], "'attachments[0].data' isn't Base64", "{}", reply.json);
    drop(worker);
    bot.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_from_where_it_may_not_be() {
    let (inner, eyes) = (hears("secret").await, Stub::start(|_| Act::completion("A kettle.")).await);
    let picture = |host: &str| json!([{"media_type": "image/png", "url": format!("{host}/a.png?key=SECRET")}]);
    let told = Some("I couldn't fetch the picture. Please tell me in words.");
    // No host is allowed; then one is whose address is this machine's.
    for (hosts, why) in [("", "the host '127.0.0.1' isn't among CHATBOT_ATTACHMENTS_HOSTS"), (&inner.url, "no public")]
    {
        let bot = Bot::new(NOWHERE, &eyes.url, true);
        let bot = Bot { program: bot.program.with("CHATBOT_ATTACHMENTS_HOSTS", hosts), ..bot };
        let mut worker = bot.program.start_ready();
        let mut client = bot.client().await;
        let reply = client.ask("request", &request("", "en", picture(&inner.url))).await;
        assert_eq!(reply.text(), told, "{}", reply.json);
        let line = worker.until("an attachment wasn't fetched");
        assert!(line.contains(why) && !line.contains("SECRET"), "{line}");
        worker.signal("TERM");
        let (_, log) = worker.end();
        assert!(!log.contains("SECRET"), "{log}");
        bot.end().await;
    }
    assert!(inner.seen().is_empty() && eyes.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_along_with_a_question_of_the_command_line() {
    let (ears, eyes) = (hears("it came broken").await, Stub::start(|_| Act::completion("A kettle.")).await);
    let bot = Bot::new(&ears.url, &eyes.url, true);
    let file = |name: &str| {
        let path = bot.path.with_extension(name);
        std::fs::write(&path, "not really").unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ogg, png) = (file("ogg"), file("png"));
    let worker = bot.program.start_ready();
    for command in ["ask", "try"] {
        let reply = &bot.program.run(&[command, "--format=json", "--attach", &ogg]).json_lines()[0];
        assert_eq!((&reply["body"], &reply["handler"]), (&json!("We are sorry."), &json!("template")), "{reply}");
        let reply = &bot.program.run(&[command, "--format=json", "--attach", &png]).json_lines()[0];
        assert_eq!(reply["body"], "A kettle.", "{reply}");
    }
    bot.program.run(&["ask", "--attach", "/nowhere/a.png"]).failed(64, &["/nowhere/a.png"]);
    drop(worker);
    for path in [ogg, png] {
        std::fs::remove_file(path).unwrap();
    }
    bot.end().await;
}

#[test]
fn a_service_that_hears_and_is_not_there_is_told_with_what_to_set() {
    let bot = Bot::new(NOWHERE, NOWHERE, false);
    let without = bot.program.without("CHATBOT_EARS_KIND").without("CHATBOT_EARS_URL");
    without
        .run(&["try", "x"])
        .failed(78, &["line 3, column 17", "there is no service 'ears': set CHATBOT_EARS_KIND to transcription"]);
    std::fs::remove_file(&bot.path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_looks_at_is_told_where_the_bot_asks_as_well() {
    let worker = people(Bench::new()).conversations(Arc::new(Kept::default())).start().await;
    let mut client = worker.client().await;
    let picture = json!([{"media_type": "image/png", "data": "aGk="}]);
    let asked = json!({"body": "refund please", "locale": "en", "conversation": "c", "attachments": picture});
    let answer = client.ask("request", &asked.to_string()).await.json;
    assert_eq!(answer["state"]["status"], "asking");
    let (question, told) = answer["body"].as_str().unwrap().split_once("\n\n").unwrap();
    assert_eq!(question, "Which order?");
    assert!(told.contains("picture"), "{told}");
    worker.stop().await;
}
