//! Sentence embeddings from a service, with the embedded model's classifier on top.
//!
//! How the service is asked is [`crate::outbound::embeddings`]. The classifier is trained on the bot's examples as soon as the service has turned them into vectors.
//!
//! **Invariant:** vectors that were had are kept, so that preparing goes on where it was cut off, and a bot that is read
//! again asks only for what is new in it.

use std::{
    num::NonZeroU16,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::{sync::Mutex, time::Instant};

use super::{
    Catalogue, Failure, ModelClient, ModelError, Query,
    batcher::{Batched, Batcher},
    embedded::VectorClassifier,
};
use crate::{
    domain::{IntentName, Prediction},
    outbound::{
        Service, Vector, Vectors,
        embeddings::{Embedder, Form, Role},
    },
};

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
    batcher: Batcher<Embedder>,
    catalogue: Arc<Catalogue>,
    /// The examples' vectors, as far as they are there.
    had: Mutex<Vec<Option<Vector>>>,
    vectors: Vectors,
    classifier: OnceLock<VectorClassifier>,
}

impl Embeddings {
    /// The embeddings of a service. `vectors` are those that are known.
    pub fn new(service: Service, settings: Settings, catalogue: Arc<Catalogue>, vectors: Vectors) -> Self {
        let Settings { model, prefix, extra, batch, batch_wait } = settings;
        // An example is asked for as a text is: they are of one kind.
        let form = Form { model, prefix, passage_prefix: None, extra, batch };
        let batcher = Batcher::new(Embedder::new(service, form), batch, batch_wait);
        Self { batcher, catalogue, had: Mutex::default(), vectors, classifier: OnceLock::new() }
    }
}

#[async_trait]
impl Batched for Embedder {
    type Out = Vec<f32>;

    fn name(&self) -> &Arc<str> {
        Embedder::name(self)
    }

    async fn send(&self, texts: &[String], deadline: Instant) -> Result<Vec<Vec<f32>>, ModelError> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(self.ask(&texts, deadline).await?)
    }
}

#[async_trait]
impl ModelClient for Embeddings {
    fn name(&self) -> &str {
        self.batcher.service().name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let error = |failure, reason| Err(ModelError::new(self.batcher.service().name(), failure, reason));
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
        let mut had = self.had.lock().await;
        if self.classifier.get().is_some() {
            return Ok(());
        }
        let service = self.batcher.service();
        let examples: Vec<_> = self.catalogue.examples().collect();
        let texts: Vec<&str> = examples.iter().map(|example| example.text).collect();
        service.fill(&mut had, &texts, Role::Question, &self.vectors).await?;
        let intents: Vec<IntentName> = examples.iter().map(|example| example.intent.clone()).collect();
        let all: Vec<Vec<f32>> =
            std::mem::take(&mut *had).into_iter().flatten().map(|vector| vector.to_vec()).collect();
        let trained = tokio::task::spawn_blocking(move || VectorClassifier::train(&all, &intents)).await;
        let trained = trained.map_err(|error| error.to_string()).and_then(|it| it.map_err(|error| error.to_string()));
        let classifier = trained.map_err(|reason| ModelError::new(service.name(), Failure::NotReady, reason))?;
        let _ = self.classifier.set(classifier);
        Ok(())
    }
}
