//! Which letters are meant.

use std::time::Duration;

use super::Letter;
use crate::{amqp::WorkQueue, domain::IntentName};

/// Which letters are meant: those that fit every list that isn't empty, and every limit that is set. The default means
/// all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The beginnings of their names, in lower case.
    pub ids: Vec<String>,
    /// The work queues to which they came first.
    pub queues: Vec<WorkQueue>,
    /// Their reasons.
    pub reasons: Vec<String>,
    /// Their intents.
    pub intents: Vec<IntentName>,
    /// The least age. A letter that doesn't tell its age is neither older nor newer than anything.
    pub older_than: Option<Duration>,
    /// The greatest age.
    pub newer_than: Option<Duration>,
}

impl Filter {
    /// Whether a letter is meant at `now` (Unix milliseconds).
    pub fn matches(&self, letter: &Letter, now: u64) -> bool {
        let age = letter.age(now);
        let id = || letter.id.to_string();
        (self.ids.is_empty() || self.ids.iter().any(|prefix| id().starts_with(prefix)))
            && (self.queues.is_empty() || self.queues.contains(&letter.queue))
            && (self.reasons.is_empty() || letter.reason.as_ref().is_some_and(|reason| self.reasons.contains(reason)))
            && (self.intents.is_empty() || letter.intent().is_some_and(|intent| self.intents.contains(intent)))
            && self.older_than.is_none_or(|least| age.is_some_and(|age| age > least))
            && self.newer_than.is_none_or(|most| age.is_some_and(|age| age < most))
    }
}
