//! One layer of settings, before anything is known of their types.
//!
//! **Invariant:** an empty text is never in a layer: empty means unset, so that the layer below shows.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use ::config::{ConfigError, Source, Value};

use super::{Key, Origin};

/// A value as it was written. Numbers and booleans of a file are text too: the setting's type reads them, so that a
/// password of digits stays what it is.
#[derive(Clone)]
pub(super) enum Raw {
    Text(String),
    List(Vec<String>),
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

#[derive(Clone, Default)]
pub(super) struct Layer {
    entries: BTreeMap<Key, Entry>,
    /// Also those with nothing set: a settings type's section is there even if all of its settings are off.
    sections: BTreeSet<String>,
    /// Sections that are entries of a table rather than the settings type's own: the table's name, and theirs.
    nested: Option<(&'static str, BTreeSet<String>)>,
}

impl Layer {
    /// Sets a key, where the value isn't empty.
    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        self.sections.insert(key.section().to_owned());
        if !matches!(&entry.raw, Raw::Text(text) if text.trim().is_empty()) {
            self.entries.insert(key, entry);
        }
    }

    /// Makes a section that is there even if nothing is set in it.
    pub(super) fn add_section(&mut self, section: &str) {
        self.sections.insert(section.to_owned());
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        self.entries.remove(key)
    }

    /// Takes a section away, with all that is set in it.
    pub(super) fn split_section(&mut self, section: &str) -> Self {
        self.sections.remove(section);
        Self { entries: self.entries.extract_if(.., |key, _| key.section() == section).collect(), ..Self::default() }
    }

    /// The same, with these sections as entries of a table.
    pub(super) fn nested(&self, table: &'static str, sections: &BTreeSet<String>) -> Self {
        Self { nested: Some((table, sections.clone())), ..self.clone() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }
}

/// The keys alone: values may be secret.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<::config::Map<String, Value>, ConfigError> {
        let mut sections: HashMap<String, HashMap<String, Value>> =
            self.sections.iter().map(|section| (section.clone(), HashMap::new())).collect();
        for (key, entry) in &self.entries {
            let value = match &entry.raw {
                Raw::Text(text) => Value::from(text.as_str()),
                Raw::List(items) => Value::from(items.clone()),
            };
            sections.entry(key.section().to_owned()).or_default().insert(key.name().to_owned(), value);
        }
        let mut values: HashMap<String, Value> =
            sections.into_iter().map(|(name, section)| (name, Value::from(section))).collect();
        if let Some((table, names)) = &self.nested {
            let entries: HashMap<String, Value> =
                names.iter().filter_map(|name| values.remove_entry(name.as_str())).collect();
            values.insert((*table).to_owned(), Value::from(entries));
        }
        Ok(values.into_iter().collect())
    }
}
