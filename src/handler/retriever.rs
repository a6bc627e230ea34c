//! Where passages come from that an answer may rest on: a seam, behind which documents are searched.

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{domain::Source, outbound::ServiceError};

/// Finds the passages that answer a question.
#[async_trait]
pub trait Retriever: Send + Sync {
    /// The passages that answer, the best first; none where nothing does, which is decided here and by no model.
    async fn find(&self, question: &str, deadline: Instant) -> Option<Vec<Source>>;

    /// As of a [`Handler`](super::Handler).
    ///
    /// # Errors
    /// Why it can't be done now.
    async fn prepare(&self) -> Result<(), ServiceError> {
        Ok(())
    }
}
