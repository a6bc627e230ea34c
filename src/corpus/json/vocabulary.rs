//! The values and patterns of entities, as exports list them.

use super::value::Value;
use crate::corpus::{Corpus, Mention, Word};

/// The texts of a list, or the one text that stands in its place; none of them empty.
pub(super) fn words(value: Option<Value<'_>>) -> Vec<String> {
    let items = value.map(|value| value.items().unwrap_or_else(|| vec![value])).unwrap_or_default();
    let words = items.into_iter().filter_map(Value::string).map(|word| word.trim().to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

/// Adds a value of an entity, and what else is said for it.
pub(super) fn add_value(entity: &str, value: &str, said: impl IntoIterator<Item = String>, corpus: &mut Corpus) {
    corpus.values.push(Word { of: entity.to_owned(), text: value.to_owned() });
    for text in [value.to_owned()].into_iter().chain(said) {
        corpus.mentions.push(Mention { entity: entity.to_owned(), value: value.to_owned(), text });
    }
}

/// Adds a pattern of an entity's values.
pub(super) fn add_pattern(entity: &str, pattern: &str, corpus: &mut Corpus) {
    // Where it is no mark that tells that it is an entity.
    if corpus.project.entities.iter().all(|known| known != entity) {
        corpus.project.entities.push(entity.to_owned());
    }
    corpus.patterns.push(Word { of: entity.to_owned(), text: pattern.to_owned() });
}
