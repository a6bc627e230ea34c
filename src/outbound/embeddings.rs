//! Sentence embeddings of a service: one of OpenAI's form (`/embeddings`), or, where the address ends in `/embed`, Text
//! Embeddings Inference.
//!
//! **Invariant:** vectors that were had are kept, so that filling goes on where it was cut off, and only what is new is
//! asked for. No two vectors of different models stand beside each other.

#[cfg(test)]
mod tests;

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use url::Url;

use super::{Failure, Service, ServiceError, Vector, Vectors};

/// For one request of many texts, for a slow machine.
const MANY_TIMEOUT: Duration = Duration::from_secs(60);

/// How embeddings are asked for.
#[derive(Debug, Clone)]
pub struct Form {
    /// The model's name at the server.
    pub model: Option<String>,
    /// What stands before a question, such as `query:`.
    pub prefix: Option<String>,
    /// What stands before a passage, such as `passage:`; without it, what stands before a question.
    pub passage_prefix: Option<String>,
    /// More members of the request.
    pub extra: Map<String, Value>,
    /// Texts in one request.
    pub batch: NonZeroU16,
}

/// What a text is to the others: models of search tell questions from what answers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Question,
    Passage,
}

/// A service that makes vectors of texts.
#[derive(Debug)]
pub struct Embedder {
    service: Service,
    url: Url,
    /// Whether it speaks as Text Embeddings Inference does by itself.
    tei: bool,
    form: Form,
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

impl Embedder {
    /// The embeddings of a service.
    pub fn new(service: Service, form: Form) -> Self {
        let endpoint = service.endpoint();
        let tei = endpoint.url().path().ends_with("/embed");
        let url = if tei { endpoint.url().clone() } else { endpoint.with_path("/embeddings") };
        Self { service, url, tei, form }
    }

    /// The service's name.
    pub fn name(&self) -> &Arc<str> {
        self.service.name()
    }

    /// The vectors of questions, in their order, one each; within the service's bounds. Not more than a batch at once.
    ///
    /// # Errors
    /// [`ServiceError`], which says what kind of failure it is.
    pub async fn ask(&self, texts: &[&str], deadline: Instant) -> Result<Vec<Vec<f32>>, ServiceError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        self.service.call(deadline, |deadline| self.embed(texts, Role::Question, deadline)).await
    }

    /// Has a vector of each text: the one that is known, or else the service's. `had` are those of a call that was cut
    /// off; empty at first.
    ///
    /// # Errors
    /// [`ServiceError`]; what was had stays in `had` and among `known`.
    pub async fn fill(
        &self,
        had: &mut Vec<Option<Vector>>,
        texts: &[&str],
        role: Role,
        known: &Vectors,
    ) -> Result<(), ServiceError> {
        let identity = self.identity(role);
        if had.is_empty() {
            had.extend(texts.iter().map(|text| known.get(&identity, text)));
        }
        // One that is known goes along with those that aren't, to see whether it is still the same model.
        let mut old = had.iter().position(Option::is_some);
        let mut began_anew = false;
        loop {
            if had.iter().all(Option::is_some) {
                return Ok(());
            }
            let same = old.take();
            // It has its place among those that the server takes at once.
            let most = usize::from(self.form.batch.get()).saturating_sub(usize::from(same.is_some()));
            let mut batch: Vec<usize> = (0..texts.len()).filter(|&at| had[at].is_none()).take(most).collect();
            batch.extend(same);
            let asked: Vec<&str> = batch.iter().map(|&at| texts[at]).collect();
            let vectors = self.embed(&asked, role, Instant::now() + MANY_TIMEOUT).await?;
            let width = vectors.first().map_or(0, Vec::len);
            let changed =
                same.zip(vectors.last()).is_some_and(|(at, now)| !had[at].as_ref().is_some_and(|it| alike(it, now)));
            if changed || had.iter().flatten().any(|vector| vector.len() != width) {
                if std::mem::replace(&mut began_anew, true) {
                    let reason = "its vectors are of several lengths: are there several models behind the address?";
                    return Err(self.error(reason));
                }
                tracing::info!(service = &**self.name(), "it makes other vectors than before; all are asked for anew");
                had.iter_mut().for_each(|vector| *vector = None);
            }
            for (at, vector) in batch.into_iter().zip(vectors) {
                let vector = Vector::from(vector);
                known.insert(&identity, texts[at], vector.clone());
                had[at] = Some(vector);
            }
        }
    }

    /// Asks for vectors, outside of the service's bounds.
    async fn embed(&self, texts: &[&str], role: Role, deadline: Instant) -> Result<Vec<Vec<f32>>, ServiceError> {
        let prefix = self.prefix(role);
        let inputs: Vec<String> =
            texts.iter().map(|text| prefix.map_or_else(|| (*text).to_owned(), |it| format!("{it} {text}"))).collect();
        let endpoint = self.service.endpoint();
        let mut body = match self.tei {
            true => json!({"inputs": inputs, "normalize": true, "truncate": true}),
            false => json!({"input": inputs, "encoding_format": "float"}),
        };
        if let (Some(model), false) = (&self.form.model, self.tei) {
            body["model"] = json!(model);
        }
        if let Value::Object(members) = &mut body {
            members.extend(self.form.extra.clone());
        }
        let vectors: Vec<Vec<f32>> = if self.tei {
            endpoint.ask(&self.url, &body, texts, deadline).await?
        } else {
            let mut answer: OpenAiAnswer = endpoint.ask(&self.url, &body, texts, deadline).await?;
            answer.data.sort_by_key(|vector| vector.index);
            if !answer.data.iter().map(|vector| vector.index).eq(0..texts.len()) {
                return Err(self.error("it doesn't have one vector for each text"));
            }
            answer.data.into_iter().map(|vector| vector.embedding).collect()
        };
        if vectors.len() != texts.len() {
            return Err(self.error("it has another number of vectors than texts"));
        }
        let width = vectors.first().map_or(0, Vec::len);
        if width == 0 || vectors.iter().any(|vector| vector.len() != width || !vector.iter().all(|v| v.is_finite())) {
            return Err(self.error("its vectors aren't all of one length and finite"));
        }
        Ok(vectors)
    }

    fn prefix(&self, role: Role) -> Option<&str> {
        let of_passage = self.form.passage_prefix.as_deref().filter(|_| role == Role::Passage);
        of_passage.or(self.form.prefix.as_deref())
    }

    /// What tells its vectors from those of others.
    fn identity(&self, role: Role) -> String {
        json!([self.url, self.form.model, self.prefix(role), self.form.extra]).to_string()
    }

    fn error(&self, reason: &str) -> ServiceError {
        ServiceError::new(self.name(), Failure::BadAnswer, reason)
    }
}

/// Whether two vectors are one text's, of one model: but for rounding they point the same way.
fn alike(a: &[f32], b: &[f32]) -> bool {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    a.len() == b.len() && dot(a, b) >= 0.99 * (dot(a, a) * dot(b, b)).sqrt()
}
