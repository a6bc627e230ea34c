//! The place where workers share their answers.

use async_trait::async_trait;

use crate::domain::Key;
use crate::domain::Reply;

/// Remembers answers for all workers. What goes wrong there is told and counted there, and costs a moment at most.
#[async_trait]
pub trait SharedAnswers: Send + Sync {
    /// The answer to a request, where one is known in time.
    async fn get(&self, key: &Key) -> Option<Reply>;

    /// Remembers an answer, if that can be done in time.
    async fn put(&self, key: &Key, reply: &Reply);
}
