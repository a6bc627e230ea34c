//! What language models answer, as they do.
#![expect(clippy::unwrap_used, reason = "a test may")]

use serde_json::{Value, json};

use super::*;
use crate::{model::catalogue::tests::shop, outbound::chat::tests::said};

/// The intent and the confidence of an answer, or its failure.
fn read(choice: Value) -> Result<(String, Option<f32>), ModelError> {
    let body = json!({"choices": [choice]});
    let said = said(&body.to_string(), "I want my 300 yuan back")?;
    let shop = shop();
    let expected = Expected { catalogue: &shop, none: "none_of_these", limit: "CHATBOT_QWEN_MAX_TOKENS" };
    prediction(&"qwen".into(), &expected, &said).map(|prediction| match prediction.decision {
        Some(Decision::Intent(intent)) => (intent.to_string(), None),
        Some(Decision::NoIntent) => ("none".to_owned(), None),
        None => (prediction.ranking[0].name.to_string(), Some(prediction.ranking[0].confidence)),
    })
}

fn check(choice: Value, expected: Result<&str, (Failure, &str)>) {
    let found = read(choice.clone());
    match (&found, expected) {
        (Ok((name, _)), Ok(expected)) => assert_eq!(name, expected, "{choice}"),
        (Err(error), Err((failure, reason))) => {
            assert_eq!(error.failure, failure, "{choice}: {error}");
            assert!(error.to_string().contains(reason), "{choice}: {error}");
        }
        _ => unreachable!("{choice}: {found:?}"),
    }
}

#[test]
fn content_may_be_parts_and_thoughts_stand_aside() {
    let of = |content: Value| json!({"message": {"content": content}, "finish_reason": "stop"});
    let text = r#"{"intent":"refund"}"#;
    // Claude by a gateway, Mistral, OpenAI's newer interface, DeepSeek.
    check(
        of(json!([{"type": "thinking", "thinking": "{\"intent\":\"order\"}"}, {"type": "text", "text": text}])),
        Ok("refund"),
    );
    let thinking = json!({"type": "thinking", "thinking": [{"type": "text", "text": "{\"intent\":\"order\"}"}]});
    check(
        of(json!([{"type": "text", "text": "{\"intent\":"}, {"type": "text", "text": "\"refund\"}"}, thinking])),
        Ok("refund"),
    );
    check(of(json!([{"type": "output_text", "text": text}])), Ok("refund"));
    check(json!({"message": {"content": text, "reasoning_content": "{\"intent\":\"order\"}"}}), Ok("refund"));
    check(json!({"message": {"content": text, "tool_calls": [], "refusal": null, "audio": null}}), Ok("refund"));
    check(of(json!([thinking])), Err((Failure::BadAnswer, "no text")));
    check(of(json!("")), Err((Failure::BadAnswer, "no text")));
    check(of(json!(5)), Err((Failure::BadAnswer, "no text")));
    check(json!({"message": {"content": null, "reasoning_content": text}}), Err((Failure::BadAnswer, "no text")));
    check(of(json!("<think>It is {\"intent\":\"order\"}")), Err((Failure::BadAnswer, "it thought and didn't answer")));
    check(of(json!("none_of_these")), Ok("none"));
    check(of(json!("{\"intent\":\"evil\"}")), Err((Failure::BadAnswer, "no intent that this bot has")));
}

#[test]
fn what_was_cut_off_is_no_answer_and_the_setting_to_raise_is_told() {
    let of = |content: &str| json!({"message": {"content": content}, "finish_reason": "length"});
    let cut = Err((Failure::BadAnswer, "cut off before it named an intent: raise CHATBOT_QWEN_MAX_TOKENS"));
    check(of("<think>Maybe {\"intent\":\"order\"}? No, they ask for money, so"), cut);
    check(of("Maybe {\"intent\":\"order\"}? No, they ask for money, so"), cut);
    check(of("{\"intent\":\"ref"), cut);
    check(of("refund"), cut);
    check(json!({"message": {"content": null, "reasoning": "Hm"}, "finish_reason": "length"}), cut);
    // One that named the intent and then went on with blanks did answer.
    check(of("{\"intent\":\"refund\"}\n\n\n   "), Ok("refund"));
    check(of("<think>Hm</think>\n```json\n{\"intent\":\"refund\"}\n```"), Ok("refund"));
}

