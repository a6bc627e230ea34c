//! The author's documents, as handlers ask them.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Retriever;
use crate::{
    domain::Source,
    knowledge::{Hit, Knowledge},
};

/// How many passages are handed on at the most.
const PASSAGES: usize = 4;

/// Documents that can be asked.
#[derive(Debug, Clone)]
pub struct Documents {
    knowledge: Arc<Knowledge>,
}

impl Documents {
    pub fn new(knowledge: Arc<Knowledge>) -> Self {
        Self { knowledge }
    }
}

#[async_trait]
impl Retriever for Documents {
    async fn find(&self, question: &str, _: Instant) -> Option<Vec<Source>> {
        let found = self.knowledge.search(question, None, PASSAGES);
        (found.is_open && !found.hits.is_empty()).then(|| found.hits.iter().map(source).collect())
    }
}

fn source(hit: &Hit<'_>) -> Source {
    let passage = hit.passage;
    let above = std::iter::once(&passage.title).chain(&passage.headings).filter(|it| !it.is_empty());
    let title = above.map(|it| &**it).collect::<Vec<_>>().join(" › ");
    Source {
        id: passage.id.to_string(),
        title: Some(title).filter(|title| !title.is_empty()),
        text: passage.text.clone(),
        path: Some(passage.path.to_string()).filter(|path| !path.is_empty()),
        url: None,
        score: hit.score,
    }
}
