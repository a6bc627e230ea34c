//! Where passages come from that an answer may rest on: a seam, behind which documents are searched.

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{domain::Source, outbound::ServiceError};

/// What was found for a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieved {
    /// The passages that may answer, the best first; at least one.
    pub passages: Vec<Source>,
    /// Whether the first answers as surely as it has to, to be shown by itself. Else it is worth a model's look.
    pub is_sure: bool,
}

/// Finds the passages that answer a question.
#[async_trait]
pub trait Retriever: Send + Sync {
    /// What may answer; none where it is unlikely that anything does, which is decided here and by no model.
    async fn find(&self, question: &str, deadline: Instant) -> Option<Retrieved>;

    /// As of a [`Handler`](super::Handler).
    ///
    /// # Errors
    /// Why it can't be done now.
    async fn prepare(&self) -> Result<(), ServiceError> {
        Ok(())
    }
}
