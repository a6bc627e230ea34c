//! Documents that handlers search: an index, and maybe a service whose vectors help.
//!
//! **Invariant:** the service is a help. Without its vectors, words and the built-in ones find; that it is away is told once,
//! and that it is back.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use tokio::{sync::Mutex, task::spawn_blocking, time::Instant};

use super::{Retrieved, Retriever};
use crate::{
    domain::Source,
    knowledge::{Found, Hit, Knowledge},
    outbound::{
        ServiceError, Vector, Vectors,
        embeddings::{Embedder, Role},
    },
};

/// How many passages a language model answers from at the most.
const PASSAGES: usize = 4;
/// From which probability on that the passages answer a language model is asked: it reads, and what it says is held
/// against them, so that less is needed than to show one unread.
const WORTH_ASKING: f32 = 0.2;

/// Documents of one name.
#[derive(Debug)]
pub struct Documents {
    name: String,
    knowledge: Arc<Knowledge>,
    embedder: Option<Arc<Embedder>>,
    /// The passages' vectors, as far as they are there.
    had: Mutex<Vec<Option<Vector>>>,
    /// Those that are known from before.
    vectors: Vectors,
    is_away: AtomicBool,
}

impl Documents {
    /// Documents, and a service that makes vectors of them once [`Self::prepare`] is called. `vectors` are those that are
    /// known: only what is new is asked for.
    pub fn new(
        name: impl Into<String>,
        knowledge: Knowledge,
        embedder: Option<Arc<Embedder>>,
        vectors: Vectors,
    ) -> Self {
        let (had, is_away) = (Mutex::default(), AtomicBool::new(false));
        Self { name: name.into(), knowledge: Arc::new(knowledge), embedder, had, vectors, is_away }
    }

    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Has the service make vectors of the passages, where there is one and they aren't there.
    ///
    /// # Errors
    /// [`ServiceError`]; what was had is kept, so that the next call goes on from there.
    pub async fn prepare(&self) -> Result<(), ServiceError> {
        let Some(embedder) = &self.embedder else { return Ok(()) };
        let mut had = self.had.lock().await;
        if self.knowledge.has_vectors() {
            return Ok(());
        }
        let texts: Vec<String> = self.knowledge.passages().iter().map(|passage| passage.all()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let filled = embedder.fill(&mut had, &texts, Role::Passage, &self.vectors).await;
        self.tell(&filled);
        filled?;
        let (knowledge, vectors) = (self.knowledge.clone(), std::mem::take(&mut *had));
        // Each of a hundred passages is compared with all: with many, that takes too long for a thread that serves.
        if let Err(error) = spawn_blocking(move || knowledge.set_vectors(vectors)).await
            && let Ok(panic) = error.try_into_panic()
        {
            resume_unwind(panic);
        }
        tracing::info!(knowledge = self.name, passages = texts.len(), "the documents have the service's vectors");
        Ok(())
    }

    /// Finds what answers a question; by words and built-in vectors where the service gives none in time.
    pub async fn find(&self, question: &str, limit: usize, deadline: Instant) -> Found<'_> {
        let mut vector = None;
        if let Some(embedder) = self.embedder.as_ref().filter(|_| self.knowledge.has_vectors()) {
            let asked = embedder.ask(&[question], deadline).await;
            self.tell(&asked);
            vector = asked.ok().and_then(|mut vectors| vectors.pop());
        }
        self.knowledge.search(question, vector.as_deref(), limit)
    }

    /// Tells once that the service is away, or back.
    fn tell<T>(&self, asked: &Result<T, ServiceError>) {
        let was_away = self.is_away.swap(asked.is_err(), Ordering::Relaxed);
        match asked {
            Err(error) if !was_away => {
                tracing::warn!(
                    knowledge = self.name,
                    "{error}; until it is back, documents are found without its vectors"
                );
            }
            Ok(_) if was_away => tracing::info!(knowledge = self.name, "the service of the documents' vectors is back"),
            _ => {}
        }
    }
}

/// A passage as a reply shows it.
pub(super) fn source(hit: &Hit<'_>) -> Source {
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

#[async_trait]
impl Retriever for Documents {
    async fn find(&self, question: &str, deadline: Instant) -> Option<Retrieved> {
        let found = Self::find(self, question, PASSAGES, deadline).await;
        let passages: Vec<Source> = found.hits.iter().map(source).collect();
        let is_worth_it = found.answerable >= WORTH_ASKING && !passages.is_empty();
        is_worth_it.then_some(Retrieved { passages, is_sure: found.is_open })
    }

    async fn prepare(&self) -> Result<(), ServiceError> {
        Self::prepare(self).await
    }
}
