//! The section `overload`: from when on requests are turned away.

use serde::{Deserialize, Serialize};

use crate::config::types::{BoundedDuration, CountTo, OrOff};

/// From when on requests are turned away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overload {
    /// How many messages may wait in a queue.
    pub max_depth: OrOff<Depth>,
    /// How long a message may have waited, 1 s to 7 days.
    pub max_age: OrOff<BoundedDuration<1_000, 604_800_000>>,
}

/// A number of messages, 1 to 100 million.
pub type Depth = CountTo<100_000_000>;
