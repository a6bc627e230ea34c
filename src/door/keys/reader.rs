//! Reads the file of keys, and tells all that is wrong with it at once.
//!
//! **Invariant:** no value of the file is told to anybody, since people paste keys where they don't belong.

use std::{fmt, fs::File, io::Read, num::NonZeroU32, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    Origin,
    entry::{Entry, EntryKind, MAX_RATE, name_fault},
};
use crate::{excerpt::excerpt, utf8};

const FIELDS: [&str; 5] = ["hash", "public", "origins", "rate", "names_senders"];
/// The largest file, in bytes: some ten thousand keys.
const MAX_SIZE: u64 = 4 << 20;
/// How many faults are printed: whoever has more begins with these.
const PRINTED: usize = 20;

type Value<'t> = Spanned<DeValue<'t>>;

/// All that is wrong with a file of keys, with its lines, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct KeysError {
    source_name: String,
    faults: Vec<Fault>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    /// From 1; `None` where it is about the whole file.
    line: Option<usize>,
    /// Whose key it is about.
    name: Option<String>,
    what: String,
}

/// Reads and checks a file.
pub(super) fn read_file(path: &Path) -> Result<Vec<Entry>, KeysError> {
    let source_name = path.display().to_string();
    let text = text(path).map_err(|what| KeysError {
        source_name: source_name.clone(),
        faults: vec![Fault { line: None, name: None, what: format!("it {what}") }],
    })?;
    read(&source_name, &text)
}

fn text(path: &Path) -> Result<String, String> {
    // To open a pipe could wait for ever.
    if path.exists() && !path.is_file() {
        return Err("is no file: name the file of keys, not its folder".to_owned());
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MAX_SIZE => Err("is larger than 4 MiB: is it the file of keys?".to_owned()),
        read => utf8::decode_read(read.map(|_| bytes)),
    }
}

/// Reads and checks the text of a file.
pub(super) fn read(source_name: &str, text: &str) -> Result<Vec<Entry>, KeysError> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, name: None, faults: Vec::new() };
    let mut entries = Vec::new();
    for error in &errors {
        let span = error.span().unwrap_or_default();
        let is_name = error.message().starts_with("invalid unquoted key");
        let hint = if is_name { "; a name with others stands in quotes, [keys.\"商店\"]" } else { "" };
        reader.add(span, format!("this isn't valid TOML: {}{hint}", error.message()));
    }
    // What the parser could make of a text that isn't TOML may lack what is in it: faults found there may be none.
    if errors.is_empty() {
        entries = reader.file(table.get_ref());
    }
    reader.faults.sort_by_key(|fault| fault.line);
    match reader.faults.is_empty() {
        true => Ok(entries),
        false => Err(KeysError { source_name: source_name.to_owned(), faults: reader.faults }),
    }
}

/// The lines of each key's table, by its name: from the head to the last of its fields, both counted from 0. Of a text without
/// a fault; one whose keys aren't tables with heads of their own has lines that mean nothing.
pub(super) fn lines(text: &str) -> Vec<(String, Range<usize>)> {
    let (table, _) = DeTable::parse_recoverable(text);
    let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    let keys = table.get_ref().get("keys").and_then(|keys| keys.get_ref().as_table());
    let of = |(name, value): (&Spanned<DeString<'_>>, &Value<'_>)| {
        let fields = value.get_ref().as_table()?.values();
        let end = fields.map(|field| field.span().end.saturating_sub(1)).max().unwrap_or(name.span().end);
        Some((name.get_ref().to_string(), line(name.span().start)..line(end) + 1))
    };
    keys.into_iter().flat_map(|keys| keys.iter().filter_map(of)).collect()
}

