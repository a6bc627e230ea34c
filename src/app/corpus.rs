//! Labelled utterances from files: the intents file's own form, and those of [`crate::corpus`].

use std::{fs::File, io::Read, path::Path};

use super::{
    import::to_intents_file,
    intents::{Checked, Faults, Finding, IntentsFile, MAX_SIZE, Problem},
};
use crate::corpus::{Corpus, CorpusError, Format, Utterance};

/// Why a file of utterances can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusFileError {
    /// The file system doesn't hand it out, or it isn't UTF-8.
    #[error("{file}: can't be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// Its name doesn't tell what it is.
    #[error(
        "{0}: its name doesn't tell its format: it has to end in .jsonl, .csv, .tsv, .yml (Rasa's nlu.yml), or .toml (an intents file)"
    )]
    UnknownFormat(String),
    /// It isn't as its format has it.
    #[error("{file}: {source}")]
    Invalid {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: CorpusError,
    },
    /// It is an intents file with faults.
    #[error(transparent)]
    Intents(#[from] Faults),
}

/// Loads the utterances of a file; the end of its name tells the format.
///
/// # Errors
/// [`CorpusFileError`].
pub fn load_corpus(path: &Path) -> Result<Corpus, CorpusFileError> {
    let file = path.display().to_string();
    if path.extension().is_some_and(|extension| extension == "toml") {
        return Ok(corpus_of(&IntentsFile::load(path)?.file));
    }
    let format = Format::of(path).ok_or_else(|| CorpusFileError::UnknownFormat(file.clone()))?;
    let text = read(path).map_err(|reason| CorpusFileError::Unreadable { file: file.clone(), reason })?;
    Corpus::parse(format, &text).map_err(|source| CorpusFileError::Invalid { file, source })
}

/// Whether a file isn't an intents file, but one of the other formats, by the end of its name.
pub fn is_corpus(path: &Path) -> bool {
    Format::of(path).is_some()
}

/// Loads the intents file that such a file makes: a bot of its examples, with placeholders for its replies.
///
/// # Errors
/// [`Faults`], as of an intents file.
pub fn load_as_intents(path: &Path) -> Result<Checked, Faults> {
    let file = path.display().to_string();
    let corpus = load_corpus(path).map_err(|error| match error {
        CorpusFileError::Intents(faults) => faults,
        other => Faults::one(&file, None, Problem::Corpus(other.to_string())),
    })?;
    let imported = to_intents_file(&corpus, &file);
    let mut checked = IntentsFile::parse(&format!("the intents file that {file} makes"), &imported.text)?;
    let note = |note| Finding { position: None, intent: None, problem: Problem::Imported(note) };
    checked.warnings.splice(0..0, imported.notes.into_iter().map(note));
    Ok(checked)
}

/// The examples of an intents file, as utterances.
pub fn corpus_of(intents: &IntentsFile) -> Corpus {
    let utterances = intents.intents.iter().flat_map(|intent| {
        let label = Some(intent.name.to_string());
        intent.examples.iter().map(move |example| Utterance { text: example.text.clone(), label: label.clone() })
    });
    Corpus { utterances: utterances.collect(), ..Corpus::default() }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let limit = u64::try_from(MAX_SIZE).unwrap_or(u64::MAX);
    let mut file = File::open(path).map_err(|error| error.to_string())?.take(limit + 1);
    file.read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() > MAX_SIZE { Err("it is larger than 16 MiB".to_owned()) } else { Ok(text) }
}
