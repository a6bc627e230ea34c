//! What a user reads when a service has a fault: a bot that asks each service in two ways, by a list of handlers whose next
//! one answers, and by the language model alone.

use std::path::PathBuf;

use chatbot_worker::amqp::WorkQueue;
use lapin::options::QueueDeleteOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    cli::program::{Process, Program},
    stub::{Act, Seen, Stub},
    support::{Arrived, Client, broker_url, header, intent, short},
};

/// The services of the bot; each is asked by an intent of its name with a list, and by one with the model alone.
const SERVICES: [&str; 4] = ["any", "down", "busy", "dear"];

/// What the next handler, and the fallback, say.
const NEXT: &str = "Please call us.";
const FALLBACK: &str = "I don't know that.";

/// So many that what they don't say is known.
const HELP: &str = "question,answer\n\
    How long can I return a kettle?,A kettle can be returned within thirty days of delivery.\n\
    Do you ship abroad?,We ship to Japan and to no other country.\n\
    When is the hotline staffed?,From nine to five on every weekday.\n\
    Is there a warranty on shavers?,Shavers have a warranty of two years on the motor.\n\
    How do I get an invoice?,An electronic invoice is sent by mail after payment.\n\
    When do gift cards expire?,They expire three years after they were bought.\n";

/// The answers of [`service`] when nothing is wrong.
const WELL: &str = "I hear you.";

fn bot() -> String {
    let of = |service: &str| {
        format!(
            "[intents.{service}_list]\nhandler = [\"search\", \"llm\", \"template\"]\nsearch.knowledge = \"help\"\n\
             llm.service = \"{service}\"\nllm.system.en = \"Be brief.\"\nreply.en = \"{NEXT}\"\n\
             [intents.{service}_alone]\nhandler = \"llm\"\nllm.service = \"{service}\"\nllm.system.en = \"Be brief.\"\n"
        )
    };
    let help = format!(
        "[knowledge.help]\npaths = [\"faq.csv\"]\n[intents.help_info]\nhandler = [\"search\", \"template\"]\nsearch.knowledge = \"help\"\nreply.en = \"{FALLBACK}\"\n"
    );
    format!("fallback = \"help_info\"\n{help}{}", SERVICES.map(of).concat())
}

/// What the service does, by what the user says.
fn service(seen: &Seen) -> Act {
    let said = seen.body["messages"].to_string();
    let with = |content: Value, refusal: Value, finish: &str| {
        let message = json!({"role": "assistant", "content": content, "refusal": refusal});
        Act::json(json!({"choices": [{"message": message, "finish_reason": finish}]}))
    };
    let is = |fault: &str| said.contains(&format!("fault {fault}"));
    if is("slow") {
        Act::Hang
    } else if is("halfway") {
        Act::HangInTheBody
    } else if is("broken") {
        Act::CutOff("application/json", "{\"choices\":[{\"message\":{\"content\":\"You get half")
    } else if is("torn") {
        // As it is being written: half of it has come.
        Act::CutOff("text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"You get half\"}}]}\n\n")
    } else if is("long") {
        with("You get half".into(), Value::Null, "length")
    } else if is("empty") {
        with("".into(), Value::Null, "stop")
    } else if is("refused") {
        with(Value::Null, "I can't help with that.".into(), "stop")
    } else if is("page") {
        Act::Answer(200, "", "<!doctype html><p>Welcome to the proxy".to_owned())
    } else if is("nonsense") {
        Act::Answer(200, "", "{\"hello\": [\"world\"".to_owned())
    } else {
        with(WELL.into(), Value::Null, "stop")
    }
}

/// A worker, a client, and the services.
struct Scene {
    program: Program,
    folder: PathBuf,
    worker: Process,
    address: String,
    client: Client,
    any: Stub,
    busy: Stub,
    dear: Stub,
}

