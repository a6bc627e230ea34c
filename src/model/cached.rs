//! Keeps answers for texts that come again.
//!
//! **Invariant:** bounded by count and age; no text is kept, but a hash of it under keys that nobody outside knows.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU16,
    time::Duration,
};

use async_trait::async_trait;
use moka::sync::Cache;

use super::{ModelClient, ModelError, Query};
use crate::domain::Prediction;

/// A model whose answers are kept.
pub struct Cached {
    inner: Box<dyn ModelClient>,
    answers: Cache<(u64, u64), Prediction>,
    keys: (RandomState, RandomState),
}

impl Cached {
    /// Keeps so many answers, each for so long.
    pub fn new(inner: Box<dyn ModelClient>, count: NonZeroU16, age: Duration) -> Self {
        let answers = Cache::builder().max_capacity(count.get().into()).time_to_live(age).build();
        Self { inner, answers, keys: Default::default() }
    }
}

#[async_trait]
impl ModelClient for Cached {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let asked = (query.text, query.locale);
        let key = (self.keys.0.hash_one(asked), self.keys.1.hash_one(asked));
        let kept = self.answers.get(&key);
        let (model, result) = (self.name().to_owned(), if kept.is_some() { "hit" } else { "miss" });
        metrics::counter!("chatbot_backend_cache_total", "model" => model, "result" => result).increment(1);
        if let Some(answer) = kept {
            return Ok(answer);
        }
        let answer = self.inner.classify(query).await?;
        self.answers.insert(key, answer.clone());
        Ok(answer)
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        self.inner.prepare().await
    }
}
