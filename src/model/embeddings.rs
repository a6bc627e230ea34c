//! Sentence embeddings from a service, with the embedded model's classifier on top.
//!
//! The service is one of OpenAI's form (`/embeddings`), or, where the address ends in `/embed`, Text Embeddings
//! Inference. The classifier is trained on the bot's examples as soon as the service has turned them into vectors.
//!
//! **Invariant:** vectors that were had are kept, so that preparing goes on where it was cut off, and a bot that is read
//! again asks only for what is new in it.

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
    vectors::{Vector, Vectors},
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
    had: Mutex<Vec<Option<Vector>>>,
    vectors: Vectors,
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
    /// The embeddings of a service. `vectors` are those that are known.
    pub fn new(service: Service, settings: Settings, catalogue: Arc<Catalogue>, vectors: Vectors) -> Self {
        let endpoint = service.endpoint();
        let tei = endpoint.url().path().ends_with("/embed");
        let url = if tei { endpoint.url().clone() } else { endpoint.with_path("/embeddings") };
        let Settings { model, prefix, extra, batch, batch_wait } = settings;
        let service = Embed { service, url, tei, model, prefix, extra };
        let batcher = Batcher::new(service, batch, batch_wait);
        Self { batcher, catalogue, had: Mutex::default(), vectors, classifier: OnceLock::new() }
    }
}

#[async_trait]
impl Batched for Embed {
    type Out = Vec<f32>;

    fn name(&self) -> &Arc<str> {
        self.service.name()
    }

    async fn send(&self, texts: &[String], deadline: Instant) -> Result<Vec<Vec<f32>>, ModelError> {
        self.service.call(deadline, |deadline| self.embed(texts, deadline)).await
    }
}

impl Embed {
    /// Asks for vectors, outside of the service's bounds.
    async fn embed(&self, texts: &[String], deadline: Instant) -> Result<Vec<Vec<f32>>, ModelError> {
        let (private, inputs): (Vec<&str>, Vec<String>) =
            texts.iter().map(|text| (text.as_str(), self.input(text))).unzip();
        let endpoint = self.service.endpoint();
        let mut body = match self.tei {
            true => json!({"inputs": inputs, "normalize": true, "truncate": true}),
            false => json!({"input": inputs, "encoding_format": "float"}),
        };
        if let (Some(model), false) = (&self.model, self.tei) {
            body["model"] = json!(model);
        }
        if let Value::Object(members) = &mut body {
            members.extend(self.extra.clone());
        }
        let vectors: Vec<Vec<f32>> = if self.tei {
            endpoint.ask(&self.url, &body, &private, deadline).await?
        } else {
            let mut answer: OpenAiAnswer = endpoint.ask(&self.url, &body, &private, deadline).await?;
            answer.data.sort_by_key(|vector| vector.index);
            answer.data.into_iter().map(|vector| vector.embedding).collect()
        };
        let width = vectors.first().map_or(0, Vec::len);
        if width == 0 || vectors.iter().any(|vector| vector.len() != width || !vector.iter().all(|v| v.is_finite())) {
            return Err(self.error(Failure::BadAnswer, "its vectors aren't all of one length and finite"));
        }
        Ok(vectors)
    }

    fn input(&self, text: &str) -> String {
        self.prefix.as_ref().map_or_else(|| text.to_owned(), |prefix| format!("{prefix} {text}"))
    }

    /// What tells its vectors from those of others.
    fn identity(&self) -> String {
        json!([self.url, self.model, self.prefix, self.extra]).to_string()
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
        let mut had = self.had.lock().await;
        if self.classifier.get().is_some() {
            return Ok(());
        }
        let service = self.batcher.service();
        let examples: Vec<_> = self.catalogue.examples().collect();
        self.fill(&mut had, &examples.iter().map(|example| example.text).collect::<Vec<_>>()).await?;
        let intents: Vec<IntentName> = examples.iter().map(|example| example.intent.clone()).collect();
        let all: Vec<Vec<f32>> =
            std::mem::take(&mut *had).into_iter().flatten().map(|vector| vector.to_vec()).collect();
        let trained = tokio::task::spawn_blocking(move || VectorClassifier::train(&all, &intents)).await;
        let trained = trained.map_err(|error| error.to_string()).and_then(|it| it.map_err(|error| error.to_string()));
        let classifier = trained.map_err(|reason| service.error(Failure::NotReady, reason))?;
        let _ = self.classifier.set(classifier);
        Ok(())
    }
}

impl Embeddings {
    /// Has a vector of each text: the one that is known, or else the service's.
    async fn fill(&self, had: &mut Vec<Option<Vector>>, texts: &[&str]) -> Result<(), ModelError> {
        let service = self.batcher.service();
        let identity = service.identity();
        if had.is_empty() {
            had.extend(texts.iter().map(|text| self.vectors.get(&identity, text)));
        }
        // One that is known goes along with those that aren't, to see whether it is still the same model.
        let mut known = had.iter().position(Option::is_some);
        let mut began_anew = false;
        loop {
            if had.iter().all(Option::is_some) {
                return Ok(());
            }
            let same = known.take();
            // It has its place among those that the server takes at once.
            let most = self.batcher.most().saturating_sub(usize::from(same.is_some()));
            let mut batch: Vec<usize> = (0..texts.len()).filter(|&at| had[at].is_none()).take(most).collect();
            batch.extend(same);
            let asked: Vec<String> = batch.iter().map(|&at| texts[at].to_owned()).collect();
            let vectors = service.embed(&asked, Instant::now() + EXAMPLES_TIMEOUT).await?;
            if vectors.len() != batch.len() {
                return Err(service.error(Failure::BadAnswer, "it has another number of vectors than texts"));
            }
            let width = vectors.first().map_or(0, Vec::len);
            let changed =
                same.zip(vectors.last()).is_some_and(|(at, now)| !had[at].as_ref().is_some_and(|it| alike(it, now)));
            if changed || had.iter().flatten().any(|vector| vector.len() != width) {
                if std::mem::replace(&mut began_anew, true) {
                    let reason = "its vectors are of several lengths: are there several models behind the address?";
                    return Err(service.error(Failure::BadAnswer, reason));
                }
                tracing::info!(model = &**service.name(), "it makes other vectors than before; all are asked for anew");
                had.iter_mut().for_each(|vector| *vector = None);
            }
            for (at, vector) in batch.into_iter().zip(vectors) {
                let vector = Vector::from(vector);
                self.vectors.insert(&identity, texts[at], vector.clone());
                had[at] = Some(vector);
            }
        }
    }
}

/// Whether two vectors are one text's, of one model: but for rounding they point the same way.
fn alike(a: &[f32], b: &[f32]) -> bool {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    a.len() == b.len() && dot(a, b) >= 0.99 * (dot(a, a) * dot(b, b)).sqrt()
}
