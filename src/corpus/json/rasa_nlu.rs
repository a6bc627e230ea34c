//! `rasa_nlu_data`, Rasa's training data as JSON: examples with their entities, synonyms, lookup tables, patterns.

use super::{
    records,
    value::{Document, Value},
};
use crate::corpus::{Corpus, CorpusError, Word};

/// The keys of examples; the last two are older.
const EXAMPLES: [&str; 3] = ["common_examples", "intent_examples", "entity_examples"];

pub(super) fn read<'t>(document: &Document<'t>, data: Value<'t>, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let members = data
        .members()
        .ok_or_else(|| CorpusError::at(document.line(data), format!("rasa_nlu_data is {}", data.kind())))?;
    for (key, value) in members {
        let items = value.items().unwrap_or_default();
        match key.as_str() {
            examples if EXAMPLES.contains(&examples) => {
                items.into_iter().for_each(|item| example(document, item, corpus));
            }
            "entity_synonyms" => words(document, &items, ["value", "synonyms"], corpus, |it| &mut it.synonyms),
            "lookup_tables" => words(document, &items, ["name", "elements"], corpus, |it| &mut it.lookups),
            "regex_features" => words(document, &items, ["name", "pattern"], corpus, |it| &mut it.patterns),
            _ => corpus.notes.add(format!("'{key}' of rasa_nlu_data was passed over"), Some(document.line(value))),
        }
    }
    Ok(())
}

fn example<'t>(document: &Document<'t>, item: Value<'t>, corpus: &mut Corpus) {
    let members = item.members().unwrap_or_default();
    let get = |key: &str| members.iter().find(|(name, _)| name == key).map(|(_, value)| *value);
    let label = get("intent").and_then(Value::word).filter(|label| !label.trim().is_empty());
    match (get("text"), label) {
        (Some(text), Some(label)) => {
            records::add_texts(document, text, Some(label.trim()), get("entities"), corpus);
        }
        (Some(_), None) => {
            corpus.notes.add("an example without an intent was passed over", Some(document.line(item)));
        }
        (None, _) => corpus.faults.add(document.line(item), "it has no text"),
    }
}

/// Adds lists that have a name, or one text that has.
fn words<'t>(
    document: &Document<'t>,
    items: &[Value<'t>],
    [of, texts]: [&str; 2],
    corpus: &mut Corpus,
    place: fn(&mut Corpus) -> &mut Vec<Word>,
) {
    for item in items {
        let members = item.members().unwrap_or_default();
        let get = |key: &str| members.iter().find(|(name, _)| name == key).map(|(_, value)| *value);
        let found = get(of).and_then(Value::word).zip(get(texts));
        let Some((name, value)) = found.filter(|(name, _)| !name.trim().is_empty()) else {
            corpus.notes.add(format!("an entry without {of} or {texts} was passed over"), Some(document.line(*item)));
            continue;
        };
        let texts: Vec<String> = match value.items() {
            Some(items) => items.into_iter().filter_map(Value::word).collect(),
            None if texts == "elements" => {
                corpus.notes.add("a lookup table in a file of its own wasn't read", Some(document.line(*item)));
                continue;
            }
            None => value.word().into_iter().collect(),
        };
        let texts = texts.into_iter().filter(|text| !text.trim().is_empty());
        place(corpus).extend(texts.map(|text| Word { of: name.trim().to_owned(), text: text.trim().to_owned() }));
    }
}