impl Scene {
    async fn start() -> Self {
        let any = Stub::start(service).await;
        let busy = Stub::start(|_| Act::Answer(429, "retry-after: 120\r\n", "{}".to_owned())).await;
        let dear = Stub::start(|_| {
            let message = json!({"role": "assistant", "content": WELL});
            let usage = json!({"prompt_tokens": 90, "completion_tokens": 20});
            Act::json(json!({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}))
        })
        .await;
        let mut program = Program::new();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-services", program.names.exchange()));
        std::fs::create_dir_all(&folder).unwrap();
        program = program
            .with("CHATBOT_INTENTS_PATH", folder.join("bot.toml").to_str().unwrap())
            .with("CHATBOT_RETRY_DELAYS", "20ms,40ms")
            .with("CHATBOT_DEAR_TOKENS_A_DAY", "100");
        let urls = [any.url.as_str(), "http://127.0.0.1:1", &busy.url, &dear.url];
        for (service, url) in SERVICES.into_iter().zip(urls) {
            let name = service.to_uppercase();
            program = program
                .with(&format!("CHATBOT_{name}_KIND"), "openai")
                .with(&format!("CHATBOT_{name}_URL"), url)
                .with(&format!("CHATBOT_{name}_MODEL"), "m")
                // That it is left alone after several faults is another test's.
                .with(&format!("CHATBOT_{name}_BREAKER_FAILURES"), "1000");
        }
        program = program.with("CHATBOT_ANY_ANSWER_TIMEOUT", "1s");
        std::fs::write(folder.join("faq.csv"), HELP).unwrap();
        std::fs::write(folder.join("bot.toml"), bot()).unwrap();
        let mut worker = program.start();
        let address = worker.address();
        worker.until(" ready ");
        let client = Client::new(&broker_url(), &program.names).await;
        Self { program, folder, worker, address, client, any, busy, dear }
    }

    /// Asks an intent.
    async fn ask(&mut self, intent: &str, text: &str) -> Arrived {
        self.client.ask(&format!("intent.{intent}"), text).await
    }

