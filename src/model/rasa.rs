//! A Rasa server, by `POST /model/parse`.
//!
//! <https://legacy-docs-oss.rasa.com/docs/rasa/pages/http-api#operation/parseModelMessage>

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Catalogue, Endpoint, ModelClient, ModelError, Query};
use crate::domain::Prediction;

/// A Rasa server.
#[derive(Debug)]
pub struct Rasa {
    endpoint: Endpoint,
    url: Url,
    catalogue: Arc<Catalogue>,
}

/// What is read of its answer.
#[derive(Debug, Deserialize)]
struct Parsed {
    intent: Named,
    #[serde(default)]
    intent_ranking: Vec<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    /// Null where it found none.
    name: Option<String>,
    confidence: f64,
}

impl Rasa {
    /// The server at an endpoint. `token` is what it was started with as `--auth-token`, which it wants in the query.
    pub fn new(endpoint: Endpoint, token: Option<&str>, catalogue: Arc<Catalogue>) -> Self {
        let mut url = endpoint.with_path("/model/parse");
        if let Some(token) = token {
            url.query_pairs_mut().append_pair("token", token);
        }
        Self { endpoint, url, catalogue }
    }
}

#[async_trait]
impl ModelClient for Rasa {
    fn name(&self) -> &str {
        self.endpoint.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let body = json!({"text": query.text});
        let parsed: Parsed = self.endpoint.ask(&self.url, &body, query.deadline).await?;
        let named = [parsed.intent].into_iter().chain(parsed.intent_ranking);
        let named: Vec<(String, f64)> = named.filter_map(|named| Some((named.name?, named.confidence))).collect();
        // Its own 'nlu_fallback' isn't an intent of this bot: what is left of the ranking then has little confidence.
        self.catalogue.prediction(self.endpoint.name(), named.iter().map(|(name, p)| (name.as_str(), *p)))
    }
}
