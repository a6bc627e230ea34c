//! What a language model answered: an intent, and how sure it was.
//!
//! What of an answer is said, and what is only thought, is told by [`Said`].

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    domain::{Decision, Prediction},
    model::{Catalogue, Failure, ModelError, catalogue::unknown},
    outbound::chat::{Finish, Said},
};

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

/// What an answer comes to.
pub(super) fn prediction(model: &Arc<str>, expected: &Expected<'_>, said: &Said) -> Result<Prediction, ModelError> {
    let name = intent(model, expected.limit, said)?;
    if name == expected.none {
        return Ok(Prediction::decided(Decision::NoIntent, model.clone()));
    }
    let intent = expected.catalogue.intent(&name).ok_or_else(|| unknown(model))?;
    let tokens: Option<Vec<Token>> =
        said.logprobs.get("content").and_then(|tokens| serde_json::from_value(tokens.clone()).ok());
    match tokens.and_then(|tokens| probability(&tokens, &said.content, &name)) {
        Some(probability) => expected.catalogue.prediction(model, [(name.as_str(), probability)]),
        None => Ok(Prediction::decided(Decision::Intent(intent.clone()), model.clone())),
    }
}

/// The name in the answer, or why there is none.
fn intent(model: &Arc<str>, limit: &str, said: &Said) -> Result<String, ModelError> {
    // What was cut off may have been a thought without a mark: then only what is JSON and nothing else is believed.
    let is_cut = said.finish == Finish::Length;
    if let Some(name) = if is_cut { sole(&said.text) } else { found(&said.text) } {
        return Ok(name);
    }
    if is_cut {
        let reason = format!("it was cut off before it named an intent: raise {limit}");
        return Err(ModelError::new(model, Failure::BadAnswer, reason));
    }
    Err(said.fault("its text holds no JSON with an intent").into())
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
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
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
