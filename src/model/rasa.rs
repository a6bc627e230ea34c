//! A Rasa server, by `POST /model/parse`.
//!
//! <https://legacy-docs-oss.rasa.com/docs/rasa/pages/http-api#operation/parseModelMessage>

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::{Catalogue, ModelClient, ModelError, Query};
use crate::{domain::Prediction, outbound::Service};

/// A Rasa server.
#[derive(Debug)]
pub struct Rasa {
    service: Service,
    url: Url,
    catalogue: Arc<Catalogue>,
}

/// What is read of its answer.
#[derive(Debug, Deserialize)]
struct Parsed {
    intent: Named,
    #[serde(default)]
    intent_ranking: Vec<Named>,
    /// What its response selectors make of it, by the retrieval intent, or `default`.
    #[serde(default)]
    response_selector: HashMap<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    /// Null where it found none.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    confidence: Option<f64>,
}

/// An answer that a response selector may choose.
#[derive(Debug, Deserialize)]
struct Response {
    /// Such as `faq/contact_info`. Rasa 1 calls it otherwise.
    #[serde(default, alias = "full_retrieval_intent")]
    intent_response_key: Option<String>,
    #[serde(default)]
    confidence: Option<f64>,
}

impl Parsed {
    /// The names and confidences. An intent that a response selector divides, a *retrieval intent*, is told as its parts,
    /// where the bot `knows` one of them.
    fn said(self, knows: impl Fn(&str) -> bool) -> Vec<(String, f64)> {
        let (mut said, mut known) = (Vec::new(), HashSet::new());
        for Named { name, confidence } in [self.intent].into_iter().chain(self.intent_ranking) {
            let (Some(name), Some(confidence)) = (name, confidence) else { continue };
            if !known.insert(name.clone()) {
                continue;
            }
            let selector = self.response_selector.get(&name).or_else(|| self.response_selector.get("default"));
            let parts = selector.map(|selector| parts(selector, &name)).unwrap_or_default();
            if parts.iter().any(|(key, _)| knows(key)) {
                said.extend(parts.into_iter().map(|(key, share)| (key, confidence * share)));
            } else {
                said.push((name, confidence));
            }
        }
        said
    }
}

/// The parts of a retrieval intent that a response selector found, and how sure it is of each.
fn parts(selector: &Value, intent: &str) -> Vec<(String, f64)> {
    let ranking = selector.get("ranking").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut parts: Vec<(String, f64)> = Vec::new();
    for response in selector.get("response").into_iter().chain(ranking) {
        let Ok(Response { intent_response_key, confidence }) = Response::deserialize(response) else { continue };
        // Rasa 1 has the key beside the response.
        let beside = || selector.get("full_retrieval_intent")?.as_str().map(str::to_owned);
        let Some(key) = intent_response_key.or_else(beside) else { continue };
        let is_its = key.strip_prefix(intent).is_some_and(|rest| rest.starts_with('/'));
        if is_its && !parts.iter().any(|(known, _)| *known == key) {
            parts.push((key, confidence.unwrap_or(1.0)));
        }
    }
    parts
}

impl Rasa {
    /// The server of a service. `token` is what it was started with as `--auth-token`, which it wants in the query.
    pub fn new(service: Service, token: Option<&str>, catalogue: Arc<Catalogue>) -> Self {
        let mut url = service.endpoint().with_path("/model/parse");
        if let Some(token) = token {
            url.query_pairs_mut().append_pair("token", token);
        }
        Self { service, url, catalogue }
    }

    async fn parsed(&self, text: &str, deadline: Instant) -> Result<Prediction, ModelError> {
        let parsed: Parsed = self.service.endpoint().ask(&self.url, &json!({"text": text}), &[text], deadline).await?;
        let said = parsed.said(|label| self.catalogue.intent(label).is_some());
        // Its own 'nlu_fallback' isn't an intent of this bot: what is left of the ranking then has little confidence.
        self.catalogue.prediction(self.service.name(), said.iter().map(|(name, p)| (name.as_str(), *p)))
    }
}

