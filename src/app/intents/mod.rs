//! The intents file: what the bot understands, and what it answers.
//!
//! It is written by the bot's author, who needs to know neither Rust nor TOML's finer points: so it is checked as a
//! whole, and every fault is told at once, with its place and its mend.
//!
//! **Invariant:** an [`IntentsFile`] that [`IntentsFile::parse`] made can be used as it is. Its fallback is one of its
//! intents, no two intents share an example, and every reply compiles.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    domain::IntentName,
    entity,
    utf8::{self, NotText},
};

mod definition;
mod finding;
mod lines;
mod reader;

pub use definition::{
    CatalogueDefinition, ConversationDefinition, Example, FormDefinition, HandlerDefinition, IntentDefinition,
    KnowledgeDefinition, LlmDefinition, Name, RecommendDefinition, SlotDefinition, SlotFills, Texts,
    TranslateDefinition,
};
pub use finding::{ConversationFault, Faults, Finding, Problem};
pub use lines::Position;
pub(super) use reader::{MOST_SLOTS, bare_form, normal_form};

pub use crate::{config::types::Fraction, pipeline::Dispatch};

/// The sample bot, so that the binary runs alone.
pub const BUILT_IN: &str = include_str!("../../../config/intents.toml");

/// The largest intents file, in bytes.
pub const MAX_SIZE: usize = 16 * 1024 * 1024;

/// A checked intents file.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentsFile {
    /// The intent that answers where the model isn't sure of any.
    pub fallback: IntentName,
    /// That it has conversations, and who steers them; none where it has none.
    pub conversation: Option<ConversationDefinition>,
    /// The intents, in the file's order.
    pub intents: Vec<IntentDefinition>,
    /// What texts name that handlers may want to know.
    pub entities: Vec<entity::Definition>,
    /// The documents that handlers answer from.
    pub knowledge: Vec<KnowledgeDefinition>,
    /// What can be recommended.
    pub catalogues: Vec<CatalogueDefinition>,
    /// The service that makes text of recordings.
    pub transcription: Option<Name>,
    /// The folder that its paths are relative to; none for a text that is no file, where they are to the current one.
    pub folder: Option<PathBuf>,
}

/// An intents file without faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The file.
    pub file: IntentsFile,
    /// What its author may want to improve, in the file's order.
    pub warnings: Vec<Finding>,
}

impl IntentsFile {
    /// Reads and checks a file. `source_name` is what faults call it: its path, or words such as "the built-in intents".
    ///
    /// # Errors
    /// [`Faults`]: all that is wrong with it, or, where it isn't valid TOML, all that is wrong with that.
    pub fn parse(source_name: &str, text: &str) -> Result<Checked, Faults> {
        if text.len() > MAX_SIZE {
            return Err(Faults::one(source_name, None, Problem::TooLarge));
        }
        reader::read(source_name, utf8::without_mark(text))
    }

    /// Loads, reads and checks the file at `path`.
    ///
    /// # Errors
    /// As [`IntentsFile::parse`], and where the file can't be read or isn't UTF-8.
    pub fn load(path: &Path) -> Result<Checked, Faults> {
        let source_name = path.display().to_string();
        let unreadable =
            |error: std::io::Error| Faults::one(&source_name, None, Problem::Unreadable(error.to_string()));
        let mut bytes = Vec::new();
        // One byte more than allowed tells a file that is too large from one that just fits.
        let limit = u64::try_from(MAX_SIZE).unwrap_or(u64::MAX).saturating_add(1);
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(&source_name, text).map(|mut checked| {
                checked.file.folder = path.parent().map(Path::to_owned);
                checked
            }),
            Err(_) if bytes.len() > MAX_SIZE => Err(Faults::one(&source_name, None, Problem::TooLarge)),
            Err(_) if utf8::not_text(&bytes) == NotText::Utf16 => {
                Err(Faults::one(&source_name, None, Problem::NotText(NotText::Utf16)))
            }
            Err(error) => {
                let position = lines::position_after(&bytes[..error.valid_up_to()]);
                Err(Faults::one(&source_name, Some(position), Problem::NotUtf8))
            }
        }
    }
}

#[cfg(test)]
mod tests;