struct Reader<'t> {
    text: &'t str,
    /// Whose key is being read.
    name: Option<String>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn file(&mut self, table: &DeTable<'_>) -> Vec<Entry> {
        for (key, _) in table.iter().filter(|(key, _)| key.get_ref() != "keys") {
            let told =
                format!("there is nothing called '{}' here: a key is written [keys.NAME]", excerpt(key.get_ref()));
            self.add(key.span(), told);
        }
        let Some(keys) = table.get("keys") else { return Vec::new() };
        let Some(keys) = keys.get_ref().as_table() else {
            self.add(keys.span(), "keys must be tables, each written [keys.NAME]");
            return Vec::new();
        };
        let mut entries: Vec<Entry> = Vec::new();
        for (name, value) in keys {
            self.name = Some(excerpt(name.get_ref()));
            let Some(entry) = self.entry(name, value) else { continue };
            match entries.iter().find(|other| bool::from(other.hash.is(&entry.hash))) {
                Some(other) => {
                    let told = format!(
                        "its hash is that of '{}', so nobody could tell who asks: make a key for each, by `chatbot-worker \
                         key new`",
                        excerpt(&other.name)
                    );
                    self.add(name.span(), told);
                }
                None => entries.push(entry),
            }
        }
        entries
    }

    fn entry(&mut self, name: &Spanned<DeString<'_>>, value: &Value<'_>) -> Option<Entry> {
        if let Some(fault) = name_fault(name.get_ref()) {
            self.add(name.span(), fault);
        }
        let Some(table) = value.get_ref().as_table() else {
            self.add(value.span(), "a key is a table, written [keys.NAME], with its hash");
            return None;
        };
        for (key, _) in table.iter().filter(|(key, _)| !FIELDS.contains(&&**key.get_ref())) {
            let told = format!("there is no field '{}': there are {}", excerpt(key.get_ref()), FIELDS.join(", "));
            self.add(key.span(), told);
        }
        let hash = match table.get("hash") {
            Some(hash) => self.text(hash, "hash").and_then(|text| match text.parse() {
                Ok(parsed) => Some(parsed),
                Err(fault) => {
                    self.add(hash.span(), fault);
                    None
                }
            }),
            None => {
                self.add(
                    name.span(),
                    "it has no hash: write hash = \"sha256:…\", as `chatbot-worker key new` prints it",
                );
                None
            }
        };
        let (public, rate) = (self.flag(table, "public"), self.rate(table));
        let origins = table.get("origins").map(|origins| self.origins(origins));
        let names_senders = self.flag(table, "names_senders");
        let field = |field| table.get(field).map_or(name.span(), Spanned::span);
        let kind = match (public, origins) {
            (true, None) => {
                let told = "a public key is bound to the pages that it is for: write such as \
                            origins = [\"https://shop.example.com\"]";
                self.add(field("public"), told);
                return None;
            }
            (true, Some(origins)) => EntryKind::Public { origins },
            (false, Some(_)) => {
                let told = "origins are for public keys: write public = true if it stands in pages, else take them out";
                self.add(field("origins"), told);
                return None;
            }
            (false, None) => EntryKind::Secret { names_senders },
        };
        if public && names_senders {
            let told =
                "a public key can't say who the sender is, as anybody may read it in the page: take names_senders out";
            self.add(field("names_senders"), told);
        }
        Some(Entry { name: name.get_ref().to_string().into(), hash: hash?, kind, rate })
    }

    fn origins(&mut self, value: &Value<'_>) -> Vec<Origin> {
        let Some(list) = value.get_ref().as_array().filter(|list| !list.is_empty()) else {
            self.add(value.span(), "origins must be a list such as [\"https://shop.example.com\"]");
            return Vec::new();
        };
        let mut origins = Vec::new();
        for entry in list {
            match self.text(entry, "an origin").map(str::parse) {
                Some(Ok(origin)) => origins.push(origin),
                Some(Err(fault)) => self.add(entry.span(), fault),
                None => {}
            }
        }
        origins
    }

    fn rate(&mut self, table: &DeTable<'_>) -> Option<NonZeroU32> {
        let value = table.get("rate")?;
        let number = value.get_ref().as_integer().and_then(|number| number.as_str().parse().ok());
        let rate = number.filter(|rate: &NonZeroU32| rate.get() <= MAX_RATE);
        if rate.is_none() {
            self.add(value.span(), format!("rate must be a whole number from 1 to {MAX_RATE}, the requests a minute"));
        }
        rate
    }

    fn flag(&mut self, table: &DeTable<'_>, field: &str) -> bool {
        let Some(value) = table.get(field) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.add(value.span(), format!("{field} must be true or false, without quotes"));
            false
        })
    }

    fn text<'v>(&mut self, value: &'v Value<'_>, what: &str) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.add(value.span(), format!("{what} must be a text in quotes"));
        }
        text
    }

    fn add(&mut self, span: Range<usize>, what: impl Into<String>) {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        self.faults.push(Fault { line: Some(line), name: self.name.clone(), what: what.into() });
    }
}

impl KeysError {
    /// Each fault by itself, with the file.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|fault| format!("{}: {fault}", self.source_name))
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.len() {
            1 => write!(f, "{} has a fault:", self.source_name)?,
            count => write!(f, "{} has {count} faults:", self.source_name)?,
        }
        self.faults.iter().take(PRINTED).try_for_each(|fault| write!(f, "\n  {fault}"))?;
        match self.faults.len().saturating_sub(PRINTED) {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(name) = &self.name {
            write!(f, "key '{name}': ")?;
        }
        f.write_str(&self.what)
    }
}
