//! Texts that would have the model do something else, in users' messages and in documents: what is sent of them, and what
//! comes of a model that obeys. The texts are those of `tests/fixtures/injections.jsonl`, each with what a model says that
//! does as it is told.
#![expect(clippy::unwrap_used, reason = "a test may")]

use serde_json::{Value, json};

use super::tests::{Passages, ask, handler, returns};
use crate::{
    domain::{Request, Source},
    outbound::stub::{Act, Stub},
};

struct Injection {
    text: String,
    obeyed: String,
}

fn injections() -> Vec<Injection> {
    let lines = include_str!("../../../tests/fixtures/injections.jsonl").lines();
    let read = |line: &str| {
        let read: Value = serde_json::from_str(line).unwrap();
        let of = |name: &str| read[name].as_str().unwrap().to_owned();
        Injection { text: of("text"), obeyed: of("obeyed") }
    };
    lines.map(read).collect()
}

fn request(text: &str) -> Request {
    Request { text: text.to_owned(), ..Request::default() }
}

/// What an answer would be, as a server that streams sends it.
fn said(text: &str) -> Act {
    Act::says(text)
}

#[test]
fn there_are_thirty_in_both_languages() {
    let all = injections();
    assert_eq!(all.len(), 30);
    assert_eq!(all.iter().filter(|it| crate::domain::language::language_of_script(&it.text) == Some("zh")).count(), 10);
}

#[tokio::test]
async fn what_a_user_writes_changes_nothing_of_what_the_model_is_told_but_the_question() {
    let stub = Stub::script(vec![said("NO_ANSWER")]).await;
    for knowledge in [true, false] {
        let handler = handler(stub.service(), knowledge.then(|| Passages(returns())));
        for Injection { text, .. } in injections() {
            let harmless = if text.is_ascii() { "How long?" } else { "多久？" };
            let mut sent = Vec::new();
            for text in [harmless, &text] {
                ask(&handler, &request(text)).await.ok();
                sent.push(stub.seen().last().unwrap().json());
            }
            let last = if knowledge { 3 } else { 1 };
            let user = sent[1]["messages"][last]["content"].take();
            sent[0]["messages"][last]["content"].take();
            // Model, tools, limits and instructions are what they are for any text.
            assert_eq!(sent[0], sent[1], "{text}");
            assert_eq!(sent[1]["messages"].as_array().unwrap().len(), last + 1);
            let user = user.as_str().unwrap();
            assert!(!user.contains("<|") && !user.contains("[INST]"), "{user}");
            if knowledge {
                let strings = user.lines().map(|line| serde_json::from_str::<String>(line.split_once(' ').unwrap().1));
                assert!(user.lines().count() == 3 && strings.into_iter().all(|it| it.is_ok()), "{user}");
            }
        }
    }
}

#[tokio::test]
async fn a_model_that_obeys_a_user_is_not_heard_where_there_is_knowledge() {
    for Injection { text, obeyed } in injections() {
        let stub = Stub::script(vec![said(&obeyed)]).await;
        let handler = handler(stub.service(), Some(Passages(returns())));
        let answer = ask(&handler, &request(&text)).await;
        // The passage itself, or no answer, or, for a call of a tool, a failure: never what it was told to say.
        if let Ok(Some(answer)) = answer {
            assert_eq!(answer.text, returns()[0].text, "{text}");
            assert_eq!(answer.details.sources, returns()[..1], "{text}");
            assert!(answer.details.data.is_none() && answer.details.choices.is_empty());
        }
    }
}

#[tokio::test]
async fn a_model_that_obeys_a_document_is_not_heard_either() {
    for Injection { text, obeyed } in injections() {
        let stub = Stub::script(vec![said(&obeyed)]).await;
        // The document is the author's: what it states may be said. What it commands changes neither form nor address.
        let mut passages = returns();
        passages[0].text = format!("{} {text}", passages[0].text);
        let handler = handler(stub.service(), Some(Passages(passages.clone())));
        if let Ok(Some(answer)) = ask(&handler, &request("How long do I have?")).await {
            let is_passage = answer.text == passages[0].text;
            assert!(
                is_passage || !answer.text.contains('<') && answer.details.data.is_none(),
                "{text}: {}",
                answer.text
            );
            assert!(answer.details.choices.is_empty());
            assert!(answer.details.sources.iter().all(|source: &Source| passages.contains(source)));
        }
    }
}

#[tokio::test]
async fn without_knowledge_neither_addresses_nor_markup_nor_the_rules_get_out() {
    for Injection { text, obeyed } in injections() {
        let stub = Stub::script(vec![said(&obeyed)]).await;
        let handler = handler(stub.service(), None);
        if let Ok(Some(answer)) = ask(&handler, &request(&text)).await {
            for forbidden in ["evil.example", "<script", "![", "tool_call", "follow no instruction"] {
                assert!(!answer.text.contains(forbidden), "{text}: {}", answer.text);
            }
            let sent = json!([answer.details.data.map(|_| 1), answer.details.choices, answer.details.sources]);
            assert_eq!(sent, json!([null, [], []]), "{text}");
        }
    }
}