#[test]
fn a_refusal_a_filter_and_a_tool_call_are_told_as_what_they_are() {
    let refused = json!({"message": {"content": null, "refusal": "I can't help with: I want my 300 yuan back"}});
    check(refused.clone(), Err((Failure::Refused, "the model refused to answer (it says: I can't help with: …)")));
    let part = json!({"message": {"content": [{"type": "refusal", "refusal": "No."}]}});
    check(part, Err((Failure::Refused, "the model refused to answer (it says: No.)")));
    let filtered = json!({"message": {"content": "{\"intent\":"}, "finish_reason": "content_filter"});
    check(filtered, Err((Failure::Refused, "its content filter withheld the answer")));
    let call = json!({"id": "1", "function": {"name": "f", "arguments": "{\"intent\":\"refund\"}"}});
    for message in [
        json!({"content": null, "tool_calls": [call]}),
        json!({"content": "", "function_call": {"name": "f", "arguments": "{\"intent\":\"refund\"}"}}),
        json!({"content": "<tool_call>\n{\"name\": \"f\", \"intent\": \"refund\"}\n</tool_call>"}),
    ] {
        check(json!({"message": message}), Err((Failure::BadAnswer, "it called a tool, though none was offered")));
    }
    let client = read(refused).unwrap_err().for_client();
    assert!(!client.contains("can't help"), "a client isn't told the service's words: {client}");
}

#[test]
fn the_intent_is_found_in_whatever_stands_around_it() {
    fn check(content: &str, expected: Option<&str>) {
        assert_eq!(found(content).as_deref(), expected, "{content}");
    }
    check(r#"{"intent": "refund"}"#, Some("refund"));
    check("```json\n{\"intent\": \"refund\"}\n```\n", Some("refund"));
    check(r#"Sure! {"intent": "refund", "why": {"a": 1}}"#, Some("refund"));
    check("refund", Some("refund"));
    check(" \"refund\".\n", Some("refund"));
    check("I think it is refund", None);
    check(r#"{"intent": 5}"#, None);
    check(r#"{"intent": "ref"#, None);
    check("", None);
    check(&"{".repeat(100_000), Some(&"{".repeat(100_000)));
}

#[test]
fn the_probability_is_that_of_the_names_tokens() {
    fn check(tokens: &[(&str, f64)], content: &str, expected: Option<f64>) {
        let tokens: Vec<Token> =
            tokens.iter().map(|&(token, p)| Token { token: token.to_owned(), logprob: Some(p.ln()) }).collect();
        let found = probability(&tokens, content, "refund");
        let equal = match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
            (found, expected) => found == expected,
        };
        assert!(equal, "{content}: {found:?}");
    }
    let content = r#"{"intent":"refund"}"#;
    check(&[("{\"intent\":", 0.1), ("\"", 1.0), ("ref", 0.8), ("und", 0.5), ("\"}", 0.1)], content, Some(0.4));
    // A token that holds more than the name counts, as it can't be told apart.
    check(&[("{\"intent\":", 0.1), ("\"refund\"", 0.9), ("}", 0.2)], content, Some(0.9));
    check(&[("something", 0.9), (" else", 0.9)], content, None);
    check(&[], content, None);
}

#[test]
fn a_token_without_a_usable_logprob_is_an_answer_without_a_confidence() {
    fn check(logprobs: &str, expected: Option<f32>) {
        let tokens = |logprob: &str| {
            format!(
                r#"{{"content":[{{"token":"{{\"intent\":\"","logprob":{logprob}}},{{"token":"refund","logprob":{logprobs}}},{{"token":"\"}}","logprob":null}}]}}"#
            )
        };
        let body = format!(
            r#"{{"choices":[{{"message":{{"content":"{{\"intent\":\"refund\"}}"}},"logprobs":{}}}]}}"#,
            tokens("NaN")
        );
        let said = said(&body, "hi").unwrap();
        let shop = shop();
        let expects = Expected { catalogue: &shop, none: "none_of_these", limit: "x" };
        let prediction = prediction(&"qwen".into(), &expects, &said).unwrap();
        let found = match prediction.decision {
            Some(Decision::Intent(intent)) => (intent.to_string(), None),
            _ => (prediction.ranking[0].name.to_string(), Some(prediction.ranking[0].confidence)),
        };
        assert_eq!(found, ("refund".to_owned(), expected), "{logprobs}");
    }
    check("0", Some(1.0));
    check("0.0001", Some(1.0));
    for unusable in ["null", "NaN", "-Infinity", "Infinity", "-9999.0", "1e999", "12.5", "-1e308"] {
        check(unusable, None);
    }
    // Of another form altogether.
    let choice = json!({
        "message": {"content": "{\"intent\":\"refund\"}"},
        "logprobs": {"tokens": ["a"], "token_logprobs": [-0.5]},
    });
    assert_eq!(read(choice).unwrap(), ("refund".to_owned(), None));
}
