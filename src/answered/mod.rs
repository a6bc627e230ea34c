//! No duplicate work: a request that comes again and was answered, or is still being worked on, gets that answer.
//!
//! RabbitMQ delivers at least once: what is lost between an answer and its ack (a connection, a worker) brings the
//! request back. Its answer is remembered for a while, in this process and, where a Redis is configured, among all
//! workers, since a crash moves a redelivery to another one.
//!
//! **Invariants:** only answers are remembered (and, in this process alone, that feedback was counted), never errors,
//! which may pass. Only a request that may be a repetition is looked up. Nobody gets the answer to another's request (see
//! [`Key`]). What is remembered elsewhere may be slow or away: that costs duplicate work, never an answer.

mod memory;
mod redis;
mod shared;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use metrics::counter;
use tokio::task::JoinHandle;

use self::memory::{Known, Memory};
pub use self::{
    memory::Bounds,
    redis::{RedisAnswers, probe},
    shared::SharedAnswers,
};
use crate::domain::{Key, Outcome};

/// A request's identity, and whether it may have come before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// What tells it from every other.
    pub key: Key,
    /// Whether it may be a repetition. Only then is it looked up: a client that uses its message ids again wants a new
    /// answer, and what comes for the first time needn't pay for a look.
    pub repeated: bool,
}

/// The answers that are remembered.
pub struct Answers {
    memory: Memory,
    shared: Option<Arc<dyn SharedAnswers>>,
}

/// What is known of a request that comes again.
pub enum Found<'a> {
    /// What became of it the first time.
    Outcome(Outcome),
    /// Nothing: it has to be worked on, under this claim.
    Nothing(Claim<'a>),
}

/// The right to work on a request. Dropped without an outcome, as when the work is given up, it passes to one of those who wait.
pub struct Claim<'a> {
    answers: &'a Answers,
    key: Key,
    open: bool,
}

impl Answers {
    /// Remembers within these bounds, and among all workers where there is a place for that.
    pub fn new(bounds: Bounds, shared: Option<Arc<dyn SharedAnswers>>) -> Self {
        Self { memory: Memory::new(bounds), shared }
    }

    /// The claim on a request that comes for the first time; `None` if the same is being worked on.
    pub fn claim(&self, key: Key) -> Option<Claim<'_>> {
        self.memory.claim(key).then(|| Claim { answers: self, key, open: true })
    }

    /// What is known of a request that comes again. Waits for work on it that still runs.
    pub async fn look_up(&self, key: Key) -> Found<'_> {
        loop {
            match self.memory.look_up(key) {
                Known::Answered(outcome) => {
                    looked_up("memory");
                    return Found::Outcome(outcome);
                }
                Known::Running(outcome) => {
                    // Given up: the next one takes it on.
                    if let Ok(outcome) = outcome.await {
                        looked_up("joined");
                        return Found::Outcome(outcome);
                    }
                }
                Known::Claimed => break,
            }
        }
        let mut claim = Claim { answers: self, key, open: true };
        let shared = match &self.shared {
            Some(shared) => shared.get(&key).await,
            None => None,
        };
        match shared {
            Some(reply) => {
                looked_up("redis");
                let outcome = Outcome::Reply(Arc::new(reply));
                claim.close(Some(&outcome));
                Found::Outcome(outcome)
            }
            None => {
                looked_up("miss");
                Found::Nothing(claim)
            }
        }
    }
}

/// An answer on its way to where workers share theirs.
#[derive(Default)]
pub struct Sharing(Option<JoinHandle<()>>);

impl Sharing {
    /// Waits until it is there, or given up. To be awaited before the request is acked: what comes again because that was
    /// never done finds it then.
    pub async fn done(self) {
        if let Some(task) = self.0 {
            // One that panicked has been told, and its answer isn't shared.
            let _ = task.await;
        }
    }
}

impl Claim<'_> {
    /// Remembers what became of the request, where it is an answer, and tells those who wait for it. It is shared
    /// meanwhile, so that nobody waits longer for a reply because of that.
    pub fn finish(mut self, outcome: &Outcome) -> Sharing {
        self.close(Some(outcome));
        let (Some(shared), Outcome::Reply(reply)) = (&self.answers.shared, outcome) else { return Sharing::default() };
        let (shared, key, reply) = (shared.clone(), self.key, reply.clone());
        Sharing(Some(tokio::spawn(async move { shared.put(&key, &reply).await })))
    }

    fn close(&mut self, outcome: Option<&Outcome>) {
        if std::mem::take(&mut self.open) {
            self.answers.memory.finish(self.key, outcome);
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.close(None);
    }
}

fn looked_up(result: &'static str) {
    counter!("chatbot_answered_total", "result" => result).increment(1);
}
