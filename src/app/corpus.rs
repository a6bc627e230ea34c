//! Labelled utterances from files and folders: the intents file's own form, and those of [`crate::corpus`].

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use toml::de::DeTable;

use super::{
    import::to_intents_file,
    intents::{Checked, Faults, Finding, IntentsFile, Problem},
};
use crate::corpus::{Corpus, CorpusError, Fault, Format, NO_DASH, Reading, Utterance, Word};

/// The largest file of utterances, in bytes: public data sets with their replies have twenty million.
pub const MAX_SIZE: usize = 64 * 1024 * 1024;

/// Folders that hold other programs' files, passed over in a folder of training data.
const LIBRARIES: [&str; 4] = ["node_modules", "venv", "site-packages", "__pycache__"];

/// The most files that a folder may hold, and how deep they may be: more is no folder of training data.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 16;

/// Why a file of utterances can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusFileError {
    /// The file system doesn't hand it out.
    #[error("{file}: can't be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// Its name doesn't tell what it is.
    #[error(
        "{0}: its name doesn't tell its format: it has to end in .csv, .tsv, .txt, .json, .jsonl, .yml (Rasa's), or \
         .toml (an intents file)"
    )]
    UnknownFormat(String),
    /// It isn't there, and has no ending either.
    #[error(
        "{0}: there is no such file or folder: name files that end in .csv, .tsv, .txt, .json, .jsonl, .yml (Rasa's) or .toml \
         (an intents file), or a folder of such files"
    )]
    Missing(String),
    /// It is a spreadsheet.
    #[error("{0}: this is a spreadsheet program's own format: save it as CSV, in UTF-8, and name that file")]
    Spreadsheet(String),
    /// It is an archive, as some programs export.
    #[error("{0}: this is an archive: unpack it, and name the folder")]
    Archive(String),
    /// It isn't as its format has it.
    #[error("{file}: {source}")]
    Invalid {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: CorpusError,
    },
    /// A row can't be used.
    #[error("{0}")]
    Row(Fault),
    /// An intents file is in a folder that is to be a bot.
    #[error(
        "{folder}: {file} in it is an intents file, which is a bot by itself: name that file, or move it out of the folder"
    )]
    IntentsInFolder {
        /// The folder.
        folder: String,
        /// The intents file.
        file: String,
    },
    /// It is an intents file with faults.
    #[error(transparent)]
    Intents(#[from] Faults),
}

/// Loads the utterances of files, and of all that folders hold; the end of a file's name tells its format. Rows that
/// can't be used are told in the corpus.
///
/// # Errors
/// [`CorpusFileError`].
pub fn load_corpora(paths: &[impl AsRef<Path>], reading: &Reading) -> Result<Corpus, CorpusFileError> {
    let mut corpus = Corpus::default();
    for path in paths {
        let path = path.as_ref();
        if path.is_dir() {
            load_folder(path, reading, &mut corpus)?;
        } else {
            corpus.append(load_file(path, reading)?);
        }
    }
    corpus.link();
    if corpus.utterances.is_empty() && corpus.faults.count() == 0 {
        // Nobody sees the notes of what can't be used.
        if let Some(note) = corpus.notes.iter().find(|note| note.kind == NO_DASH) {
            let reason = "there is no utterance: write '- ' before each example".to_owned();
            return Err(CorpusFileError::Row(Fault { file: note.file.clone(), line: note.line.unwrap_or(1), reason }));
        }
        let file = paths.iter().map(|path| path.as_ref().display().to_string()).collect::<Vec<_>>().join(", ");
        return Err(CorpusFileError::Invalid { file, source: CorpusError::Empty });
    }
    Ok(corpus)
}

fn load_file(path: &Path, reading: &Reading) -> Result<Corpus, CorpusFileError> {
    let file = path.display().to_string();
    if is_intents_file(path) {
        return Ok(corpus_of(&IntentsFile::load(path)?.file));
    }
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase();
    if ["xlsx", "xls", "ods", "numbers"].contains(&extension.as_str()) {
        return Err(CorpusFileError::Spreadsheet(file));
    }
    if ["zip", "gz", "tgz", "tar", "7z", "rar", "bpz"].contains(&extension.as_str()) && path.exists() {
        return Err(CorpusFileError::Archive(file));
    }
    let format = Format::of(path).ok_or_else(|| match path.try_exists() {
        Ok(false) => CorpusFileError::Missing(file.clone()),
        _ => CorpusFileError::UnknownFormat(file.clone()),
    })?;
    let bytes = read(path).map_err(|reason| CorpusFileError::Unreadable { file: file.clone(), reason })?;
    let read = Corpus::read(format, &bytes, reading);
    let mut corpus = read.map_err(|source| CorpusFileError::Invalid { file: file.clone(), source })?;
    corpus.found_in(&file);
    Ok(corpus)
}

