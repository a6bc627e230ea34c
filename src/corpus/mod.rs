//! Labelled utterances, in the formats that people keep them in. One format a file.
//!
//! **Invariant:** pure. It takes a file's text and gives what stands in it, or the line at fault; it opens nothing.

pub mod annotation;
mod json_lines;
mod names;
mod nlu;
mod notes;
mod table;

use std::path::Path;

use crate::utf8;

pub use annotation::Mention;
pub use names::{LabelNames, Renamed};
pub use notes::{Note, Notes};

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corpus {
    /// The utterances, in the file's order.
    pub utterances: Vec<Utterance>,
    /// The entities that they were marked with.
    pub mentions: Vec<Mention>,
    /// Values, and what else users say for them.
    pub synonyms: Vec<Word>,
    /// Entities, and what their values can be.
    pub lookups: Vec<Word>,
    /// Entities, and the regular expressions of their values.
    pub patterns: Vec<Word>,
    /// What the bot answers, by the label of its intent; a label may have several.
    pub replies: Vec<Word>,
    /// What was left out or changed.
    pub notes: Notes,
}

/// A line of a list that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The list's name.
    pub of: String,
    /// The line.
    pub text: String,
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
    /// Rows of cells with commas between them.
    Csv,
    /// Rows of cells with tabs between them.
    Tsv,
    /// Rasa's `nlu.yml`.
    Nlu,
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
    /// It isn't YAML.
    #[error("this isn't valid YAML: {0}")]
    Yaml(String),
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
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "yml" | "yaml" => Some(Self::Nlu),
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
        let text = utf8::without_mark(text);
        let corpus = match format {
            Format::JsonLines => json_lines::parse(text),
            Format::Csv => table::parse(text, b','),
            Format::Tsv => table::parse(text, b'\t'),
            Format::Nlu => nlu::parse(text),
        }?;
        if corpus.utterances.is_empty() { Err(CorpusError::Empty) } else { Ok(corpus) }
    }
}

impl Corpus {
    /// Adds what another file holds.
    pub fn append(&mut self, mut other: Self) {
        self.utterances.append(&mut other.utterances);
        self.mentions.append(&mut other.mentions);
        self.synonyms.append(&mut other.synonyms);
        self.lookups.append(&mut other.lookups);
        self.patterns.append(&mut other.patterns);
        self.replies.append(&mut other.replies);
        self.notes.append(other.notes);
    }
}

impl CorpusError {
    fn at(line: usize, reason: impl ToString) -> Self {
        Self::Line { line, reason: reason.to_string() }
    }
}
