//! Labelled utterances, in the formats that people keep them in. One format a file.
//!
//! **Invariant:** pure. It takes a file's text and gives what stands in it, or the line at fault; it opens nothing.

pub mod annotation;
mod columns;
mod encoding;
mod faults;
mod form;
mod json;
mod mistaken;
mod names;
mod notes;
mod rasa;
mod reading;
mod rows;
mod sheet;
mod table;

use std::path::Path;

use crate::utf8;

pub(crate) use encoding::decode;
pub use json::Agent;
pub(crate) use json::{
    no_json,
    value::{Document, Value},
};
pub(crate) use rows::{Broken, Row, Rows, excerpt};
pub(crate) use table::{SEPARATORS, told_separator, wrong_width};

pub use annotation::{Mention, Slip};
pub use faults::{Fault, Faults};
pub use form::{Ask, Filler, Form, Slot};
pub use names::{LabelNames, Renamed};
pub use notes::{Note, Notes};
pub use rasa::{NO_DASH, Project};
pub use reading::{Columns, Encoding, Part, Reading};
pub use sheet::{Sheet, SheetRow};

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corpus {
    /// The utterances, in the file's order.
    pub utterances: Vec<Utterance>,
    /// The entities that they were marked with.
    pub mentions: Vec<Mention>,
    /// Entities, and the values that a list gives them.
    pub values: Vec<Word>,
    /// Values, and what else users say for them.
    pub synonyms: Vec<Word>,
    /// Entities, and what their values can be.
    pub lookups: Vec<Word>,
    /// Entities, and the regular expressions of their values.
    pub patterns: Vec<Word>,
    /// What the bot answers; an intent may have several. None is a template.
    pub replies: Vec<Reply>,
    /// What intents ask; each intent once.
    pub forms: Vec<Form>,
    /// The intents of a bot, each by its name and by its labels.
    pub labels: Vec<Word>,
    /// What the files of a Rasa project say of each other.
    pub project: Project,
    /// What the files of an agent of Dialogflow say of each other.
    pub agent: Agent,
    /// What was left out or changed.
    pub notes: Notes,
    /// The rows that can't be used. Whoever can't do without them refuses the file; see [`Corpus::strict`].
    pub faults: Faults,
}

/// A line of a list that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The list's name.
    pub of: String,
    /// The line.
    pub text: String,
}

/// What the bot answers to an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The label of its intent.
    pub of: String,
    /// The text.
    pub text: String,
    /// Its language, a BCP 47 tag, where the file tells.
    pub language: Option<String>,
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
    /// JSON: a list, an object of a known shape, or an object a line.
    Json,
    /// Rows of cells, with something between them that the first row shows.
    Table,
    /// A file of a Rasa project.
    Nlu,
    /// Training data of Rasa's first version.
    Markdown,
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
    /// Nothing in the file tells that it is data for a bot: in a folder it is passed over, and told.
    #[error("line {line}: {reason}")]
    Unknown {
        /// The line that shows it, from 1.
        line: usize,
        /// What is there, and what would be known.
        reason: String,
    },
    /// Nothing in any of the files.
    #[error("there is no utterance in it")]
    Empty,
}

impl Format {
    /// The format of a file, by the end of its name; none where it isn't one of these.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Json),
            "csv" | "tsv" | "tab" | "txt" => Some(Self::Table),
            "yml" | "yaml" => Some(Self::Nlu),
            "md" => Some(Self::Markdown),
            _ => None,
        }
    }
}

impl Corpus {
    /// Reads a file's text. It may hold no utterance: several files are judged by their sum.
    ///
    /// # Errors
    /// [`CorpusError`], at the first line that makes the file unreadable; rows that alone can't be used are in `faults`.
    pub fn parse(format: Format, text: &str, reading: &Reading) -> Result<Self, CorpusError> {
        let text = utf8::without_mark(text);
        if text.trim().is_empty() {
            let mut corpus = Self::default();
            corpus.notes.add("a file without data is passed over", None);
            return Ok(corpus);
        }
        match format {
            Format::Json => json::parse(text, reading),
            Format::Table => table::parse(text, reading),
            Format::Nlu => rasa::parse(text),
            Format::Markdown => rasa::parse_markdown(text),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Corpus::parse`], and where it isn't sure what the file is encoded in.
    pub fn read(format: Format, bytes: &[u8], reading: &Reading) -> Result<Self, CorpusError> {
        let (text, note) = encoding::decode(bytes, reading.encoding)?;
        mistaken::check(&text)?;
        let mut corpus = Self::parse(format, &text, reading)?;
        if let Some(note) = note {
            corpus.notes.add(note, None);
        }
        Ok(corpus)
    }

    /// Tells in which file all of this was found.
    pub fn found_in(&mut self, file: &str) {
        self.agent.found_in(file, &mut self.notes, &mut self.faults);
        self.notes.found_in(file);
        self.faults.found_in(file);
    }

    /// Adds an utterance of a format in which nothing is a mark.
    fn add_plain(&mut self, text: &str, label: Option<&str>, line: usize) {
        self.note_marks(text, Some(line));
        self.utterances.push(Utterance { text: text.to_owned(), label: label.map(str::to_owned) });
    }

    /// Tells of a text in which something looks like a mark, of such a format.
    fn note_marks(&mut self, text: &str, line: Option<usize>) {
        if !annotation::parse(text).mentions.is_empty() {
            self.notes.add("what looks like a mark of an entity was kept as text: only Rasa's files have marks", line);
        }
    }

    /// Adds what another file holds.
    pub fn append(&mut self, mut other: Self) {
        self.utterances.append(&mut other.utterances);
        self.mentions.append(&mut other.mentions);
        self.values.append(&mut other.values);
        self.synonyms.append(&mut other.synonyms);
        self.lookups.append(&mut other.lookups);
        self.patterns.append(&mut other.patterns);
        self.replies.append(&mut other.replies);
        self.forms.append(&mut other.forms);
        self.labels.append(&mut other.labels);
        self.project.append(other.project);
        self.agent.append(other.agent);
        self.notes.append(other.notes);
        self.faults.append(other.faults);
    }

    /// The same, where every row can be used.
    ///
    /// # Errors
    /// The first that can't.
    pub fn strict(self) -> Result<Self, Fault> {
        match self.faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(self),
        }
    }
}

impl Reply {
    /// A reply of a file that tells no languages.
    pub fn new(of: impl Into<String>, text: impl Into<String>) -> Self {
        Self { of: of.into(), text: text.into(), language: None }
    }
}

impl CorpusError {
    fn at(line: usize, reason: impl ToString) -> Self {
        Self::Line { line, reason: reason.to_string() }
    }

    fn unknown(line: usize, reason: impl ToString) -> Self {
        Self::Unknown { line, reason: reason.to_string() }
    }
}
