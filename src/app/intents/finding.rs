//! What is found wrong with an intents file, and where, in words for its author.

use std::fmt;

mod conversation;
mod problem;

pub use conversation::ConversationFault;
pub use problem::Problem;

use super::Position;
use crate::excerpt::excerpt;

/// How many findings are printed: whoever has more begins with these.
const PRINTED: usize = 50;

/// One thing that is wrong, or that could be better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands; none where it is about the whole file.
    pub position: Option<Position>,
    /// The intent, where it is about one.
    pub intent: Option<String>,
    /// What it is, and how to mend it.
    pub problem: Problem,
}

/// All that is wrong with an intents file; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file's name.
    pub source_name: String,
    /// What is wrong, in the file's order.
    pub faults: Vec<Finding>,
}

impl Faults {
    pub(in crate::app) fn one(source_name: &str, position: Option<Position>, problem: Problem) -> Self {
        let fault = Finding { position, intent: None, problem };
        Self { source_name: source_name.to_owned(), faults: vec![fault] }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if let Some(intent) = &self.intent {
            write!(f, "intent '{}': ", excerpt(intent))?;
        }
        self.problem.fmt(f)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.len() {
            1 => write!(f, "{} has a fault:", self.source_name)?,
            count => write!(f, "{} has {count} faults:", self.source_name)?,
        }
        for fault in self.faults.iter().take(PRINTED) {
            write!(f, "\n  {fault}")?;
        }
        match self.faults.len().saturating_sub(PRINTED) {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}

impl std::error::Error for Faults {}
