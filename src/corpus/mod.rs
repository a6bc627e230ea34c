//! Labelled utterances, in the formats that people keep them in. One format a file.
//!
//! **Invariant:** pure. It takes a file's text and gives what stands in it, or the line at fault; it opens nothing.

mod json_lines;
mod names;

use std::path::Path;

pub use names::{LabelNames, Renamed};

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corpus {
    /// The utterances, in the file's order.
    pub utterances: Vec<Utterance>,
}

/// What somebody said, and what they meant by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance {
    /// What they said; not only white space.
    pub text: String,
    /// The label that the file gives it, whatever its form; none where it is out of scope.
    pub label: Option<String>,
}

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object a line, `{"text": …, "intent": … | null}`.
    JsonLines,
}

/// Why a file can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorpusError {
    /// A line isn't as the format has it.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// Nothing in it.
    #[error("there is no utterance in it")]
    Empty,
}

impl Format {
    /// The format of a file, by the end of its name; none where it isn't one of these.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

impl Corpus {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`CorpusError`], at the first line that isn't as it must be.
    pub fn parse(format: Format, text: &str) -> Result<Self, CorpusError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let corpus = match format {
            Format::JsonLines => json_lines::parse(text),
        }?;
        if corpus.utterances.is_empty() { Err(CorpusError::Empty) } else { Ok(corpus) }
    }
}

impl CorpusError {
    fn at(line: usize, reason: impl ToString) -> Self {
        Self::Line { line, reason: reason.to_string() }
    }
}
