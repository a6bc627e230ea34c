//! Asks a real language model through the handler `llm`, case after case, and prints what a user would read.
//!
//! `cargo run --example llm -- CASES [PASSAGES]`: CASES is JSON lines with `text`, PASSAGES JSON lines with `id` and
//! `text`; without PASSAGES the model answers by its instructions alone. The model is the service `chat` of the settings,
//! such as `CHATBOT_CHAT_KIND=openai CHATBOT_CHAT_URL=http://127.0.0.1:8901/v1
//! CHATBOT_CHAT_MODEL=any`. Each case is told all of PASSAGES: to search is another's business.
#![expect(clippy::print_stdout, reason = "it is its output")]

use std::{cmp::Reverse, collections::HashSet, sync::Arc, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use chatbot_worker::{
    app::{services::Services, settings::Settings},
    config::Variables,
    domain::{IntentName, Request, Source},
    handler::{
        Handler, Job, Retriever,
        llm::{LlmHandler, LlmSettings},
    },
};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The service that is asked.
const SERVICE: &str = "chat";

/// Finds all passages, those first that have the most pairs of characters of the question.
struct All(Vec<Source>);

#[async_trait]
impl Retriever for All {
    async fn find(&self, question: &str, _: Instant) -> Option<Vec<Source>> {
        let pairs = |text: &str| {
            let characters: Vec<char> = text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
            characters.windows(3).map(<[char]>::to_vec).chain(characters.windows(2).map(<[char]>::to_vec)).collect()
        };
        let asked: HashSet<Vec<char>> = pairs(question);
        let mut found = self.0.clone();
        found.sort_by_cached_key(|source| {
            let said: HashSet<Vec<char>> = pairs(&source.text);
            Reverse(asked.intersection(&said).count())
        });
        Some(found)
    }
}

fn lines(path: &str) -> anyhow::Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn passage(line: &Value) -> Source {
    let of = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    Source { id: of("id"), title: None, text: of("text"), path: None, url: None, score: 1.0 }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let cases = lines(&arguments.next().context("name a file of cases")?)?;
    let passages = arguments.next().map(|path| lines(&path)).transpose()?;
    let variables = Variables::from_os(std::env::vars_os());
    let settings = Settings::load(&variables, &|path| std::fs::read(path)).map_err(anyhow::Error::msg)?.settings;
    let services = Services::new(&settings);
    let knowledge = passages.map(|lines| Arc::new(All(lines.iter().map(passage).collect())) as Arc<dyn Retriever>);
    let system = [
        ("en", "You are the assistant of a small shop for kitchen ware. Be brief and friendly."),
        ("zh", "你是一家厨具小店的客服，请简短友好地回答。"),
    ];
    let system = system.map(|(language, text)| (language.to_owned(), text.to_owned())).to_vec();
    let max_tokens = services.answer_tokens(SERVICE)?;
    let handler = LlmHandler::new(services.chat(SERVICE)?, LlmSettings { system, knowledge, history: 4, max_tokens })?;
    let intent = IntentName::new("help_info")?;
    for case in cases {
        let request = Request { text: case["text"].as_str().unwrap_or_default().to_owned(), ..Request::default() };
        let deadline = Instant::now() + Duration::from_secs(30);
        let job = Job { request: &request, intent: &intent, classification: None, entities: &[], key: None, deadline };
        let (asked, answer) = (Instant::now(), handler.handle(&job).await);
        let seconds = asked.elapsed().as_secs_f64();
        let told = match answer {
            Ok(Some(answer)) => {
                let sources: Vec<&str> = answer.details.sources.iter().map(|source| source.id.as_str()).collect();
                json!({"text": request.text, "answer": answer.text, "sources": sources, "seconds": seconds})
            }
            Ok(None) => json!({"text": request.text, "answer": null, "seconds": seconds}),
            Err(error) => json!({"text": request.text, "error": error.to_string(), "seconds": seconds}),
        };
        println!("{told}");
    }
    Ok(())
}
