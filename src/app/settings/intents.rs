//! The section `intents`: the bot itself.

use serde::{Deserialize, Serialize};

use crate::config::types::FilePath;

/// The bot itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Intents {
    /// The intents file; the built-in sample bot where none.
    pub path: Option<FilePath>,
}
