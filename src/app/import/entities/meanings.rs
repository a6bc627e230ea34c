//! What texts of entities stand for.

use std::collections::{HashMap, HashSet};

use super::{found_form, one_line};
use crate::corpus::{Corpus, Notes, Word};

/// What texts stand for.
pub(super) struct Meanings<'c> {
    /// By entity, where a mark says so.
    marked: HashMap<(&'c str, String), &'c str>,
    /// In any entity.
    synonyms: HashMap<String, &'c str>,
    /// The texts of each synonym.
    texts: HashMap<&'c str, HashSet<String>>,
    /// By entity, what is a value: a list says so, or a mark gives it to another text.
    values: HashSet<(&'c str, String)>,
    /// The synonyms that are none of another's values.
    pub(super) kept: Vec<&'c Word>,
}

impl<'c> Meanings<'c> {
    pub(super) fn of(corpus: &'c Corpus, notes: &mut Notes) -> Self {
        let mentions = move || corpus.mentions.iter().filter(|mention| mention.value != mention.text);
        let listed = corpus.values.iter().map(|word| (word.of.as_str(), found_form(&word.text)));
        let given = mentions().map(|mention| (mention.entity.as_str(), found_form(&mention.value)));
        let mut meanings = Self {
            marked: HashMap::new(),
            synonyms: HashMap::new(),
            texts: HashMap::new(),
            values: listed.chain(given).collect(),
            kept: Vec::new(),
        };
        for mention in mentions() {
            if meanings.is_other_value(&mention.entity, &mention.text, &mention.value) {
                tell_value(&mention.text, &mention.value, notes);
                continue;
            }
            let key = (mention.entity.as_str(), found_form(&mention.text));
            let first = *meanings.marked.entry(key).or_insert(&mention.value);
            tell_second(&mention.text, first, &mention.value, notes);
        }
        let names: HashSet<String> = corpus.synonyms.iter().map(|synonym| found_form(&synonym.of)).collect();
        for synonym in &corpus.synonyms {
            let text = found_form(&synonym.text);
            if text != found_form(&synonym.of) && names.contains(&text) {
                tell_value(&synonym.text, &synonym.of, notes);
                continue;
            }
            meanings.kept.push(synonym);
            meanings.texts.entry(&synonym.of).or_default().insert(text.clone());
            let first = *meanings.synonyms.entry(text).or_insert(&synonym.of);
            tell_second(&synonym.text, first, &synonym.of, notes);
        }
        meanings
    }

    /// The value that a text of an entity stands for.
    pub(super) fn of_text<'t>(&'t self, entity: &str, said: &'t str) -> &'t str {
        let key = (entity, found_form(said));
        if let Some(value) = self.marked.get(&key) {
            return value;
        }
        let synonym = self.synonyms.get(&key.1).filter(|value| !self.is_other_value(entity, said, value));
        synonym.copied().unwrap_or(said)
    }

    /// Whether a text that is said for a value is another value of the entity.
    pub(super) fn is_other_value(&self, entity: &str, said: &str, value: &str) -> bool {
        let said = found_form(said);
        said != found_form(value) && self.values.contains(&(entity, said))
    }

    pub(super) fn texts(&self, synonym: &str) -> HashSet<String> {
        self.texts.get(synonym).cloned().unwrap_or_default()
    }
}

fn tell_second(text: &str, first: &str, second: &str, notes: &mut Notes) {
    if found_form(first) != found_form(second) {
        let [text, first, second] = [text, first, second].map(one_line);
        notes.add_shown(
            "texts that were given two values keep the first",
            format!("'{text}' is '{first}', not '{second}'"),
        );
    }
}

/// Tells of what would stand for a value and is one.
pub(super) fn tell_value(text: &str, value: &str, notes: &mut Notes) {
    let shown = format!("'{}' of '{}'", one_line(text), one_line(value));
    notes.add_shown("synonyms that are values themselves were left out", shown);
}
