//! Vectors that a service made of texts, kept while the program runs: a bot that is read again has only what is new in it
//! made into vectors.
//!
//! **Invariant:** bounded; no text is kept, but a hash of it under keys that nobody outside knows.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, LazyLock},
};

use moka::{policy::EvictionPolicy, sync::Cache};

/// A text's vector.
pub type Vector = Arc<[f32]>;

/// Vectors by what they were made of.
#[derive(Debug, Clone)]
pub struct Vectors {
    vectors: Cache<(u64, u64), Vector>,
    keys: (RandomState, RandomState),
}

impl Vectors {
    /// Keeps up to so many bytes of them; those that were used last.
    pub fn new(bytes: u64) -> Self {
        let weigher = |_: &(u64, u64), vector: &Vector| u32::try_from(vector.len() * 4 + 128).unwrap_or(u32::MAX);
        let vectors =
            Cache::builder().max_capacity(bytes).weigher(weigher).eviction_policy(EvictionPolicy::lru()).build();
        Self { vectors, keys: Default::default() }
    }

    /// Those of this process, up to 64 MiB: one bot takes the place of another, and knows nothing of it.
    pub fn of_process() -> Self {
        static KEPT: LazyLock<Vectors> = LazyLock::new(|| Vectors::new(64 << 20));
        KEPT.clone()
    }

    /// The vector that was made of `text` by this service, whatever tells it from others.
    pub fn get(&self, service: &impl Hash, text: &str) -> Option<Vector> {
        self.vectors.get(&self.key(service, text))
    }

    /// Keeps a text's vector.
    pub fn insert(&self, service: &impl Hash, text: &str, vector: Vector) {
        self.vectors.insert(self.key(service, text), vector);
    }

    fn key(&self, service: &impl Hash, text: &str) -> (u64, u64) {
        (self.keys.0.hash_one((service, text)), self.keys.1.hash_one((service, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_kept_by_service_and_text_within_bounds() {
        let vectors = Vectors::new(10 * (4 * 8 + 128));
        let vector: Vector = [0.5; 8].into();
        for number in 0..100 {
            vectors.insert(&("url", "m"), &number.to_string(), vector.clone());
        }
        vectors.vectors.run_pending_tasks();
        assert_eq!(vectors.vectors.entry_count(), 10);
        assert_eq!(vectors.get(&("url", "m"), "99"), Some(vector));
        assert_eq!(vectors.get(&("url", "m"), "0"), None);
        assert_eq!(vectors.get(&("url", "n"), "99"), None);
    }
}
