//! Where a setting's value came from.

use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};

/// Where a setting's value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The defaults that are built in.
    Default,
    File {
        /// Its path, as it was given.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    Variable(String),
    /// A file that an environment variable names.
    VariableFile {
        /// The variable, with its `_FILE`.
        variable: String,
        /// The file's path, as it was given.
        path: PathBuf,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, .. } => write!(f, "file {}", path.display()),
            Self::Variable(variable) => write!(f, "environment {variable}"),
            Self::VariableFile { variable, .. } => write!(f, "file named by {variable}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