/// Adds what the files of a folder hold that are data; the others are told.
fn load_folder(folder: &Path, reading: &Reading, corpus: &mut Corpus) -> Result<(), CorpusFileError> {
    let mut files = Vec::new();
    list(folder, 0, &mut files).map_err(|error| CorpusFileError::Unreadable {
        file: folder.display().to_string(),
        reason: error.to_string(),
    })?;
    for path in &files {
        if path.is_dir() {
            pass_over(corpus, path, "a folder of libraries");
            continue;
        }
        if is_intents_file(path) && !has_intents(path) {
            pass_over(corpus, path, "no intents file");
            continue;
        }
        match load_file(path, reading) {
            Ok(more) => corpus.append(more),
            Err(CorpusFileError::UnknownFormat(_) | CorpusFileError::Spreadsheet(_) | CorpusFileError::Archive(_)) => {
                pass_over(corpus, path, "of no format that is known");
            }
            Err(CorpusFileError::Invalid { source: CorpusError::Unknown { .. }, .. }) => {
                pass_over(corpus, path, "no data for a bot");
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

fn pass_over(corpus: &mut Corpus, path: &Path, why: &str) {
    corpus.notes.add(format!("passed over, as it is {why}"), None);
    corpus.notes.found_in(&path.display().to_string());
}

/// The files in a folder and in those under it, sorted, and the folders of libraries. What is hidden isn't listed, nor
/// what is no file, such as a socket.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        !name.starts_with(['.', '~'])
    });
    entries.sort();
    for path in entries {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if path.is_file() || LIBRARIES.contains(&&*name) {
            files.push(path);
        } else if path.is_dir() && depth < MAX_DEPTH && !leads_back(&path, folder) {
            list(&path, depth + 1, files)?;
        }
        if files.len() > MAX_FILES {
            return Err(io::Error::other("it holds too many files to be a folder of examples"));
        }
    }
    Ok(())
}

/// Whether a link leads to a folder that it lies in, so that its files would come again and again.
fn leads_back(path: &Path, folder: &Path) -> bool {
    path.is_symlink()
        && fs::canonicalize(path).is_ok_and(|to| fs::canonicalize(folder).is_ok_and(|here| here.starts_with(to)))
}

/// The files that a path stands for, as [`load_corpora`] reads them: itself, or those in it of formats that are known.
///
/// # Errors
/// The file system's.
pub fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    list(path, 0, &mut files)?;
    files.retain(|path| path.is_file() && (Format::of(path).is_some() || is_intents_file(path)));
    Ok(files)
}

/// Whether a path isn't an intents file, but one of the other formats, by the end of its name, or a folder.
pub fn is_corpus(path: &Path) -> bool {
    Format::of(path).is_some() || path.is_dir()
}

/// Loads the intents file that such a file or folder makes: a bot of its examples, with placeholders for its replies.
///
/// # Errors
/// [`Faults`], as of an intents file.
pub fn load_as_intents(path: &Path) -> Result<Checked, Faults> {
    let file = path.display().to_string();
    let corpus = load_bot(path).map_err(|error| match error {
        CorpusFileError::Intents(faults) => faults,
        other => {
            // The file is named by whoever tells the faults.
            let told = other.to_string();
            let told = told.strip_prefix(&format!("{file}: ")).unwrap_or(&told).to_owned();
            Faults::one(&file, None, Problem::Corpus(told))
        }
    })?;
    let imported = to_intents_file(&corpus, &file);
    let mut checked = IntentsFile::parse(&format!("the intents file that {file} makes"), &imported.text)?;
    let note = |note: String| Finding { position: None, intent: None, problem: Problem::Imported(note) };
    checked.warnings.splice(0..0, imported.notes.iter().map(|it| note(it.to_string())));
    Ok(checked)
}

fn load_bot(path: &Path) -> Result<Corpus, CorpusFileError> {
    if let Some(file) =
        files_of(path).unwrap_or_default().iter().find(|file| is_intents_file(file) && has_intents(file))
    {
        // Its replies, thresholds and handlers would be lost.
        let [folder, file] = [path, file].map(|path| path.display().to_string());
        return Err(CorpusFileError::IntentsInFolder { folder, file });
    }
    load_corpora(&[path], &Reading::default())?.strict().map_err(CorpusFileError::Row)
}

/// The examples of an intents file, as utterances, and its intents with their labels.
pub fn corpus_of(intents: &IntentsFile) -> Corpus {
    let utterances = intents.intents.iter().flat_map(|intent| {
        let label = Some(intent.name.to_string());
        intent.examples.iter().map(move |example| Utterance { text: example.text.clone(), label: label.clone() })
    });
    let labels = intents.intents.iter().flat_map(|intent| {
        let labels = [intent.name.as_str()].into_iter().chain(intent.labels.iter().map(String::as_str));
        labels.map(|label| Word { of: intent.name.to_string(), text: label.to_owned() })
    });
    Corpus { utterances: utterances.collect(), labels: labels.collect(), ..Corpus::default() }
}

fn is_intents_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// Whether a TOML file tells of intents: a folder may hold others, such as a project's own.
fn has_intents(path: &Path) -> bool {
    let Ok(bytes) = read(path) else { return true };
    let text = String::from_utf8_lossy(&bytes);
    DeTable::parse_recoverable(&text).0.get_ref().contains_key("intents")
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    if bytes.len() > MAX_SIZE { Err("it is larger than 64 MiB: split it".to_owned()) } else { Ok(bytes) }
}
