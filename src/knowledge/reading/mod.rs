//! Passages from files: Markdown, plain text, HTML, tables and JSON. One format a file; the end of a file's name tells which.
//!
//! **Invariant:** what a file says becomes passages, or is told: a fault where its author has to mend something, a note where
//! not. Files are bounded in size and number.

mod dialects;
mod document;
mod faq;
mod html;
mod json;
mod lines;
mod markdown;
mod records;
mod table;

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use self::document::Document;
pub(super) use self::document::{size, slug};
use super::Passage;
use crate::corpus::{self, CorpusError, Encoding, Fault, Notes};

/// The largest file, in bytes.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;
/// The most files.
pub const MAX_FILES: usize = 10_000;
/// The most passages.
pub const MAX_PASSAGES: usize = 200_000;

/// What was read.
#[derive(Debug, Default)]
pub struct Read {
    /// In the order of the paths, and of the files' names.
    pub passages: Vec<Passage>,
    /// What was passed over or changed.
    pub notes: Notes,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// What has to be mended before documents can be used: all of it that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadErrors(Vec<ReadError>);

/// Why a file can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The file, or the path or pattern that named it.
    pub file: String,
    /// The line, from 1, where one shows it.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub reason: String,
    /// How many more there are like it in the file.
    pub more: usize,
}

/// What becomes of a file that a pattern names and no reader takes.
const PASSED_OVER: &str = "a file that is no document was passed over";

/// Reads the files that paths and patterns (`help/*.md`, `**/*.html`) name, relative to a folder. Of those that a pattern
/// names, what no reader takes is passed over.
///
/// # Errors
/// [`ReadErrors`]: a pattern that names nothing, a file of no known format that is named by itself, a file that is too
/// large, or of which a line is wrong.
pub fn read(base: &Path, patterns: &[impl AsRef<str>]) -> Result<Read, ReadErrors> {
    let (mut all, mut errors) = (Read::default(), ReadErrors::default());
    let (mut named, mut others): (HashSet<PathBuf>, HashSet<PathBuf>) = Default::default();
    let shown = |file: &Path| file.strip_prefix(base).unwrap_or(file).display().to_string();
    for pattern in patterns {
        let pattern: &str = pattern.as_ref();
        let found = match files(base, pattern) {
            Ok(found) => found,
            Err(reason) => {
                errors.add(pattern, None, reason);
                continue;
            }
        };
        if base.join(pattern).is_file() {
            named.extend(found.iter().cloned());
        }
        let (documents, rest): (Vec<PathBuf>, Vec<PathBuf>) =
            found.into_iter().partition(|file| named.contains(file) || Format::of(&extension(file)).is_some());
        if documents.is_empty() {
            errors.add(pattern, None, format!("no file that is named so is a document: these end in {ENDS}"));
        }
        for file in documents {
            if !all.files.contains(&file) {
                all.files.push(file);
            }
        }
        for file in rest {
            if others.insert(file.clone()) {
                all.notes.add_shown(PASSED_OVER, shown(&file));
            }
        }
    }
    if all.files.len() > MAX_FILES {
        let reason = format!("these are {} files, and {MAX_FILES} may be read: name fewer", all.files.len());
        errors.add(&base.display().to_string(), None, reason);
        return Err(errors);
    }
    for file in &all.files {
        let shown = shown(file);
        let (mut notes, mut faults) = (Notes::default(), corpus::Faults::default());
        match passages(file, &shown.as_str().into(), named.contains(file), &mut notes, &mut faults) {
            Ok(None) => notes.add_shown(PASSED_OVER, shown.as_str()),
            Ok(Some(passages)) => {
                if passages.is_empty() && faults.count() == 0 {
                    notes.add("there is nothing in it to find", None);
                }
                all.passages.extend(passages);
            }
            Err((line, reason)) => errors.add(&shown, line, reason),
        }
        if let Some(Fault { line, reason, .. }) = faults.first() {
            let (line, reason, more) = (Some(*line), reason.clone(), faults.count() - 1);
            errors.0.push(ReadError { file: shown.clone(), line, reason, more });
        }
        notes.found_in(&shown);
        all.notes.append(notes);
    }
    if all.passages.len() > MAX_PASSAGES {
        let reason = format!("they make {} passages, and {MAX_PASSAGES} may be searched", all.passages.len());
        errors.add(&base.display().to_string(), None, reason);
    }
    if errors.0.is_empty() { Ok(all) } else { Err(errors) }
}

/// The files that a path or a pattern names, sorted. `help/**` names all below the folder, as `help/**/*` does.
///
/// # Errors
/// Why there is none, in words.
pub fn files(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let whole = base.join(pattern);
    if whole.is_file() {
        return Ok(vec![whole]);
    }
    if whole.is_dir() {
        return Err(format!("this is a folder: name the files in it, such as {pattern}/*.md"));
    }
    if !pattern.contains(['*', '?', '[']) {
        return Err("there is no such file: correct the path, which is relative to the file that names it".to_owned());
    }
    let base = glob::Pattern::escape(&base.display().to_string());
    let whole = Path::new(&base).join(pattern);
    let whole = if whole.ends_with("**") { whole.join("*") } else { whole };
    let wrong =
        |error: glob::PatternError| format!("this isn't a pattern: {}; such as help/*.md or **/*.html", error.msg);
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let paths = glob::glob_with(&whole.display().to_string(), options).map_err(wrong)?;
    let mut found = Vec::new();
    for path in paths.take(MAX_FILES * 4) {
        let path = path.map_err(|error| format!("{} can't be read: {}", error.path().display(), error.error()))?;
        if path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err("no file is named so: correct the pattern, which is relative to the file that names it".to_owned());
    }
    found.sort();
    Ok(found)
}

