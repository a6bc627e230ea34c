//! The settings that there are, and the sections whose names an operator chooses.

use std::{collections::BTreeSet, ops::Deref};

use strsim::osa_distance;

use super::{
    Key,
    layer::{Layer, Raw},
};

/// Sections whose names an operator chooses, all with the same keys: those that have a certain key, and those that a
/// list among the settings names.
#[derive(Debug, Clone, Copy)]
pub struct NamedSections {
    /// The section that says what holds for all of them where they don't say otherwise, and the field of the settings'
    /// type that holds them by name.
    pub template: &'static str,
    /// The list of their names, `section.name`. Entries that are a section of the program's own name no other.
    pub listed_in: (&'static str, &'static str),
    /// The key that says what such a section is. One that has it needs no list.
    pub marked_by: &'static str,
    /// Whether a name may be that of such a section. None with an underscore is, as a variable's first one ends it.
    pub is_name: fn(&str) -> bool,
}

impl NamedSections {
    /// The names that any of the layers lists, and those of the sections that say what they are. A list that another
    /// layer overrides counts: its sections are there, if unused, so that a variable can choose among those of a file.
    /// Those of `also_listed` are added.
    pub(super) fn names(self, layers: [&Layer; 3], also_listed: &[String], known: &Known) -> BTreeSet<String> {
        let list = self.list();
        let entries = layers.into_iter().filter_map(|layer| layer.get(&list)).flat_map(|entry| match &entry.raw {
            Raw::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            Raw::List(items) => items.iter().map(|item| item.trim().to_owned()).collect::<Vec<_>>(),
        });
        let own = |name: &String| known.iter().any(|key| key.section() == name);
        let marked = layers.into_iter().flat_map(Layer::iter).map(|(key, _)| key);
        let marked = marked.filter(|key| key.name() == self.marked_by && (self.is_name)(key.section()));
        entries
            .chain(also_listed.iter().cloned())
            .chain(marked.map(|key| key.section().to_owned()))
            .filter(|name| Key::new(name.as_str(), "x").is_well_formed() && !own(name))
            .collect()
    }

    fn list(self) -> Key {
        Key::new(self.listed_in.0, self.listed_in.1)
    }
}

/// The settings that there are.
#[derive(Debug, Default)]
pub(super) struct Known {
    keys: BTreeSet<Key>,
    unlisted: Option<Unlisted>,
    elsewhere: &'static [(&'static str, &'static str)],
}

/// What a named section has, and what makes a section one.
#[derive(Debug)]
struct Unlisted {
    names: BTreeSet<String>,
    marked_by: &'static str,
    is_name: fn(&str) -> bool,
}

impl Known {
    /// These keys; those of the template say what a named section has.
    pub(super) fn new(
        keys: impl IntoIterator<Item = Key>,
        named: Option<NamedSections>,
        elsewhere: &'static [(&'static str, &'static str)],
    ) -> Self {
        let keys: BTreeSet<Key> = keys.into_iter().collect();
        let unlisted = named.map(|named| {
            let template = keys.iter().filter(|key| key.section() == named.template);
            let names = template.map(|key| key.name().to_owned()).collect();
            Unlisted { names, marked_by: named.marked_by, is_name: named.is_name }
        });
        Self { keys, unlisted, elsewhere }
    }

    /// Adds the keys of a named section.
    pub(super) fn add_section(&mut self, section: &str) {
        let names = self.unlisted.iter().flat_map(|unlisted| &unlisted.names);
        self.keys.extend(names.map(|name| Key::new(section, name.as_str())));
    }

    /// Where `unknown` belongs, or what would make it a setting, where it has a name that a named section has, and its section is unlike any
    /// that there is. `shown` writes a key as the operator would.
    pub(super) fn hint(&self, unknown: &str, shown: impl Fn(&Key) -> String) -> Option<String> {
        if let Some((_, place)) = self.elsewhere.iter().find(|(key, _)| *key == unknown) {
            return Some(format!("it belongs to {place}"));
        }
        let Unlisted { names, marked_by, is_name } = self.unlisted.as_ref()?;
        let (section, name) = unknown.split_once('.')?;
        if self.keys.iter().any(|key| osa_distance(key.section(), section) <= 2) {
            return None;
        }
        // A variable's first underscore ends the section, whatever was meant.
        let end =
            names.iter().map(String::as_str).filter(|end| name.strip_suffix(end).is_some_and(|it| it.ends_with('_')));
        let (joined, key) = match end.max_by_key(|end| end.len()) {
            _ if names.contains(name) => (section.replace('_', ""), name),
            Some(end) => (format!("{section}_{}", name.strip_suffix(end)?).replace('_', ""), end),
            None => return None,
        };
        if joined != section && is_name(&joined) {
            let meant = shown(&Key::new(joined.as_str(), key));
            return Some(format!("the name of such a section has no underscore: write {meant}"));
        }
        if !is_name(section) {
            return Some(format!("'{section}' can't name such a section: choose another name, of a-z and 0-9"));
        }
        let mark = shown(&Key::new(section, *marked_by));
        Some(format!("it would be one if {mark} said what '{section}' is: set that"))
    }
}

impl Deref for Known {
    type Target = BTreeSet<Key>;

    fn deref(&self) -> &BTreeSet<Key> {
        &self.keys
    }
}
