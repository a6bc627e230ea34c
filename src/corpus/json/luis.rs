//! An app of LUIS, as it is exported: utterances with their entities, closed lists, regular expressions.

use super::{
    member, records,
    value::{Document, Value},
    vocabulary,
};
use crate::corpus::Corpus;

/// The intent of what no other is meant by.
pub(super) const NONE: &str = "None";

/// Lists of an app that hold nothing that a bot keeps.
const PASSED_OVER: [&str; 7] = [
    "patterns",
    "patternAnyEntities",
    "phraselists",
    "model_features",
    "prebuiltEntities",
    "composites",
    "hierarchicals",
];

/// Reads an object that is such an app; `false` where it is none.
pub(super) fn read<'t>(document: &Document<'t>, members: &[(String, Value<'t>)], corpus: &mut Corpus) -> bool {
    if member(members, "luis_schema_version").is_none() {
        return false;
    }
    for (key, value) in members {
        let items = value.items().unwrap_or_default();
        match key.as_str() {
            "utterances" => items.into_iter().for_each(|item| utterance(document, item, corpus)),
            "closedLists" => items.into_iter().for_each(|item| list(item, corpus)),
            "regex_entities" => {
                for item in items {
                    let word = |key: &str| item.member(key).and_then(Value::string);
                    if let (Some(name), Some(pattern)) = (word("name"), word("regexPattern")) {
                        vocabulary::add_pattern(&name, &pattern, corpus);
                    }
                }
            }
            other if PASSED_OVER.contains(&other) && !items.is_empty() => {
                corpus.notes.add(format!("'{other}' of LUIS were passed over"), Some(document.line(*value)));
            }
            _ => {}
        }
    }
    true
}

fn utterance<'t>(document: &Document<'t>, item: Value<'t>, corpus: &mut Corpus) {
    let line = document.line(item);
    let label = item.member("intent").and_then(Value::string).filter(|label| !label.trim().is_empty());
    match (item.member("text"), label) {
        (Some(text), Some(label)) => {
            let label = Some(label.trim()).filter(|label| *label != NONE);
            records::add_texts(document, text, label, item.member("entities"), corpus);
        }
        (Some(_), None) => corpus.notes.add("an example without an intent was passed over", Some(line)),
        (None, _) => corpus.faults.add(line, "it has no text"),
    }
}

fn list(item: Value<'_>, corpus: &mut Corpus) {
    let Some(name) = item.member("name").and_then(Value::string) else { return };
    for value in item.member("subLists").and_then(Value::items).unwrap_or_default() {
        if let Some(own) = value.member("canonicalForm").and_then(Value::string) {
            vocabulary::add_value(&name, &own, vocabulary::words(value.member("list")), corpus);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use crate::corpus::{Corpus, Format, Reading};

    #[test]
    fn an_app_is_read_with_its_lists_and_what_is_out_of_scope() {
        let app = r#"{"luis_schema_version": "7.0.0", "culture": "en-us", "desc": "",
            "intents": [{"name": "None"}, {"name": "Order"}], "phraselists": [],
            "entities": [{"name": "product"}],
            "closedLists": [{"name": "color", "subLists": [{"canonicalForm": "red", "list": ["crimson", "红"]}]}],
            "regex_entities": [{"name": "order", "regexPattern": "fl[0-9]{8}"}],
            "patterns": [{"pattern": "where is {product}", "intent": "Order"}],
            "utterances": [
                {"text": "where is my kettle", "intent": "Order", "entities": [{"entity": "product", "startPos": 12, "endPos": 17}]},
                {"text": "水壶到哪了", "intent": "Order", "entities": [{"entity": "product", "startPos": 0, "endPos": 1}]},
                {"text": "几点了", "intent": "None", "entities": []}]}"#;
        let corpus = Corpus::parse(Format::Json, app, &Reading::default()).unwrap();
        let said: Vec<_> = corpus.utterances.iter().map(|it| (it.label.as_deref(), it.text.as_str())).collect();
        assert_eq!(said, [(Some("Order"), "where is my kettle"), (Some("Order"), "水壶到哪了"), (None, "几点了")]);
        let named: Vec<_> = corpus.mentions.iter().map(|it| [&*it.entity, &*it.value, &*it.text]).collect();
        let expected = [
            ["color", "red", "red"],
            ["color", "red", "crimson"],
            ["color", "red", "红"],
            ["product", "kettle", "kettle"],
            ["product", "水壶", "水壶"],
        ];
        assert_eq!(named, expected);
        assert_eq!((&*corpus.patterns[0].of, &*corpus.patterns[0].text), ("order", "fl[0-9]{8}"));
        let told: Vec<_> = corpus.notes.iter().map(|note| note.kind.as_str()).collect();
        assert_eq!(told, ["'patterns' of LUIS were passed over"]);
    }
}
