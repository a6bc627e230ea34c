//! A language model as it is asked, and what is made of its answers.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::num::NonZeroU16;

use super::*;
use crate::outbound::{
    Budget, Limits,
    stub::{Act, Seen, Stub},
    tests::{answered, limits},
};

/// What an answer's body says, for the tests of those who ask.
pub(crate) fn said(body: &str, text: &str) -> Result<Said, ServiceError> {
    let answer = answered(200, body, text);
    let completion: Completion = answer.read()?;
    completion.said(answer, Usage::default())
}

fn prompt(text: &str) -> Prompt<'_> {
    Prompt {
        messages: vec![
            Message { role: Role::System, text: "Be brief.".into() },
            Message { role: Role::User, text: text.into() },
        ],
        pictures: Vec::new(),
        schema: None,
        logprobs: false,
        max_tokens: Some(64),
        stream: true,
        follower: None,
        private: vec![text],
    }
}

fn chat_of(service: Service) -> Chat {
    Chat::new(service, ChatSettings { model: "m".into(), format: None, extra: Map::new() })
}

async fn ask(chat: &Chat) -> Result<Said, ServiceError> {
    chat.answer(&prompt("where is my order 4711?"), Instant::now() + Duration::from_secs(20)).await
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn delta(text: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]}))
}

fn end(reason: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

#[tokio::test]
async fn an_answer_comes_whole_or_in_pieces() {
    async fn check(act: Act, text: &str, finish: Finish, usage: (u64, u64, bool)) {
        let stub = Stub::script(vec![act.clone()]).await;
        let said = ask(&chat_of(stub.service())).await.unwrap();
        let Usage { input, output, estimated } = said.usage;
        assert_eq!((said.text.as_str(), said.finish, (input, output, estimated)), (text, finish, usage), "{act:?}");
        assert_eq!(said.first_token.is_some(), matches!(act, Act::Events { .. }), "{act:?}");
    }
    let pieces = |pieces: &[&str]| Act::Events { pieces: pieces.iter().map(|&it| it.to_owned()).collect(), cut: false };
    let usage = event(&json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}));
    let (stop, done) = (end("stop"), "data: [DONE]\n\n");
    let told = (7, 3, false);
    let first = event(&json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}));
    check(pieces(&[&first, &delta("Hel"), &delta("lo."), &stop, &usage, done]), "Hello.", Finish::Whole, told).await;
    // A piece is no event: they break anywhere.
    let broken =
        [": ping\n\nda", "ta: {\"choices\":[{\"delta\":{\"content\":\"He", "llo.\"}}]}\n", "\n", &stop, &usage];
    check(pieces(&broken), "Hello.", Finish::Whole, told).await;
    // Nothing tells what it cost: 2 × 4 for the messages, 3 and 6 for their texts, 2 for "Hello.".
    check(pieces(&[&delta("Hello."), done]), "Hello.", Finish::Whole, (17, 2, true)).await;
    check(pieces(&[&delta("Hello"), &end("length"), &usage]), "Hello", Finish::Length, told).await;
    check(pieces(&[&delta("<think>Hm"), &delta("</think>\nHello."), &stop, &usage]), "\nHello.", Finish::Whole, told)
        .await;
    let thinks = event(&json!({"choices": [{"delta": {"reasoning_content": "Hm"}}]}));
    check(pieces(&[&thinks, &delta("Hello."), &stop, &usage]), "Hello.", Finish::Whole, told).await;
    // A second choice that nobody asked for stands aside.
    let second = event(&json!({"choices": [{"index": 1, "delta": {"content": "Bye."}, "finish_reason": "length"}]}));
    check(pieces(&[&delta("Hello."), &second, &stop, &usage]), "Hello.", Finish::Whole, told).await;
    // A server that ignores what was asked for, and one that streams under another name.
    check(Act::says("Hello."), "Hello.", Finish::Whole, (10, 5, false)).await;
    let plain = Act::Answer(200, "content-type: text/plain\r\n", format!("{}{stop}{usage}{done}", delta("Hello.")));
    check(plain, "Hello.", Finish::Whole, told).await;
}

