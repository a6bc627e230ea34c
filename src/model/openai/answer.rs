//! What a language model answered: an intent, and how sure it was.
//!
//! **Invariant:** a thought is never an answer, closed or cut off; nor is a tool call, as none was offered.

#[cfg(test)]
mod tests;

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
