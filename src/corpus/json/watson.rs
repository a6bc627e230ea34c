//! A skill of IBM's Watson, as it is exported: intents with examples, entities, what isn't relevant, and the nodes of its
//! dialog that answer one intent.

use std::collections::HashMap;

use super::{
    member, records,
    value::{Document, Value},
    vocabulary,
};
use crate::corpus::{Corpus, Mention, Reply};

/// The label under which the importer looks for what the fallback says; Rasa's.
const FALLBACK: &str = "nlu_fallback";
/// The condition of the node that answers what no other does.
const ANYTHING_ELSE: &str = "anything_else";

/// Reads an object that is such a skill; `false` where it is none.
pub(super) fn read<'t>(document: &Document<'t>, members: &[(String, Value<'t>)], corpus: &mut Corpus) -> bool {
    let list = |key: &str| member(members, key).and_then(Value::items).unwrap_or_default();
    let intents = list("intents");
    // What has replies beside its examples, or entities in them, is of another form.
    let is_example = |item: &Value<'t>| item.member("text").is_some() && item.member("entities").is_none();
    let is_intent = |item: &Value<'t>| {
        let members = item.members().unwrap_or_default();
        let examples = member(&members, "examples").and_then(Value::items);
        let has_replies = records::REPLIES.iter().any(|key| member(&members, key).is_some());
        member(&members, "intent").is_some() && !has_replies && examples.is_some_and(|it| it.iter().all(is_example))
    };
    if intents.is_empty() || !intents.iter().all(is_intent) {
        return false;
    }
    let mut values = HashMap::new();
    for item in list("entities") {
        entity(item, &mut values, corpus);
    }
    for intent in intents {
        let label = intent.member("intent").and_then(Value::string).filter(|label| !label.trim().is_empty());
        let Some(label) = label else { continue };
        for item in intent.member("examples").and_then(Value::items).unwrap_or_default() {
            example(document, item, &label, &values, corpus);
        }
    }
    for item in list("counterexamples") {
        if let Some(text) = item.member("text") {
            records::add_texts(document, text, None, None, corpus);
        }
    }
    let language = member(members, "language").and_then(Value::string);
    for node in list("dialog_nodes") {
        reply(document, node, language.as_deref(), corpus);
    }
    true
}

/// An entity's values, of which `values` gets the first.
fn entity(item: Value<'_>, values: &mut HashMap<String, String>, corpus: &mut Corpus) {
    let Some(name) = item.member("entity").and_then(Value::string) else { return };
    if name.starts_with("sys-") {
        let kind = "entities of Watson's own aren't kept: give an entity a kind, such as kind = \"date\"";
        return corpus.notes.add_shown(kind, format!("@{name}"));
    }
    for value in item.member("values").and_then(Value::items).unwrap_or_default() {
        let patterns = vocabulary::words(value.member("patterns"));
        if !patterns.is_empty() {
            patterns.iter().for_each(|pattern| vocabulary::add_pattern(&name, pattern, corpus));
            continue;
        }
        let Some(own) = value.member("value").and_then(Value::string) else { continue };
        vocabulary::add_value(&name, &own, vocabulary::words(value.member("synonyms")), corpus);
        values.entry(name.clone()).or_insert(own);
    }
}

/// An example; `@product` in it stands for any of the entity's values, and becomes the first of them.
fn example<'t>(
    document: &Document<'t>,
    item: Value<'t>,
    label: &str,
    values: &HashMap<String, String>,
    corpus: &mut Corpus,
) {
    let line = document.line(item);
    let Some(text) = item.member("text").and_then(Value::string).filter(|text| !text.trim().is_empty()) else {
        return corpus.notes.add("an empty text in a list was passed over", Some(line));
    };
    let characters: Vec<char> = text.chars().collect();
    for mention in item.member("mentions").and_then(Value::items).unwrap_or_default() {
        let place = mention.member("location").and_then(Value::items).unwrap_or_default();
        let place: Vec<usize> = place.into_iter().filter_map(Value::number).collect();
        let said = match place.as_slice() {
            [start, end] => characters.get(*start..*end).map(|said| said.iter().collect::<String>()),
            _ => None,
        };
        let said = said.map(|said| said.trim().to_owned()).filter(|said| !said.is_empty());
        if let (Some(entity), Some(text)) = (mention.member("entity").and_then(Value::string), said) {
            corpus.mentions.push(Mention { entity, value: text.clone(), text });
        } else {
            corpus.notes.add("an entity that isn't named, or is beyond its text, was left out", Some(line));
        }
    }
    let mut made = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some((before, after)) = rest.split_once('@') {
        let end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        made.push_str(before);
        match values.get(name) {
            Some(value) => made.push_str(value),
            None => {
                made.push('@');
                made.push_str(name);
            }
        }
        rest = behind;
    }
    made.push_str(rest);
    if made != text.trim() {
        corpus.notes.add("an entity's name in an example, such as @product, became its first value", Some(line));
    }
    corpus.add_plain(&made, Some(label), line);
}

