//! The settings that there are, and the sections whose names an operator chooses.

use std::{collections::BTreeSet, ops::Deref};

use strsim::osa_distance;

use super::{
    Key,
    layer::{Layer, Raw},
};

/// Sections whose names an operator chooses: one for each entry of a list among the settings, all with the same keys.
#[derive(Debug, Clone, Copy)]
pub struct NamedSections {
    /// The section that says what holds for all of them where they don't say otherwise, and the field of the settings'
    /// type that holds them by name.
    pub template: &'static str,
    /// The list of their names, `section.name`. Entries that are a section of the program's own name no other.
    pub listed_in: (&'static str, &'static str),
}

impl NamedSections {
    /// The names that any of the layers lists. A list that another layer overrides counts: its sections are there, if
    /// unused, so that a variable can choose among those of a file. Those of `also_listed` are added.
    pub(super) fn names(self, layers: [&Layer; 3], also_listed: &[String], known: &Known) -> BTreeSet<String> {
        let list = self.list();
        let entries = layers.into_iter().filter_map(|layer| layer.get(&list)).flat_map(|entry| match &entry.raw {
            Raw::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            Raw::List(items) => items.iter().map(|item| item.trim().to_owned()).collect::<Vec<_>>(),
        });
        let own = |name: &String| known.iter().any(|key| key.section() == name);
        entries
            .chain(also_listed.iter().cloned())
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
}

/// What a section has that isn't listed, and where it would be.
#[derive(Debug)]
struct Unlisted {
    names: BTreeSet<String>,
    list: Key,
}

impl Known {
    /// These keys; those of the template say what a named section has.
    pub(super) fn new(keys: impl IntoIterator<Item = Key>, named: Option<NamedSections>) -> Self {
        let keys: BTreeSet<Key> = keys.into_iter().collect();
        let unlisted = named.map(|named| {
            let template = keys.iter().filter(|key| key.section() == named.template);
            Unlisted { names: template.map(|key| key.name().to_owned()).collect(), list: named.list() }
        });
        Self { keys, unlisted }
    }

    /// Adds the keys of a named section.
    pub(super) fn add_section(&mut self, section: &str) {
        let names = self.unlisted.iter().flat_map(|unlisted| &unlisted.names);
        self.keys.extend(names.map(|name| Key::new(section, name.as_str())));
    }

    /// What would make `unknown` a setting, where it has a name that a named section has, and its section is unlike any
    /// that there is. `shown` writes the list's key as the operator would.
    pub(super) fn hint(&self, unknown: &str, shown: impl Fn(&Key) -> String) -> Option<String> {
        let Unlisted { names, list } = self.unlisted.as_ref()?;
        let (section, name) = unknown.split_once('.')?;
        let unlike = self.keys.iter().all(|key| osa_distance(key.section(), section) > 2);
        (names.contains(name) && unlike).then(|| format!("it would be one if {} listed '{section}'", shown(list)))
    }
}

impl Deref for Known {
    type Target = BTreeSet<Key>;

    fn deref(&self) -> &BTreeSet<Key> {
        &self.keys
    }
}
