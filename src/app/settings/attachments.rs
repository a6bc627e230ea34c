//! The section `attachments`: what is fetched of what messages name by its address.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Worker;
use crate::{
    config::{
        Conflict,
        types::{BoundedDuration, BoundedSize, Invalid, List, ShownSize, text::serde_as_text},
    },
    outbound::fetch,
};

/// What an attachment takes in memory at most, of its size: itself, and twice more as it is sent to a language model.
const COPIES: usize = 3;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attachments {
    /// The hosts from which attachments are fetched; none are where none is set.
    pub hosts: Option<List<AllowedHost>>,
    /// The most that is fetched for one message, 1 KiB to 64 MiB.
    pub max_size: BoundedSize<1024, { 64 << 20 }>,
    /// For fetching one, up to 5 min.
    pub timeout: BoundedDuration<1, 300_000>,
}

/// A host from which attachments are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost(fetch::AllowedHost);

impl Attachments {
    pub(super) fn conflict(&self, worker: &Worker) -> Option<Conflict> {
        let (size, budget) = (self.max_size.get(), worker.memory_budget.get());
        let least = size.saturating_mul(2 * COPIES);
        // What is never fetched takes nothing.
        (self.hosts.is_some() && budget < least).then(|| Conflict {
            keys: vec!["attachments.max_size".into(), "worker.memory_budget".into()],
            message: format!(
                "worker.memory_budget ({}) has to be at least six times attachments.max_size ({}): set \
                 CHATBOT_WORKER_MEMORY_BUDGET to {} or more, or CHATBOT_ATTACHMENTS_MAX_SIZE to {} or less",
                worker.memory_budget,
                self.max_size,
                ShownSize(least),
                ShownSize(budget / (2 * COPIES)),
            ),
        })
    }
}

impl AllowedHost {
    pub fn get(&self) -> &fetch::AllowedHost {
        &self.0
    }
}

impl FromStr for AllowedHost {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(Invalid)
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(AllowedHost);