type Unreadable = (Option<usize>, String);

/// How the names of documents end.
const ENDS: &str = ".md, .txt, .html, .csv, .tsv, .json or .jsonl";

/// The end of a file's name.
fn extension(file: &Path) -> String {
    file.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// The passages of a file; none where it is no document, and a pattern alone names it.
fn passages(
    file: &Path,
    shown: &Arc<str>,
    is_named: bool,
    notes: &mut Notes,
    faults: &mut corpus::Faults,
) -> Result<Option<Vec<Passage>>, Unreadable> {
    let extension = extension(file);
    let format = Format::of(&extension).ok_or_else(|| {
        let reason = match extension.as_str() {
            "pdf" | "docx" | "doc" | "odt" | "rtf" | "epub" => {
                "this isn't text: save or convert it as Markdown, HTML or plain text".to_owned()
            }
            "xlsx" | "xls" | "ods" => "this is a spreadsheet program's own format: save it as CSV, in UTF-8".to_owned(),
            _ => format!("its name doesn't tell its format: it has to end in {ENDS}"),
        };
        (None, reason)
    })?;
    let bytes = bytes(file).map_err(|reason| (None, reason))?;
    let text = decode(&bytes, format == Format::Html, notes)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim().is_empty() {
        return Ok(Some(Vec::new()));
    }
    if !is_named && format == Format::Json && json::is_other(text) {
        return Ok(None);
    }
    let line = |(line, reason): (usize, String)| (Some(line), reason);
    let passages = match format {
        Format::Markdown => markdown::read(text).passages(shown),
        Format::Html => html::read(text).passages(shown),
        Format::Text => plain(text).passages(shown),
        Format::Table => table::read(text, shown, notes, faults).map_err(line)?,
        Format::Json => json::read(text, shown, notes, faults).map_err(line)?,
    };
    Ok(Some(passages))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Markdown,
    Html,
    Text,
    Table,
    Json,
}

impl Format {
    fn of(extension: &str) -> Option<Self> {
        Some(match extension {
            "md" | "markdown" | "mdx" | "mkd" => Self::Markdown,
            "html" | "htm" | "xhtml" => Self::Html,
            "txt" | "text" => Self::Text,
            "csv" | "tsv" | "tab" => Self::Table,
            "json" | "jsonl" | "ndjson" => Self::Json,
            _ => return None,
        })
    }
}

fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("can't be read: {error}");
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).map_err(unreadable)?;
    opened.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("it is larger than {} MiB: split it, or name a part of it", MAX_FILE >> 20));
    }
    Ok(bytes)
}

/// A file's text; a page says itself what it is in.
fn decode<'b>(bytes: &'b [u8], is_html: bool, notes: &mut Notes) -> Result<Cow<'b, str>, Unreadable> {
    let told = if is_html && std::str::from_utf8(bytes).is_err() { charset(bytes) } else { None };
    let (text, note) = corpus::decode(bytes, told).map_err(|error| match error {
        CorpusError::Line { line, reason } | CorpusError::Unknown { line, reason } => (
            Some(line),
            reason
                .replace(", or tell its encoding with --encoding", "")
                .replace(", or tell its encoding, such as --encoding GBK", ""),
        ),
        CorpusError::Empty => (None, "it is empty".to_owned()),
    })?;
    if let Some(note) = note {
        notes.add(note, None);
    }
    Ok(text)
}

/// What a page's `meta` element says that it is encoded in.
fn charset(bytes: &[u8]) -> Option<&'static Encoding> {
    const LOOKED_AT: usize = 1024;
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOKED_AT)]).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let label: String = after
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    Encoding::for_label(label.as_bytes())
}

/// Plain text: paragraphs, with empty lines between them.
fn plain(text: &str) -> Document {
    let mut document = Document::default();
    let (mut paragraph, mut start) = (String::new(), 1);
    for (number, line) in (1..).zip(text.lines().chain([""])) {
        if line.trim().is_empty() {
            document.paragraph(&paragraph, start);
            paragraph.clear();
            continue;
        }
        if paragraph.is_empty() {
            start = number;
        } else {
            paragraph.push('\n');
        }
        paragraph.push_str(line.trim_end());
    }
    document
}

impl ReadErrors {
    fn add(&mut self, file: &str, line: Option<usize>, reason: impl Into<String>) {
        self.0.push(ReadError { file: file.to_owned(), line, reason: reason.into(), more: 0 });
    }

    /// Each of them, in the files' order.
    pub fn iter(&self) -> impl Iterator<Item = &ReadError> {
        self.0.iter()
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}: line {line}: {}", self.file, self.reason)?,
            None => write!(f, "{}: {}", self.file, self.reason)?,
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, " (and {more} more in this file)"),
        }
    }
}

impl fmt::Display for ReadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ReadErrors {}

#[cfg(test)]
mod tests;
