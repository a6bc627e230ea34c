//! A Rasa server, by `POST /model/parse`.
//!
//! <https://legacy-docs-oss.rasa.com/docs/rasa/pages/http-api#operation/parseModelMessage>

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
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
}

#[derive(Debug, Deserialize)]
struct Named {
    /// Null where it found none.
    name: Option<String>,
    confidence: f64,
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
        let parsed: Parsed = self.service.endpoint().ask(&self.url, &json!({"text": text}), deadline).await?;
        let named = [parsed.intent].into_iter().chain(parsed.intent_ranking);
        let named: Vec<(String, f64)> = named.filter_map(|named| Some((named.name?, named.confidence))).collect();
        // Its own 'nlu_fallback' isn't an intent of this bot: what is left of the ranking then has little confidence.
        self.catalogue.prediction(self.service.name(), named.iter().map(|(name, p)| (name.as_str(), *p)))
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
