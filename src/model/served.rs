//! What holds for each model that a service serves: its texts are cut before they leave the house, and its answers are
//! kept for texts that come again.
//!
//! **Invariant:** what is kept is bounded by count and age; no text is, but a hash of it under keys that nobody outside
//! knows.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU16,
    time::Duration,
};

use async_trait::async_trait;
use moka::sync::Cache;

use super::{ModelClient, ModelError, Query};
use crate::{domain::Prediction, outbound::cut};

/// A model that a service serves.
pub struct Served {
    inner: Box<dyn ModelClient>,
    answers: Option<Cache<(u64, u64), Prediction>>,
    keys: (RandomState, RandomState),
}

impl Served {
    /// The model itself, and how many of its answers are kept, for how long.
    pub fn new(inner: Box<dyn ModelClient>, kept: Option<(NonZeroU16, Duration)>) -> Self {
        let cache =
            |(count, age): (NonZeroU16, _)| Cache::builder().max_capacity(count.get().into()).time_to_live(age).build();
        let answers = kept.map(cache);
        Self { inner, answers, keys: Default::default() }
    }
}

#[async_trait]
impl ModelClient for Served {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn classify(&self, query: &Query<'_>) -> Result<Prediction, ModelError> {
        let query = &Query { text: cut(query.text), ..*query };
        let Some(answers) = &self.answers else { return self.inner.classify(query).await };
        let asked = (query.text, query.locale);
        let key = (self.keys.0.hash_one(asked), self.keys.1.hash_one(asked));
        let kept = answers.get(&key);
        let (model, result) = (self.name().to_owned(), if kept.is_some() { "hit" } else { "miss" });
        metrics::counter!("chatbot_backend_cache_total", "model" => model, "result" => result).increment(1);
        if let Some(answer) = kept {
            return Ok(answer);
        }
        let answer = self.inner.classify(query).await?;
        answers.insert(key, answer.clone());
        Ok(answer)
    }

    async fn prepare(&self) -> Result<(), ModelError> {
        self.inner.prepare().await
    }
}
