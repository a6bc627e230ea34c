//! Why a session didn't start.

use std::time::Duration;

use super::{connection::error::ConnectError, objects::problem::TopologyError};

/// Why a session didn't start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// The broker can't be reached, or refuses.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The topology isn't there.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Anything that may pass.
    #[error("{0}")]
    Lost(String),
}

pub(crate) fn too_slow(what: &str, limit: Duration) -> StartError {
    StartError::Lost(format!("the broker didn't {what} within {limit:?}"))
}