#[tokio::test]
async fn what_breaks_off_or_holds_an_error_is_no_answer() {
    async fn check(pieces: &[&str], cut: bool, failure: Failure, reason: &str) {
        let pieces: Vec<String> = pieces.iter().map(|&it| it.to_owned()).collect();
        let stub = Stub::script(vec![Act::Events { pieces: pieces.clone(), cut }]).await;
        let error = ask(&chat_of(stub.service())).await.unwrap_err();
        assert_eq!(error.failure, failure, "{pieces:?}: {error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(!error.to_string().contains("4711"), "{error}");
    }
    let (hello, stop) = (delta("Hello"), end("stop"));
    check(&[&hello], false, Failure::Unreachable, "broke off in the middle").await;
    check(&[&hello], true, Failure::Unreachable, "").await;
    check(&[], false, Failure::Unreachable, "broke off in the middle").await;
    let error = event(&json!({"error": {"code": 503, "message": "no worker for order 4711"}}));
    check(&[&hello, &error], false, Failure::Server, "503 within a 200").await;
    let error = event(&json!({"error": {"message": "out of memory"}}));
    check(&[&hello, &error, &stop], false, Failure::BadAnswer, "out of memory").await;
    check(&[&hello, &end("content_filter")], false, Failure::Refused, "withheld").await;
    check(&[&hello, &end("error")], false, Failure::BadAnswer, "ended with an error").await;
    check(&[&stop], false, Failure::BadAnswer, "no text").await;
    check(&[&delta("<think>Hm"), &stop], false, Failure::BadAnswer, "thought and didn't answer").await;
    let call = event(&json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}}]}));
    check(&[&call, &end("tool_calls")], false, Failure::BadAnswer, "called a tool").await;
    let refusal = event(&json!({"choices": [{"delta": {"refusal": "I can't: where is my order 4711?"}}]}));
    check(&[&refusal, &stop], false, Failure::Refused, "I can't: …").await;
    check(&[&delta(&"long ".repeat(20_000)), &stop], false, Failure::BadAnswer, "larger than 65536").await;
}

#[tokio::test]
async fn one_that_closes_roughly_behind_its_last_word_has_answered() {
    let stub = Stub::script(vec![Act::Events { pieces: vec![delta("Hello."), end("stop")], cut: true }]).await;
    assert_eq!(ask(&chat_of(stub.service())).await.unwrap().text, "Hello.");
}

#[tokio::test]
async fn what_a_server_refuses_is_left_out_and_remembered() {
    /// What a server that takes none of these names is asked with: the first time until it answers, and the next time.
    async fn check(refused: &'static [&'static str], first: usize, last: &[&str]) {
        let answers = move |seen: &Seen| {
            let sent = seen.json();
            match refused.iter().find(|name| sent.get(**name).is_some()) {
                Some(name) => Act::Answer(400, "", format!("{{\"error\": {{\"message\": \"unknown '{name}'\"}}}}")),
                None => Act::says("Hello."),
            }
        };
        let stub = Stub::start(answers).await;
        let chat = chat_of(stub.service());
        ask(&chat).await.unwrap();
        assert_eq!(stub.seen().len(), first, "{refused:?}");
        ask(&chat).await.unwrap();
        let seen = stub.seen();
        assert_eq!(seen.len(), first + 1, "{refused:?}");
        let sent = seen.last().unwrap().json();
        let names: Vec<&str> = sent.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, last, "{refused:?}");
    }
    check(&[], 1, &["max_tokens", "messages", "model", "stream", "stream_options", "temperature"]).await;
    check(&["stream_options"], 2, &["max_tokens", "messages", "model", "stream", "temperature"]).await;
    check(&["stream", "temperature"], 3, &["max_tokens", "messages", "model"]).await;
    // One that OpenAI's newer models answer; they name what they would have.
    let answers = |seen: &Seen| match seen.json().get("max_tokens") {
        Some(_) => Act::Answer(400, "", "{\"error\": {\"message\": \"use 'max_completion_tokens'\"}}".into()),
        None => Act::says("Hello."),
    };
    let stub = Stub::start(answers).await;
    ask(&chat_of(stub.service())).await.unwrap();
    assert_eq!(stub.seen().last().unwrap().json()["max_completion_tokens"], 64);
}

#[tokio::test]
async fn a_refusal_after_an_answer_is_of_this_text() {
    let refusal = Act::Answer(400, "", "{\"error\": {\"message\": \"no\"}}".into());
    let stub = Stub::script(vec![Act::says("Hello."), refusal]).await;
    let chat = chat_of(stub.service());
    ask(&chat).await.unwrap();
    assert_eq!(ask(&chat).await.unwrap_err().failure, Failure::Refused);
    assert_eq!(stub.seen().len(), 2);
}

#[tokio::test]
async fn a_budget_that_is_used_up_keeps_the_service_from_being_asked_and_trips_no_breaker() {
    let stub = Stub::script(vec![Act::says("Hello.")]).await;
    let one = Limits { breaker_failures: NonZeroU16::MIN, ..limits() };
    let chat = chat_of(stub.service_within(&one).with_budget(Some(Budget::new(30))));
    // 15 tokens each.
    ask(&chat).await.unwrap();
    ask(&chat).await.unwrap();
    for _ in 0..3 {
        let error = ask(&chat).await.unwrap_err();
        assert_eq!(error.failure, Failure::Budget);
        let told = "the service 'x' has used up its tokens for today: 30 are all that it may have";
        assert_eq!(error.to_string(), told);
    }
    assert_eq!(stub.seen().len(), 2);
}

#[tokio::test]
async fn what_broke_off_is_paid_for() {
    let stub = Stub::script(vec![Act::Events { pieces: vec![delta("Hello")], cut: false }]).await;
    let chat = chat_of(stub.service().with_budget(Some(Budget::new(10))));
    assert_eq!(ask(&chat).await.unwrap_err().failure, Failure::Unreachable);
    assert_eq!(ask(&chat).await.unwrap_err().failure, Failure::Budget);
}
