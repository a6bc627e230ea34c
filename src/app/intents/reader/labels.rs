//! What other files and programs call an intent: each label once in the whole file.

use std::collections::hash_map::Entry;

use toml::de::{DeTable, DeValue};

use super::{super::Problem, Reader};

impl Reader<'_> {
    /// Takes the intents' names for labels, which they are as well.
    pub(super) fn names(&mut self, intents: &DeTable<'_>) {
        for key in intents.keys() {
            let (name, line) = (key.get_ref().to_string(), self.lines.position(key.span().start).line);
            self.labels.insert(name.clone(), (name, line));
        }
    }

    /// An intent's labels.
    pub(super) fn labels(&mut self, table: &DeTable<'_>) -> Vec<String> {
        let Some(value) = table.get("labels") else { return Vec::new() };
        let DeValue::Array(list) = value.get_ref() else {
            self.wrong_type("labels", value, "a list of texts, such as [\"faq/contact\"]");
            return Vec::new();
        };
        let intent = self.intent.clone().unwrap_or_default();
        let mut labels = Vec::new();
        for value in list.iter() {
            let Some(label) = self.string("a label", value).map(str::trim) else { continue };
            if label.is_empty() {
                self.add(value.span(), Problem::EmptyLabel);
                continue;
            }
            let line = self.lines.position(value.span().start).line;
            match self.labels.entry(label.to_owned()) {
                Entry::Vacant(entry) => {
                    entry.insert((intent.clone(), line));
                }
                Entry::Occupied(entry) if entry.get().0 == intent => continue,
                Entry::Occupied(entry) => {
                    let (other, first) = entry.get().clone();
                    self.add(value.span(), Problem::LabelInTwo { label: label.to_owned(), other, first });
                }
            }
            labels.push(label.to_owned());
        }
        labels
    }
}
