//! What a language model answered: an intent, and how sure it was.
//!
//! **Invariant:** a thought is never an answer, closed or cut off; nor is a tool call, as none was offered.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::thoughts::{Spoken, spoken};
use crate::{
    domain::{Decision, Prediction},
    model::{Catalogue, Failure, ModelError, catalogue::unknown},
    outbound::Answer,
};

/// The part of a chat completion that is read.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    choices: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    finish_reason: Option<String>,
    /// Of any form: what can't be read is no confidence.
    #[serde(default)]
    logprobs: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    /// A text, or parts.
    #[serde(default)]
    content: Value,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Value,
    #[serde(default)]
    function_call: Value,
}

#[derive(Debug, Deserialize)]
struct Token {
    token: String,
    logprob: Option<f64>,
}

/// What an answer is held against.
pub(super) struct Expected<'a> {
    pub(super) catalogue: &'a Catalogue,
    /// The name of no intent.
    pub(super) none: &'a str,
    /// The setting that bounds an answer's length.
    pub(super) limit: &'a str,
}

impl Completion {
    /// What the answer comes to.
    pub(super) fn prediction(
        self,
        model: &Arc<str>,
        expected: &Expected<'_>,
        answer: &Answer,
    ) -> Result<Prediction, ModelError> {
        let bad = |reason: &str| ModelError::new(model, Failure::BadAnswer, reason);
        let Some(choice) = self.choices.into_iter().next() else {
            return Err(answer.error_within().map_or_else(|| bad("it has no choice"), ModelError::from));
        };
        let name = choice.intent(model, expected.limit, answer)?;
        if name == expected.none {
            return Ok(Prediction::decided(Decision::NoIntent, model.clone()));
        }
        let intent = expected.catalogue.intent(&name).ok_or_else(|| unknown(model))?;
        match choice.probability(&name) {
            Some(probability) => expected.catalogue.prediction(model, [(name.as_str(), probability)]),
            None => Ok(Prediction::decided(Decision::Intent(intent.clone()), model.clone())),
        }
    }
}

impl Choice {
    /// The name in the answer, or why there is none.
    fn intent(&self, model: &Arc<str>, limit: &str, answer: &Answer) -> Result<String, ModelError> {
        let error = |failure, reason: String| Err(ModelError::new(model, failure, reason));
        let bad = |reason: &str| error(Failure::BadAnswer, reason.to_owned());
        let none = Message::default();
        let message = self.message.as_ref().unwrap_or(&none);
        let refusal = message.refusal.clone().or_else(|| part(&message.content, "refusal"));
        if let Some(refusal) = refusal.filter(|refusal| !refusal.trim().is_empty()) {
            let refused = ModelError::new(model, Failure::Refused, "the model refused to answer");
            return Err(ModelError { said: answer.quoted(&refusal), ..refused });
        }
        let finish = self.finish_reason.as_deref().unwrap_or_default();
        if finish == "content_filter" {
            return error(Failure::Refused, "its content filter withheld the answer".to_owned());
        }
        let content = self.content();
        let Spoken { text, thought, called } = spoken(&content);
        // What was cut off may have been a thought without a mark: then only what is JSON and nothing else is believed.
        let is_cut = matches!(finish, "length" | "max_tokens");
        if let Some(name) = if is_cut { sole(&text) } else { found(&text) } {
            return Ok(name);
        }
        if is_cut {
            return error(Failure::BadAnswer, format!("it was cut off before it named an intent: raise {limit}"));
        }
        if let Some(within) = answer.error_within().filter(|_| finish == "error") {
            return Err(within.into());
        }
        let calls = [&message.tool_calls, &message.function_call];
        if called || calls.iter().any(|call| !call.is_null() && call.as_array().is_none_or(|list| !list.is_empty())) {
            return bad("it called a tool, though none was offered");
        }
        match (text.trim().is_empty(), thought) {
            (true, true) => bad("it thought and didn't answer"),
            (true, false) => bad("it has no text"),
            (false, _) => bad("its text holds no JSON with an intent"),
        }
    }

