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
    /// The section of the defaults that stands for each of them, and the field of the settings' type that holds them by
    /// name. It is no section itself.
    pub template: &'static str,
    /// The list of their names, `section.name`. Entries that are a section of the program's own name no other.
    pub listed_in: (&'static str, &'static str),
}

impl NamedSections {
    /// The names that any of the layers lists. A list that another layer overrides counts: its sections are there, if
    /// unused, so that a variable can choose among those of a file.
    pub(super) fn names(self, layers: [&Layer; 3], known: &Known) -> BTreeSet<String> {
        let list = self.list();
        let entries = layers.into_iter().filter_map(|layer| layer.get(&list)).flat_map(|entry| match &entry.raw {
            Raw::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            Raw::List(items) => items.iter().map(|item| item.trim().to_owned()).collect::<Vec<_>>(),
        });
        let own = |name: &String| name == self.template || known.iter().any(|key| key.section() == name);
        entries.filter(|name| Key::new(name.as_str(), "x").is_well_formed() && !own(name)).collect()
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
    template: &'static str,
    names: BTreeSet<String>,
    list: Key,
}

impl Known {
    /// These keys; those of the template aren't settings, but say what a named section has.
    pub(super) fn new(keys: impl IntoIterator<Item = Key>, named: Option<NamedSections>) -> Self {
        let (template, keys): (BTreeSet<Key>, _) =
            keys.into_iter().partition(|key| named.is_some_and(|named| named.template == key.section()));
        let names = template.into_iter().map(|key| key.name().to_owned()).collect();
        Self { keys, unlisted: named.map(|named| Unlisted { template: named.template, names, list: named.list() }) }
    }

    /// Adds the keys of a named section.
    pub(super) fn add_section(&mut self, section: &str) {
        let names = self.unlisted.iter().flat_map(|unlisted| &unlisted.names);
        self.keys.extend(names.map(|name| Key::new(section, name.as_str())));
    }

    /// What would make `unknown` a setting, where it has a name that a named section has, and its section is unlike any
    /// that there is. `shown` writes the list's key as the operator would.
    pub(super) fn hint(&self, unknown: &str, shown: impl Fn(&Key) -> String) -> Option<String> {
        let Unlisted { template, names, list } = self.unlisted.as_ref()?;
        let (section, name) = unknown.split_once('.')?;
        let unlike = self.keys.iter().all(|key| osa_distance(key.section(), section) > 2);
        (names.contains(name) && unlike).then(|| match section == *template {
            true => format!("'{section}' stands for a name that {} lists", shown(list)),
            false => format!("it would be one if {} listed '{section}'", shown(list)),
        })
    }
}

impl Deref for Known {
    type Target = BTreeSet<Key>;

    fn deref(&self) -> &BTreeSet<Key> {
        &self.keys
    }
}