/// What a node answers whose condition is an intent and nothing else.
fn reply<'t>(document: &Document<'t>, node: Value<'t>, language: Option<&str>, corpus: &mut Corpus) {
    let line = Some(document.line(node));
    if node.member("type").and_then(Value::string).is_some_and(|kind| kind == "slot") {
        let kind = "slots of the dialog and their prompts aren't kept: write them as slots of the intent";
        return corpus.notes.add(kind, line);
    }
    let condition = node.member("conditions").and_then(Value::string).unwrap_or_default();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let label = match condition.trim() {
        ANYTHING_ELSE => FALLBACK,
        other => match other.strip_prefix('#') {
            Some(intent) if intent.chars().all(is_part) => intent,
            _ => "",
        },
    };
    let text = answer(node);
    match (label, text) {
        (_, None) => {}
        ("", Some(_)) => {
            corpus.notes.add("nodes of the dialog whose condition isn't one intent alone were passed over", line);
        }
        (_, Some(text)) if text.contains("<?") => {
            corpus.notes.add("replies that hold an expression, <? … ?>, were passed over", line);
        }
        (of, Some(text)) => {
            let (of, language) = (of.to_owned(), language.map(str::to_owned));
            corpus.replies.push(Reply { of, text, language });
        }
    }
}

/// The texts of a node, one after the other; of each the first.
fn answer(node: Value<'_>) -> Option<String> {
    let output = node.member("output")?;
    let first = |value: Value<'_>| {
        let text = |value: Value<'_>| value.string().or_else(|| value.member("text")?.string());
        value.items().map_or_else(|| text(value), |items| items.into_iter().find_map(text))
    };
    let parts = output.member("generic").and_then(Value::items).unwrap_or_default();
    let mut texts: Vec<String> = parts.into_iter().filter_map(|part| first(part.member("values")?)).collect();
    if texts.is_empty() {
        // Older ones have it so.
        texts.extend(output.member("text").and_then(|text| first(text.member("values").unwrap_or(text))));
    }
    Some(texts.join("\n").trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use crate::corpus::{Corpus, Format, Reading};

    #[test]
    fn a_skill_is_read_with_its_entities_its_answers_and_what_isnt_relevant() {
        let skill = r##"{"name": "shop", "language": "zh-cn", "intents": [
                {"intent": "order", "description": "", "examples": [
                    {"text": "where is my @product"}, {"text": "@someone has my 水壶", "mentions": [
                        {"entity": "product", "location": [16, 18]}, {"entity": "product", "location": [30, 40]}]}]},
                {"intent": "greet", "examples": [{"text": "你好"}]}],
            "entities": [{"entity": "sys-number", "values": []}, {"entity": "product", "fuzzy_match": true, "values": [
                {"type": "synonyms", "value": "kettle", "synonyms": ["kettles", "电水壶"]},
                {"type": "patterns", "value": "model", "patterns": ["k[0-9]+"]}]}],
            "counterexamples": [{"text": "几点了"}],
            "dialog_nodes": [
                {"dialog_node": "a", "conditions": "#greet", "output": {"generic": [
                    {"response_type": "text", "values": [{"text": "您好！"}, {"text": "嗨"}]}, {"response_type": "pause"}]}},
                {"dialog_node": "b", "conditions": "anything_else", "output": {"text": {"values": ["没听懂"]}}},
                {"dialog_node": "c", "conditions": "#order && @product", "output": {"text": "x"}},
                {"dialog_node": "d", "conditions": "#order", "output": {"text": "<? now() ?>"}},
                {"dialog_node": "e", "conditions": "#order", "type": "frame"},
                {"dialog_node": "f", "type": "slot", "parent": "e", "variable": "$number"}]}"##;
        let corpus = Corpus::parse(Format::Json, skill, &Reading::default()).unwrap();
        let said: Vec<_> = corpus.utterances.iter().map(|it| (it.label.as_deref(), it.text.as_str())).collect();
        let expected = [
            (Some("order"), "where is my kettle"),
            (Some("order"), "@someone has my 水壶"),
            (Some("greet"), "你好"),
            (None, "几点了"),
        ];
        assert_eq!(said, expected);
        let named: Vec<_> = corpus.mentions.iter().map(|it| [&*it.entity, &*it.value, &*it.text]).collect();
        let expected = [
            ["product", "kettle", "kettle"],
            ["product", "kettle", "kettles"],
            ["product", "kettle", "电水壶"],
            ["product", "水壶", "水壶"],
        ];
        assert_eq!(named, expected);
        assert_eq!((&*corpus.patterns[0].of, &*corpus.patterns[0].text), ("product", "k[0-9]+"));
        let replies: Vec<_> = corpus.replies.iter().map(|it| (&*it.of, &*it.text, it.language.as_deref())).collect();
        assert_eq!(replies, [("greet", "您好！", Some("zh-cn")), ("nlu_fallback", "没听懂", Some("zh-cn"))]);
        let told: Vec<_> = corpus.notes.iter().map(|note| note.kind.as_str()).collect();
        let expected = [
            "entities of Watson's own aren't kept: give an entity a kind, such as kind = \"date\"",
            "an entity's name in an example, such as @product, became its first value",
            "an entity that isn't named, or is beyond its text, was left out",
            "nodes of the dialog whose condition isn't one intent alone were passed over",
            "replies that hold an expression, <? … ?>, were passed over",
            "slots of the dialog and their prompts aren't kept: write them as slots of the intent",
        ];
        assert_eq!(told, expected);
    }
}