    /// The text of the answer: that of its parts, where it has parts, without those that are thoughts.
    fn content(&self) -> String {
        match self.message.as_ref().map(|message| &message.content) {
            Some(Value::String(text)) => text.clone(),
            Some(content @ Value::Array(_)) => {
                part(content, "text").or_else(|| part(content, "output_text")).unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    fn probability(&self, name: &str) -> Option<f64> {
        let tokens: Vec<Token> = serde_json::from_value(self.logprobs.get("content")?.clone()).ok()?;
        probability(&tokens, &self.content(), name)
    }
}

/// The text of all of an answer's parts of a type.
fn part(content: &Value, kind: &str) -> Option<String> {
    let parts = content.as_array()?.iter().filter(|part| part.get("type").and_then(Value::as_str) == Some(kind));
    let key = if kind == "refusal" { "refusal" } else { "text" };
    let texts: Vec<&str> = parts.filter_map(|part| part.get(key)?.as_str()).collect();
    (!texts.is_empty()).then(|| texts.concat())
}

/// The name in the answer: that of its last JSON object with one, as models that weren't held to JSON put it between
/// words; or the whole answer, where it is a single word.
fn found(text: &str) -> Option<String> {
    let of_object = |(at, _)| object(&text[at..]).map(|(name, _)| name);
    // From the last brace back, and no more of them than a sane answer has.
    text.rmatch_indices('{').take(16).find_map(of_object).or_else(|| {
        let word = text.trim().trim_matches(['"', '`', '.']);
        (!word.is_empty() && !word.contains(char::is_whitespace)).then(|| word.to_owned())
    })
}

/// The name in an answer that is a JSON object and nothing else, but for a fence.
fn sole(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("```json").trim_start_matches("```").trim_start();
    let (name, length) = object(text.starts_with('{').then_some(text)?)?;
    text[length..].trim().trim_matches('`').is_empty().then_some(name)
}

/// The name in the JSON object with which a text begins, and where that ends.
fn object(text: &str) -> Option<(String, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let name = values.next()?.ok()?.get("intent")?.as_str()?.to_owned();
    Some((name, values.byte_offset()))
}

/// The probability of the tokens that make up the intent's name; none where they aren't those of the answer, or one of
/// them has none.
///
/// It is the model's own, of this name after what stands before it, and isn't calibrated.
fn probability(tokens: &[Token], content: &str, name: &str) -> Option<f64> {
    /// What is less likely stands for something else: -9999 is vLLM's for minus infinity.
    const LEAST: f64 = -100.0;
    /// Some servers are a little above 0 by rounding.
    const MOST: f64 = 0.01;
    if tokens.iter().map(|token| token.token.len()).sum::<usize>() != content.len() {
        return None;
    }
    let start = content.rfind(name)?;
    let end = start + name.len();
    let (mut at, mut sum, mut overlapping) = (0, 0.0, 0);
    for Token { token, logprob } in tokens {
        if !content[at..].starts_with(token.as_str()) {
            return None;
        }
        if at < end && at + token.len() > start {
            sum += logprob.filter(|logprob| (LEAST..=MOST).contains(logprob))?;
            overlapping += 1;
        }
        at += token.len();
    }
    (overlapping > 0).then(|| sum.min(0.0).exp())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use serde_json::json;

    use super::*;
    use crate::{model::catalogue::tests::shop, outbound::tests::answered};

    /// The intent and the confidence of an answer, or its failure.
    fn read(choice: Value) -> Result<(String, Option<f32>), ModelError> {
        let body = json!({"choices": [choice]});
        let answer = answered(200, &body.to_string(), "I want my 300 yuan back");
        let completion: Completion = answer.read().unwrap();
        let shop = shop();
        let expected = Expected { catalogue: &shop, none: "none_of_these", limit: "CHATBOT_QWEN_MAX_TOKENS" };
        completion.prediction(&"qwen".into(), &expected, &answer).map(|prediction| match prediction.decision {
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
        check(
            of(json!("<think>It is {\"intent\":\"order\"}")),
            Err((Failure::BadAnswer, "it thought and didn't answer")),
        );
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
            let answer = answered(200, &body, "hi");
            let completion: Completion = answer.read().unwrap();
            let shop = shop();
            let expects = Expected { catalogue: &shop, none: "none_of_these", limit: "x" };
            let prediction = completion.prediction(&"qwen".into(), &expects, &answer).unwrap();
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
}