    async fn end(self) {
        drop(self.worker);
        remove(&self.program, &self.client, &SERVICES.map(|it| [format!("{it}_list"), format!("{it}_alone")]).concat())
            .await;
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Takes what the worker declared from the broker, with the queues of these intents.
async fn remove(program: &Program, client: &Client, intents: &[String]) {
    for name in intents {
        let queue = program.names.queue(&WorkQueue::Intent(intent(name)));
        for queue in [chatbot_worker::amqp::Names::dead(&queue), queue] {
            client.channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await.unwrap();
        }
    }
    program.remove().await;
}

/// The value of a metric whose line holds all of these words; 0 where there is none.
async fn metric(address: &str, words: &[&str]) -> f64 {
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut metrics = String::new();
    connection.read_to_string(&mut metrics).await.unwrap();
    let is_it = |line: &&str| !line.starts_with('#') && words.iter().all(|word| line.contains(word));
    metrics.lines().filter(is_it).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// The faults of a service that answers something, each with its word for metrics.
const FAULTS: [(&str, &str); 9] = [
    ("slow", "timeout"),
    ("halfway", "timeout"),
    ("broken", "unreachable"),
    ("torn", "unreachable"),
    ("long", "ok"),
    ("empty", "bad_answer"),
    ("refused", "refused"),
    ("page", "denied"),
    ("nonsense", "bad_answer"),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_language_model_the_next_handler_answers() {
    let mut scene = Scene::start().await;
    // The whole way is there, so that what follows is the fault's doing.
    let reply = scene.ask("any_list", "how long can I return a kettle?").await;
    assert_eq!(reply.json["handler"], "search", "{}", reply.json);
    let reply = scene.ask("any_list", "hello there").await;
    assert_eq!((&reply.json["handler"], reply.text()), (&json!("llm"), Some(WELL)), "{}", reply.json);

    for (fault, result) in FAULTS {
        let words = ["chatbot_backend_requests_total", "model=\"any\"", &format!("result=\"{result}\"")];
        let before = metric(&scene.address, &words).await;
        let reply = scene.ask("any_list", &format!("fault {fault}")).await;
        assert_eq!((&reply.json["handler"], reply.text()), (&json!("template"), Some(NEXT)), "{fault}: {}", reply.json);
        assert_eq!(reply.json["intent"]["name"], "any_list", "{fault}");
        assert_eq!(metric(&scene.address, &words).await, before + 1.0, "{fault}: {result}");
    }
    for service in ["down", "busy"] {
        for _ in 0..2 {
            let reply = scene.ask(&format!("{service}_list"), "hello there").await;
            assert_eq!((&reply.json["handler"], reply.text()), (&json!("template"), Some(NEXT)), "{}", reply.json);
        }
    }
    assert_eq!(scene.busy.seen().len(), 1, "it asked to be left alone, and is");
    let throttled = ["chatbot_backend_requests_total", "model=\"busy\"", "result=\"throttled\""];
    assert_eq!(metric(&scene.address, &throttled).await, 1.0);
    // One answer is within the budget; what it cost is more than all of it.
    let reply = scene.ask("dear_list", "hello there").await;
    assert_eq!((reply.text(), &reply.json["usage"]["input_tokens"]), (Some(WELL), &json!(90)), "{}", reply.json);
    for _ in 0..2 {
        let reply = scene.ask("dear_list", "hello there").await;
        assert_eq!((&reply.json["handler"], reply.text()), (&json!("template"), Some(NEXT)), "{}", reply.json);
    }
    assert_eq!(scene.dear.seen().len(), 1, "nothing is spent beyond the budget");
    assert_eq!(metric(&scene.address, &["chatbot_service_tokens_today", "\"dear\""]).await, 110.0);
    let told = scene.worker.until("has used up its tokens for today");
    assert!(told.contains("service=\"dear\"") && told.contains("tokens_a_day=100"), "{told}");
    scene.worker.signal("TERM");
    let Scene { program, folder, worker, client, .. } = scene;
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("has used up its tokens for today").count(), 1, "{log}");
    for fault in [
        "it answered with a page of HTML: is the address right?",
        "no whole answer within its ANSWER_TIMEOUT of",
        "it answered 429",
    ] {
        assert!(log.contains(fault), "{fault}: {log}");
    }
    assert!(!log.contains("fault slow") && !log.contains("hello there"), "a user's text is in the log: {log}");
    remove(&program, &client, &SERVICES.map(|it| [format!("{it}_list"), format!("{it}_alone")]).concat()).await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_model_alone_is_tried_again_where_that_may_help_and_else_the_fallback_answers() {
    let mut scene = Scene::start().await;
    for (fault, _) in FAULTS {
        let reply = scene.ask("any_alone", &format!("fault {fault}")).await;
        let code = match fault {
            "slow" | "halfway" => "timeout",
            "broken" | "torn" | "page" => "model_unavailable",
            // This text has no answer of the model's, whoever asks again.
            _ => {
                assert_eq!(reply.text(), Some(FALLBACK), "{fault}: {}", reply.json);
                assert_eq!(reply.json["intent"]["name"], "help_info", "{fault}: {}", reply.json);
                continue;
            }
        };
        assert_eq!(
            (reply.code(), &reply.json["error"]["retryable"]),
            (Some(code), &json!(true)),
            "{fault}: {}",
            reply.json
        );
        let said = reply.json["error"]["message"].as_str().unwrap();
        assert!(said.contains("'any_alone'") && !said.contains("half") && !said.contains("proxy"), "{fault}: {said}");
        let letter = scene.client.dead_letter(&WorkQueue::Intent(intent("any_alone"))).await;
        assert_eq!(header(&letter, "chatbot-dead-reason").as_deref(), Some(code), "{fault}");
        let asked =
            scene.any.seen().iter().filter(|seen| seen.body.to_string().contains(&format!("fault {fault}"))).count();
        // Each attempt asks a broken connection twice; a second time is no good where the time is up or all is turned away.
        let expected = if matches!(fault, "broken" | "torn") { 6 } else { 3 };
        assert_eq!(asked, expected, "{fault}: three attempts");
    }
    for (service, said) in [("down", "can't be reached"), ("busy", "failed too often and is left alone")] {
        let reply = scene.ask(&format!("{service}_alone"), "hello there").await;
        assert_eq!(reply.code(), Some("model_unavailable"), "{}", reply.json);
        let message = reply.json["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{service}: {message}");
    }
    assert_eq!(scene.busy.seen().len(), 1, "it asked to be left alone, and is, for all three attempts");
    let reply = scene.ask("dear_alone", "hello there").await;
    assert_eq!(reply.text(), Some(WELL), "{}", reply.json);
    let reply = scene.ask("dear_alone", "hello there").await;
    assert_eq!(reply.code(), Some("model_unavailable"), "{}", reply.json);
    let message = reply.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("has used up its tokens for today"), "{message}");
    assert_eq!(scene.dear.seen().len(), 1);
    scene.end().await;
}
