//! A project of Microsoft's conversational language understanding (CLU), as it is exported.

use super::{
    luis::NONE,
    member,
    value::{Document, Value},
    vocabulary,
};
use crate::corpus::{Corpus, Mention, Part};

/// Reads an object that is such a project; `false` where it is none. Of one that holds texts to test with, `part` is read.
pub(super) fn read<'t>(
    document: &Document<'t>,
    members: &[(String, Value<'t>)],
    part: Part,
    corpus: &mut Corpus,
) -> bool {
    let assets = member(members, "assets").filter(|_| member(members, "projectFileVersion").is_some());
    let Some(assets) = assets.and_then(Value::members) else { return false };
    let list = |key: &str| member(&assets, key).and_then(Value::items).unwrap_or_default();
    list("entities").into_iter().for_each(|item| entity(item, corpus));
    let utterances = list("utterances");
    let is_test = |item: &Value<'t>| {
        let set = item.member("dataset").and_then(Value::string);
        set.is_some_and(|set| set.eq_ignore_ascii_case("test"))
    };
    let has_both = utterances.iter().any(is_test) && !utterances.iter().all(is_test);
    for item in utterances {
        if has_both && is_test(&item) != (part == Part::Test) {
            corpus.notes.add("texts of the other 'dataset' were passed over", Some(document.line(item)));
        } else {
            utterance(document, item, corpus);
        }
    }
    true
}

fn utterance<'t>(document: &Document<'t>, item: Value<'t>, corpus: &mut Corpus) {
    let line = document.line(item);
    let word = |key: &str| item.member(key).and_then(Value::string).filter(|word| !word.trim().is_empty());
    let (Some(text), Some(label)) = (word("text"), word("intent")) else {
        return corpus.notes.add("an example without a text or an intent was passed over", Some(line));
    };
    for entity in item.member("entities").and_then(Value::items).unwrap_or_default() {
        match mention(entity, &text) {
            Some(mention) => corpus.mentions.push(mention),
            None => {
                let kind = "an entity that isn't named, or is beyond its text, was left out";
                corpus.notes.add(kind, Some(document.line(entity)));
            }
        }
    }
    corpus.add_plain(text.trim(), Some(label.trim()).filter(|label| *label != NONE), line);
}

/// An entity by the place in its text that it is at, in units of UTF-16.
fn mention(entity: Value<'_>, text: &str) -> Option<Mention> {
    let name = entity.member("category").and_then(Value::string).filter(|name| !name.trim().is_empty())?;
    let number = |key: &str| entity.member(key).and_then(Value::number);
    let (start, length) = (number("offset")?, number("length")?);
    let units: Vec<u16> = text.encode_utf16().collect();
    let said = String::from_utf16(units.get(start..start.checked_add(length)?)?).ok()?.trim().to_owned();
    (!said.is_empty()).then(|| Mention { entity: name, value: said.clone(), text: said })
}

/// An entity's lists, in which a value is said in several languages, and its regular expressions.
fn entity(item: Value<'_>, corpus: &mut Corpus) {
    let Some(name) = item.member("category").and_then(Value::string) else { return };
    let list = |of: &str, key: &str| item.member(of).and_then(|it| it.member(key)?.items()).unwrap_or_default();
    for value in list("list", "sublists") {
        let Some(own) = value.member("listKey").and_then(Value::string) else { continue };
        let synonyms = value.member("synonyms").and_then(Value::items).unwrap_or_default();
        let said = synonyms.into_iter().flat_map(|synonyms| vocabulary::words(synonyms.member("values")));
        vocabulary::add_value(&name, &own, said, corpus);
    }
    let prebuilts = item.member("prebuilts").and_then(Value::items).unwrap_or_default();
    for prebuilt in prebuilts.into_iter().filter_map(|it| it.member("category")?.string()) {
        let kind = "entities of CLU's own ('prebuilts') aren't kept: give an entity a kind, such as kind = \"date\"";
        corpus.notes.add_shown(kind, format!("{prebuilt} of '{name}'"));
    }
    for expression in list("regex", "expressions") {
        if let Some(pattern) = expression.member("regexPattern").and_then(Value::string) {
            vocabulary::add_pattern(&name, &pattern, corpus);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use crate::corpus::{Corpus, Format, Part, Reading};

    const PROJECT: &str = r#"{"projectFileVersion": "2023-04-01", "stringIndexType": "Utf16CodeUnit",
        "metadata": {"projectKind": "Conversation", "language": "en-us"},
        "assets": {"projectKind": "Conversation", "intents": [{"category": "Order"}, {"category": "None"}],
            "entities": [{"category": "product",
                "list": {"sublists": [{"listKey": "kettle", "synonyms": [
                    {"language": "en-us", "values": ["kettles"]}, {"language": "zh-hans", "values": ["水壶"]}]}]},
                "regex": {"expressions": [{"regexKey": "k", "language": "en-us", "regexPattern": "k[0-9]+"}]}},
                {"category": "guests", "prebuilts": [{"category": "Quantity.Number"}]}],
            "utterances": [
                {"text": "🙂 my flask?", "language": "en-us", "intent": "Order", "dataset": "Train",
                    "entities": [{"category": "product", "offset": 6, "length": 5}, {"category": "product", "offset": 90, "length": 1}]},
                {"text": "几点了", "language": "zh-hans", "intent": "None", "dataset": "Train", "entities": []},
                {"text": "held out", "language": "en-us", "intent": "Order", "dataset": "Test", "entities": []}]}}"#;

    fn said(text: &str, part: Part) -> (Corpus, Vec<(Option<String>, String)>) {
        let corpus = Corpus::parse(Format::Json, text, &Reading { part, ..Reading::default() }).unwrap();
        let said = corpus.utterances.iter().map(|it| (it.label.clone(), it.text.clone())).collect();
        (corpus, said)
    }

    #[test]
    fn a_project_is_read_with_its_lists_and_what_is_out_of_scope() {
        let (corpus, texts) = said(PROJECT, Part::Train);
        assert_eq!(texts, [(Some("Order".into()), "🙂 my flask?".into()), (None, "几点了".into())]);
        let named: Vec<_> = corpus.mentions.iter().map(|it| [&*it.entity, &*it.value, &*it.text]).collect();
        let expected = [
            ["product", "kettle", "kettle"],
            ["product", "kettle", "kettles"],
            ["product", "kettle", "水壶"],
            ["product", "flask", "flask"],
        ];
        assert_eq!(named, expected);
        assert_eq!((&*corpus.patterns[0].of, &*corpus.patterns[0].text), ("product", "k[0-9]+"));
        let told: Vec<_> = corpus.notes.iter().map(|note| note.kind.as_str()).collect();
        let own = "entities of CLU's own ('prebuilts') aren't kept: give an entity a kind, such as kind = \"date\"";
        let beyond = "an entity that isn't named, or is beyond its text, was left out";
        assert_eq!(told, [own, beyond, "texts of the other 'dataset' were passed over"]);
        assert_eq!(said(PROJECT, Part::Test).1, [(Some("Order".into()), "held out".into())]);
        // One that isn't in parts is read whole.
        assert_eq!(said(&PROJECT.replace("\"Test\"", "\"Train\""), Part::Test).1.len(), 3);
    }
}
