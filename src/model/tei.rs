//! A classifier served by Text Embeddings Inference, by `POST /predict`, whose labels are the bot's intents.
//!
//! <https://huggingface.github.io/text-embeddings-inference/>

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::{
    Catalogue, ModelClient, ModelError, Query,
    batcher::{Batched, Batcher},
};
use crate::{domain::Prediction, outbound::Service};

/// A served classifier.
pub struct Tei {
    batcher: Batcher<Predict>,
    catalogue: Arc<Catalogue>,
}

struct Predict {
    service: Service,
    url: Url,
}

#[derive(Debug, Deserialize)]
struct Labelled {
    label: String,
    score: f64,
}

impl Tei {
    /// The classifier of a service, that many texts a request, for which the first waits so long.
    pub fn new(service: Service, most: NonZeroU16, wait: Duration, catalogue: Arc<Catalogue>) -> Self {
        let url = service.endpoint().with_path("/predict");
        Self { batcher: Batcher::new(Predict { service, url }, most, wait), catalogue }
    }
}

#[async_trait]
impl Batched for Predict {
    type Out = Vec<(String, f64)>;

    fn name(&self) -> &Arc<str> {
        self.service.name()
    }

    async fn send(&self, texts: &[String], deadline: Instant) -> Result<Vec<Self::Out>, ModelError> {
        // A list of lists: a plain list of two would be taken for one pair of texts.
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let inputs: Vec<[&str; 1]> = texts.iter().map(|&text| [text]).collect();
        let body = json!({"inputs": inputs, "truncate": true});
        let endpoint = self.service.endpoint();
        let answers: Vec<Vec<Labelled>> =
            self.service.call(deadline, |deadline| endpoint.ask(&self.url, &body, &texts, deadline)).await?;
        let scores = |labels: Vec<Labelled>| labels.into_iter().map(|it| (it.label, it.score)).collect();
        Ok(answers.into_iter().map(scores).collect())
    }
}

#[async_trait]
impl ModelClient for Tei {
    fn name(&self) -> &str {
        self.batcher.service().name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let labels = self.batcher.ask(query.text.to_owned(), query.deadline).await?;
        let labels = labels.iter().map(|(label, score)| (label.as_str(), *score));
        self.catalogue.prediction(self.batcher.service().name(), labels)
    }
}
