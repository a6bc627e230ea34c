//! The section `intents`: the bot itself.

use serde::{Deserialize, Serialize};

use crate::config::types::{BoundedDuration, FilePath, OrOff};

/// The bot itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Intents {
    /// The intents file; the built-in sample bot where none.
    pub path: Option<FilePath>,
    /// How often to look whether the file has changed, 100 ms to 1 h.
    pub watch: OrOff<BoundedDuration<100, 3_600_000>>,
}
