//! What a language model answered: an intent, and how sure it was.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    domain::{Decision, Prediction},
    model::{Catalogue, Failure, ModelError, catalogue::unknown},
};

/// The part of a chat completion that is read.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    choices: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    logprobs: Option<Logprobs>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Logprobs {
    #[serde(default)]
    content: Option<Vec<Token>>,
}

#[derive(Debug, Deserialize)]
struct Token {
    token: String,
    logprob: f64,
}

impl Completion {
    /// What the answer comes to; `none` is the name of no intent.
    pub(super) fn prediction(
        self,
        model: &Arc<str>,
        catalogue: &Catalogue,
        none: &str,
    ) -> Result<Prediction, ModelError> {
        let bad = |reason: &str| ModelError::new(model, Failure::BadAnswer, reason);
        let choice = self.choices.into_iter().next().ok_or_else(|| bad("it has no choice"))?;
        let content = choice.message.content.ok_or_else(|| bad("it has no text"))?;
        let name = intent(&content).ok_or_else(|| bad("its text holds no JSON with an intent"))?;
        if name == none {
            return Ok(Prediction::decided(Decision::NoIntent, model.clone()));
        }
        let intent = catalogue.intent(&name).ok_or_else(|| unknown(model))?;
        let tokens = choice.logprobs.and_then(|logprobs| logprobs.content);
        match tokens.and_then(|tokens| probability(&tokens, &content, &name)) {
            Some(probability) => catalogue.prediction(model, [(name.as_str(), probability)]),
            None => Ok(Prediction::decided(Decision::Intent(intent.clone()), model.clone())),
        }
    }
}

/// The name in the answer: that of its last JSON object with one, as models that think aloud do so first, and those
/// that weren't held to JSON put it between words; or the whole answer, where it is a single word.
fn intent(content: &str) -> Option<String> {
    let of_object = |(at, _)| {
        let mut values = serde_json::Deserializer::from_str(&content[at..]).into_iter::<Value>();
        Some(values.next()?.ok()?.get("intent")?.as_str()?.to_owned())
    };
    // From the last brace back, and no more of them than a sane answer has.
    content.rmatch_indices('{').take(16).find_map(of_object).or_else(|| {
        let word = content.trim().trim_matches(['"', '`', '.']);
        (!word.is_empty() && !word.contains(char::is_whitespace)).then(|| word.to_owned())
    })
}

/// The probability of the tokens that make up the intent's name; none where they aren't those of the answer.
///
/// It is the model's own, of this name after what stands before it, and isn't calibrated.
fn probability(tokens: &[Token], content: &str, name: &str) -> Option<f64> {
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
            sum += logprob;
            overlapping += 1;
        }
        at += token.len();
    }
    // Some servers give a logprob of 0 for what they didn't measure, and a little above 0 by rounding.
    (overlapping > 0 && sum.is_finite()).then(|| sum.min(0.0).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_intent_is_found_in_whatever_stands_around_it() {
        fn check(content: &str, expected: Option<&str>) {
            assert_eq!(intent(content).as_deref(), expected, "{content}");
        }
        check(r#"{"intent": "refund"}"#, Some("refund"));
        check("```json\n{\"intent\": \"refund\"}\n```\n", Some("refund"));
        check("<think>{\"intent\": \"order\"}? No.</think>\n{\"intent\":\"refund\"}", Some("refund"));
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
                tokens.iter().map(|&(token, p)| Token { token: token.to_owned(), logprob: p.ln() }).collect();
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
}
