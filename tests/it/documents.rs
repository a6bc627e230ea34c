//! Documents with a fault, and documents whose service of vectors is away: what the operator is told, and what users read
//! meanwhile.

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
    stub::{Act, Stub},
    support::{Client, broker_url, eventually},
};

/// A bot whose documents are helped by a service of embeddings.
const EMBEDDED: &str = r#"
fallback = "help_info"
[knowledge.help]
paths = ["help/*.md", "faq.csv", "more.jsonl"]
embeddings = "vectors"
[intents.help_info]
handler = ["search", "template"]
search.knowledge = "help"
reply.en = "I don't know that."
"#;

/// The program of [`EMBEDDED`], with documents without a fault; without a service's address, without the service.
fn documents(vectors: Option<&str>) -> (Program, PathBuf) {
    let program = Program::new();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-documents", program.names.exchange()));
    std::fs::create_dir_all(folder.join("help")).unwrap();
    let mut program = program
        .with("CHATBOT_INTENTS_PATH", folder.join("bot.toml").to_str().unwrap())
        .with("CHATBOT_INTENTS_WATCH", "100ms");
    let mut bot = EMBEDDED.to_owned();
    match vectors {
        Some(url) => {
            program = program.with("CHATBOT_VECTORS_KIND", "embeddings").with("CHATBOT_VECTORS_URL", url);
        }
        None => bot = bot.replace("embeddings = \"vectors\"\n", ""),
    }
    std::fs::write(folder.join("bot.toml"), bot).unwrap();
    for (name, text) in [
        ("help/returns.md", "# Returns\n\nA kettle can be returned within 30 days of delivery, unused.\n"),
        ("faq.csv", "question,answer\nDo you ship abroad?,\"We ship to Japan, and to no other country.\"\n"),
        ("more.jsonl", "{\"question\": \"When are you open?\", \"answer\": \"From nine to five on every weekday.\"}\n"),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    (program, folder)
}

#[test]
fn documents_with_a_fault_keep_a_worker_from_starting_and_are_told_with_file_line_and_remedy() {
    for (name, text, said) in [
        (
            "faq.csv",
            "question,answer\nHow late is it?,Five.\nDo you ship abroad?,\"We ship\n",
            &["faq.csv", "line 3"][..],
        ),
        ("faq.csv", "question,answer\nDo you ship abroad?\n", &["faq.csv", "line 2"]),
        (
            "more.jsonl",
            "{\"question\": \"When?\", \"answer\": \"Now.\"}\n{\"question\": \"Who?\", \"answ\n",
            &["more.jsonl", "line 2"],
        ),
        ("more.jsonl", "{\"question\": \"When?\"}\n", &["more.jsonl", "line 1"]),
    ] {
        let (program, folder) = documents(None);
        std::fs::write(folder.join(name), text).unwrap();
        let (code, log) = program.start().end();
        assert_eq!(code, Some(78), "{name}: {log}");
        for words in said {
            assert!(log.contains(words), "{words:?} isn't told: {log}");
        }
        assert!(!log.contains("panicked"), "{log}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_get_a_fault_go_on_as_they_were_and_the_fault_is_told_once() {
    let (program, folder) = documents(None);
    let mut worker = program.start_ready();
    let mut client = Client::new(&broker_url(), &program.names).await;
    std::fs::write(folder.join("more.jsonl"), "{\"question\": \"When are you open?\", \"answ\n").unwrap();
    worker.until("the one before serves on");
    let told = worker.until("more.jsonl");
    assert!(told.contains("line 1"), "{told}");
    for _ in 0..3 {
        let reply = client.ask("request", "when are you open").await;
        assert_eq!(reply.text(), Some("From nine to five on every weekday."), "{}", reply.json);
    }
    // Mended, it serves; and until then the fault was told once, however often the file was looked at.
    std::fs::write(folder.join("more.jsonl"), "{\"question\": \"When are you open?\", \"answer\": \"At night.\"}\n")
        .unwrap();
    worker.until("reloaded: the new bot serves");
    let reply = client.ask("request", "when are you open").await;
    assert_eq!(reply.text(), Some("At night."), "{}", reply.json);
    worker.signal("TERM");
    let (_, log) = worker.end();
    assert_eq!(log.matches("the one before serves on").count(), 1, "{log}");
    program.remove().await;
    std::fs::remove_dir_all(folder).unwrap();
}

/// A vector that is near to others of the same subject, whatever the words.
fn vector(text: &str) -> Value {
    let has = |words: &[&str]| f32::from(u8::from(words.iter().any(|word| text.contains(word))));
    json!([has(&["returned", "back"]), has(&["ship", "abroad"]), has(&["open", "weekday"]), 0.1])
}

#[tokio::test(flavor = "multi_thread")]
async fn words_find_while_the_service_of_vectors_is_away_and_its_vectors_help_when_it_is_back() {
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let vectors = Stub::start(move |seen| {
        if is_away.load(Ordering::SeqCst) {
            return Act::Reset;
        }
        let texts = seen.body["input"].as_array().unwrap();
        let one = |(index, text): (usize, &Value)| json!({"index": index, "embedding": vector(text.as_str().unwrap())});
        Act::json(json!({"data": texts.iter().enumerate().map(one).collect::<Vec<_>>()}))
    })
    .await;
    let (program, folder) = documents(Some(&vectors.url));
    let mut worker = program.start();
    let address = worker.address();
    let told = worker.until("until it is back, documents are found without its vectors");
    assert!(told.contains("knowledge=\"help\"") && told.contains("'vectors' can't be reached"), "{told}");
    let health = Program::new().with("CHATBOT_HTTP_LISTEN", &address);
    eventually("readiness", || async { (health.run(&["health"]).code == Some(0)).then_some(()) }).await;
    let mut client = Client::new(&broker_url(), &program.names).await;
    let asked =
        |stub: &Stub| stub.seen().iter().filter(|seen| seen.body.to_string().contains("ship abroad?\"]")).count();
    for _ in 0..3 {
        let reply = client.ask("request", "do you ship abroad?").await;
        assert_eq!(reply.json["handler"], "search", "{}", reply.json);
        assert_eq!(reply.text(), Some("We ship to Japan, and to no other country."));
    }
    assert_eq!(asked(&vectors), 0, "without the passages' vectors a question's is of no use");
    away.store(false, Ordering::SeqCst);
    worker.until("the documents have the service's vectors");
    let reply = client.ask("request", "do you ship abroad?").await;
    assert_eq!(reply.text(), Some("We ship to Japan, and to no other country."));
    eventually("the question's vector", || async { (asked(&vectors) == 1).then_some(()) }).await;
    // It goes away again, and comes back: each question is answered all the same, and either is told once.
    away.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let reply = client.ask("request", "do you ship abroad?").await;
        assert_eq!(reply.text(), Some("We ship to Japan, and to no other country."));
    }
    worker.until("until it is back, documents are found without its vectors");
    away.store(false, Ordering::SeqCst);
    client.ask("request", "do you ship abroad?").await;
    worker.until("the service of the documents' vectors is back");
    worker.signal("TERM");
    let (_, log) = worker.end();
    assert_eq!(log.matches("until it is back").count(), 2, "once each time: {log}");
    program.remove().await;
    std::fs::remove_dir_all(folder).unwrap();
}
