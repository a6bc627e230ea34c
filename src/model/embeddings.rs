//! Sentence embeddings from a service, with the embedded model's classifier on top.
//!
//! The service is one of OpenAI's form (`/embeddings`), or, where the address ends in `/embed`, Text Embeddings
//! Inference. The classifier is trained on the bot's examples as soon as the service has turned them into vectors.
//!
//! **Invariant:** vectors that were had are kept, so that preparing goes on where it was cut off.

use std::{
    num::NonZeroU16,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use super::{
    Catalogue, Failure, ModelClient, ModelError, Query,
    batcher::{Batched, Batcher},
    embedded::VectorClassifier,
};
use crate::{
    domain::{IntentName, Prediction},
    outbound::Service,
};

/// For one request with examples, which may be many texts for a slow machine.
const EXAMPLES_TIMEOUT: Duration = Duration::from_secs(60);

/// How embeddings are asked for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The model's name at the server.
    pub model: Option<String>,
    /// What stands before each text.
    pub prefix: Option<String>,
    /// More members of the request.
    pub extra: Map<String, Value>,
    /// Texts in one request.
    pub batch: NonZeroU16,
    /// How long a text waits for others.
    pub batch_wait: Duration,
}

/// A classifier of a service's embeddings.
pub struct Embeddings {
    batcher: Batcher<Embed>,
    catalogue: Arc<Catalogue>,
    /// The examples' vectors, as far as they are there.
    vectors: Mutex<Vec<Vec<f32>>>,
    classifier: OnceLock<VectorClassifier>,
}

struct Embed {
    service: Service,
    url: Url,
    /// Whether it speaks as Text Embeddings Inference does by itself.
    tei: bool,
    model: Option<String>,
    prefix: Option<String>,
    extra: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct OpenAiAnswer {
    data: Vec<OpenAiVector>,
}

#[derive(Debug, Deserialize)]
struct OpenAiVector {
    index: usize,
    embedding: Vec<f32>,
}

impl Embeddings {
    /// The embeddings of a service.
    pub fn new(service: Service, settings: Settings, catalogue: Arc<Catalogue>) -> Self {
        let endpoint = service.endpoint();
        let tei = endpoint.url().path().ends_with("/embed");
        let url = if tei { endpoint.url().clone() } else { endpoint.with_path("/embeddings") };
        let Settings { model, prefix, extra, batch, batch_wait } = settings;
        let service = Embed { service, url, tei, model, prefix, extra };
        let batcher = Batcher::new(service, batch, batch_wait);
        Self { batcher, catalogue, vectors: Mutex::default(), classifier: OnceLock::new() }
    }
}

#[async_trait]
impl Batched for Embed {
    type Out = Vec<f32>;

    fn name(&self) -> &Arc<str> {
        self.service.name()
    }

    async fn send(&self, texts: Vec<String>, deadline: Instant) -> Result<Vec<Vec<f32>>, ModelError> {
        self.service.call(deadline, |deadline| self.embed(&texts, deadline)).await
    }
}

impl Embed {
    /// Asks for vectors, outside of the service's bounds.
    async fn embed(&self, texts: &[String], deadline: Instant) -> Result<Vec<Vec<f32>>, ModelError> {
        let texts: Vec<String> = match &self.prefix {
            Some(prefix) => texts.iter().map(|text| format!("{prefix} {text}")).collect(),
            None => texts.to_vec(),
        };
        let endpoint = self.service.endpoint();
        let mut body = match self.tei {
            true => json!({"inputs": texts, "normalize": true, "truncate": true}),
            false => json!({"input": texts, "encoding_format": "float"}),
        };
        if let (Some(model), false) = (&self.model, self.tei) {
            body["model"] = json!(model);
        }
        if let Value::Object(members) = &mut body {
            members.extend(self.extra.clone());
        }
        let vectors: Vec<Vec<f32>> = if self.tei {
            endpoint.ask(&self.url, &body, deadline).await?
        } else {
            let mut answer: OpenAiAnswer = endpoint.ask(&self.url, &body, deadline).await?;
            answer.data.sort_by_key(|vector| vector.index);
            answer.data.into_iter().map(|vector| vector.embedding).collect()
        };
        let width = vectors.first().map_or(0, Vec::len);
        if width == 0 || vectors.iter().any(|vector| vector.len() != width || !vector.iter().all(|v| v.is_finite())) {
            return Err(self.error(Failure::BadAnswer, "its vectors aren't all of one length and finite"));
        }
        Ok(vectors)
    }

    fn error(&self, failure: Failure, reason: impl Into<String>) -> ModelError {
        ModelError::new(self.service.name(), failure, reason)
    }
}

#[async_trait]
impl ModelClient for Embeddings {
    fn name(&self) -> &str {
        self.batcher.service().name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let error = |failure, reason| Err(self.batcher.service().error(failure, reason));
        let Some(classifier) = self.classifier.get() else {
            return error(Failure::NotReady, "the bot's examples have yet to become vectors");
        };
        let vector = self.batcher.ask(query.text.to_owned(), query.deadline).await?;
        if vector.len() != classifier.width() {
            return error(Failure::BadAnswer, "its vector has another length than those of the examples had");
        }
        let prediction = Prediction::ranked(classifier.rank(&vector), Arc::clone(self.batcher.service().name()));
        Ok(prediction.advising(classifier.threshold()))
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        let mut vectors = self.vectors.lock().await;
        if self.classifier.get().is_some() {
            return Ok(());
        }
        let service = self.batcher.service();
        let examples: Vec<_> = self.catalogue.examples().collect();
        while let Some(rest) = examples.get(vectors.len()..).filter(|rest| !rest.is_empty()) {
            let batch: Vec<String> =
                rest.iter().take(self.batcher.most()).map(|example| example.text.to_owned()).collect();
            let expected = batch.len();
            let had = service.embed(&batch, Instant::now() + EXAMPLES_TIMEOUT).await?;
            let width = vectors.first().or(had.first()).map_or(0, Vec::len);
            if had.len() != expected || had.iter().any(|vector| vector.len() != width) {
                return Err(service.error(Failure::BadAnswer, "its vectors are of other number or length"));
            }
            vectors.extend(had);
        }
        let intents: Vec<IntentName> = examples.iter().map(|example| example.intent.clone()).collect();
        let all = std::mem::take(&mut *vectors);
        let trained = tokio::task::spawn_blocking(move || VectorClassifier::train(&all, &intents)).await;
        let trained = trained.map_err(|error| error.to_string()).and_then(|it| it.map_err(|error| error.to_string()));
        let classifier = trained.map_err(|reason| service.error(Failure::NotReady, reason))?;
        let _ = self.classifier.set(classifier);
        Ok(())
    }
}
