//! The section `embedded`: the built-in model.

use serde::{Deserialize, Serialize};

use crate::config::types::FilePath;

/// The built-in model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Embedded {
    /// Where `train` saved it; trained at the start where none.
    pub path: Option<FilePath>,
}