#[async_trait]
impl ModelClient for Rasa {
    fn name(&self) -> &str {
        self.service.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        self.service.call(query.deadline, |deadline| self.parsed(query.text, deadline)).await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;
    use crate::{domain::IntentName, model::Intent};

    #[test]
    fn a_retrieval_intent_is_told_as_its_parts() {
        fn check(answer: Value, expected: &[(&str, f64)]) {
            let parsed: Parsed = serde_json::from_value(answer.clone()).unwrap();
            let said = parsed.said(|label| label != "smalltalk/name");
            let said: Vec<(&str, f64)> = said.iter().map(|(name, p)| (name.as_str(), *p)).collect();
            assert_eq!(said, expected, "{answer}");
        }
        // Rasa 2 and 3.
        check(
            json!({
                "intent": {"id": 1, "name": "faq", "confidence": 0.5},
                "intent_ranking": [{"name": "faq", "confidence": 0.5}, {"name": "greet", "confidence": 0.25}],
                "response_selector": {"all_retrieval_intents": ["faq"], "default": {
                    "response": {"responses": [{"text": "0800"}], "confidence": 0.75,
                                 "intent_response_key": "faq/contact_info", "utter_action": "utter_faq/contact_info"},
                    "ranking": [{"confidence": 0.75, "intent_response_key": "faq/contact_info"},
                                {"confidence": 0.25, "intent_response_key": "faq/hours"}],
                }},
            }),
            &[("faq/contact_info", 0.375), ("faq/hours", 0.125), ("greet", 0.25)],
        );
        // A selector for each retrieval intent; and Rasa 1.
        check(
            json!({
                "intent": {"name": "chitchat", "confidence": 1.0},
                "response_selector": {
                    "faq": {"response": {"intent_response_key": "faq/hours", "confidence": 1.0}},
                    "chitchat": {"response": {"intent_response_key": "chitchat/name", "confidence": 0.5}},
                },
            }),
            &[("chitchat/name", 0.5)],
        );
        check(
            json!({
                "intent": {"name": "chitchat", "confidence": 1.0},
                "response_selector": {"default": {"full_retrieval_intent": "chitchat/name",
                                                  "response": {"name": "I am Sara", "confidence": 0.5}, "ranking": []}},
            }),
            &[("chitchat/name", 0.5)],
        );
        // What the bot doesn't divide isn't divided, and what the selector says of another intent isn't said.
        check(
            json!({
                "intent": {"name": "smalltalk", "confidence": 1.0},
                "response_selector": {"default": {"response": {"intent_response_key": "smalltalk/name"}}},
            }),
            &[("smalltalk", 1.0)],
        );
        check(
            json!({
                "intent": {"name": "greet", "confidence": 0.5},
                "response_selector": {"default": {"response": {"intent_response_key": "faq/hours", "confidence": 0.9}}},
            }),
            &[("greet", 0.5)],
        );
        check(
            json!({"intent": {"name": null, "confidence": 0.0}, "response_selector": {"default": {"response": {
                "responses": null, "confidence": 0.0, "intent_response_key": null}, "ranking": []}}}),
            &[],
        );
    }

    #[test]
    fn a_part_of_a_retrieval_intent_is_the_bots_by_its_labels_or_by_the_rule_of_import() {
        fn check(name: &str, labels: &[&str]) {
            let intent = |name: &str, labels: &[&str]| Intent {
                name: IntentName::new(name).unwrap(),
                labels: labels.iter().map(|&label| label.to_owned()).collect(),
                description: None,
                examples: Vec::new(),
            };
            let catalogue = Catalogue::new(vec![intent("greet", &[]), intent(name, labels)]);
            let parsed: Parsed = serde_json::from_value(json!({
                "intent": {"name": "faq", "confidence": 0.75},
                "intent_ranking": [{"name": "faq", "confidence": 0.75}, {"name": "greet", "confidence": 0.125}],
                "response_selector": {"default": {"response": {"intent_response_key": "faq/contact_info"}}},
            }))
            .unwrap();
            let said = parsed.said(|label| catalogue.intent(label).is_some());
            let said = said.iter().map(|(name, p)| (name.as_str(), *p));
            let ranking = catalogue.prediction(&"rasa".into(), said).unwrap().ranking;
            assert_eq!((ranking[0].name.as_str(), ranking[0].confidence), (name, 0.75));
        }
        check("faq_contact_info", &[]);
        check("contact", &["faq/contact_info"]);
        check("faq", &[]);
    }
}
