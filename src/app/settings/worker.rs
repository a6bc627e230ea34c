//! The section `worker`: what a worker takes on, and within which bounds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    config::{
        Conflict,
        types::{BoundedDuration, BoundedSize, Invalid, List, OrOff, ShownSize, quote, text::serde_as_text},
    },
    domain::IntentName,
};

/// What a worker takes on, and within which bounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Worker {
    pub queues: List<Queues>,
    /// The largest body, as received and as decompressed, 1 KiB to 64 MiB.
    pub max_body: BoundedSize<{ 1 << 10 }, { 64 << 20 }>,
    /// The bytes of all bodies in work; at least twice `max_body`, at most 2 GiB.
    pub memory_budget: BoundedSize<{ 2 << 10 }, { 1 << 31 }>,
    /// For one message's handler, up to 29 min: RabbitMQ closes a channel that holds a message for 30.
    pub handler_timeout: BoundedDuration<1, 1_740_000>,
    /// The deadline of messages that have none, up to 28 days.
    pub default_ttl: OrOff<BoundedDuration<1, 2_419_200_000>>,
    /// For what is in work when the worker is told to end, up to 1 h.
    pub shutdown_grace: BoundedDuration<0, 3_600_000>,
}

/// Queues that a worker can be told to consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queues {
    All,
    Requests,
    Intents,
    Intent(IntentName),
    /// Conversations, each in its order.
    Conversations,
    /// The messages that were there when a worker died.
    Suspects,
    /// What the broker dead-lettered by itself.
    Died,
}

impl Worker {
    pub(super) fn conflict(&self) -> Option<Conflict> {
        let (budget, body) = (self.memory_budget.get(), self.max_body.get());
        let least = body.saturating_mul(2);
        (budget < least).then(|| Conflict {
            keys: vec!["worker.memory_budget".into(), "worker.max_body".into()],
            message: format!(
                "worker.memory_budget ({}) has to be at least twice worker.max_body ({}): set \
                 CHATBOT_WORKER_MEMORY_BUDGET to {} or more, or CHATBOT_WORKER_MAX_BODY to {} or less",
                self.memory_budget,
                self.max_body,
                ShownSize(least),
                ShownSize(budget / 2),
            ),
        })
    }
}

impl FromStr for Queues {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(name) = text.strip_prefix("intent.") {
            let fault = |_| {
                let rule = "an intent's name is 1 to 64 of A-Z a-z 0-9 _ -, such as intent.product_info";
                Invalid(format!("{} names no queue: {rule}", quote(text)))
            };
            return IntentName::new(name).map(Self::Intent).map_err(fault);
        }
        match text {
            "all" => Ok(Self::All),
            "requests" => Ok(Self::Requests),
            "intents" => Ok(Self::Intents),
            "conversations" => Ok(Self::Conversations),
            "suspects" => Ok(Self::Suspects),
            "died" => Ok(Self::Died),
            _ => {
                let names = "all, requests, intents, conversations, suspects, died, or intent.NAME for one intent, such as requests,died";
                Err(Invalid(format!("{} names no queue: use {names}", quote(text))))
            }
        }
    }
}

impl fmt::Display for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Requests => f.write_str("requests"),
            Self::Intents => f.write_str("intents"),
            Self::Intent(name) => write!(f, "intent.{name}"),
            Self::Conversations => f.write_str("conversations"),
            Self::Suspects => f.write_str("suspects"),
            Self::Died => f.write_str("died"),
        }
    }
}

serde_as_text!(Queues);
