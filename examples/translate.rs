//! Has a real language model translate through the handler `translate`, case after case, and prints what a user would
//! read: `cargo run --example translate -- CASES`, JSON lines with `text`. The model is the service `chat` of the settings,
//! as in the example `llm`.
#![expect(clippy::print_stdout, reason = "it is its output")]

use std::time::Duration;

use anyhow::Context;
use chatbot_worker::{
    app::{services::Services, settings::Settings},
    config::Variables,
    domain::{IntentName, Request},
    handler::{
        Handler, Job,
        translate::{TranslateHandler, TranslateSettings},
    },
};
use serde_json::{Value, json};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("name a file of cases")?;
    let cases = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let variables = Variables::from_os(std::env::vars_os());
    let settings = Settings::load(&variables, &|path| std::fs::read(path)).map_err(anyhow::Error::msg)?.settings;
    let services = Services::new(&settings);
    let translated = TranslateSettings { to: None, glossary: Vec::new(), max_tokens: services.answer_tokens("chat")? };
    let handler = TranslateHandler::new(services.chat("chat")?, translated);
    let intent = IntentName::new("translate")?;
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case)?;
        let request = Request { text: case["text"].as_str().unwrap_or_default().to_owned(), ..Request::default() };
        let deadline = Instant::now() + Duration::from_secs(30);
        let job = Job { request: &request, intent: &intent, classification: None, entities: &[], key: None, deadline };
        let answer = match handler.handle(&job).await {
            Ok(answer) => json!(answer.map(|answer| answer.text)),
            Err(error) => json!({"error": error.to_string()}),
        };
        println!("{}", json!({"text": request.text, "answer": answer}));
    }
    Ok(())
}
