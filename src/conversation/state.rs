//! What is known of a conversation between two of its turns.

use serde::{Deserialize, Serialize};

use crate::domain::Turn;

/// What is known of a conversation between two of its turns. The empty one is that of a conversation that begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What was said, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Turn>,
}
