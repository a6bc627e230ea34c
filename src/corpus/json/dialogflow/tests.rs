//! Agents of Dialogflow ES, file by file as its export has them.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::corpus::{Corpus, Format, Reading};

/// The files of an agent together.
fn read(files: &[(&str, &str)]) -> Corpus {
    let mut corpus = Corpus::default();
    for (file, text) in files {
        let mut one = Corpus::parse(Format::Json, text, &Reading::default()).unwrap();
        one.found_in(file);
        corpus.append(one);
    }
    corpus.link();
    corpus
}

fn said(corpus: &Corpus) -> Vec<(Option<&str>, &str)> {
    corpus.utterances.iter().map(|it| (it.label.as_deref(), it.text.as_str())).collect()
}

fn named(corpus: &Corpus) -> Vec<[&str; 3]> {
    corpus.mentions.iter().map(|it| [&*it.entity, &*it.value, &*it.text]).collect()
}

fn told(corpus: &Corpus) -> Vec<&str> {
    corpus.notes.iter().map(|note| note.kind.as_str()).collect()
}

const INTENT: &str = r#"{"id": "1", "name": "order.status", "contexts": [], "responses": [{"parameters": [
        {"dataType": "@product", "name": "product", "value": "$product", "required": false}],
    "messages": [
        {"type": "0", "lang": "en", "speech": ["Your $product is on its way.", "Soon."]},
        {"type": "0", "lang": "zh-cn", "speech": "您的$product.original在路上。"},
        {"type": "0", "lang": "en", "speech": ["Anything else?"]}], "speech": []}],
    "webhookUsed": false, "fallbackIntent": false}"#;
const FALLBACK: &str = r#"{"id": "2", "name": "Default Fallback Intent", "responses": [{"parameters": [], "messages": [
        {"type": 0, "lang": "en", "speech": ["Sorry?"]}]}], "webhookUsed": false, "fallbackIntent": true}"#;

#[test]
fn an_agent_is_read_from_all_of_its_files_in_both_languages() {
    let corpus = read(&[
        ("bot/entities/product.json", r#"{"id": "3", "name": "product", "isEnum": false, "isRegexp": false}"#),
        ("bot/entities/product_entries_en.json", r#"[{"value": "Kettle", "synonyms": ["Kettle", "kettles"]}]"#),
        ("bot/entities/product_entries_zh-cn.json", r#"[{"value": "Kettle", "synonyms": ["水壶"]}]"#),
        ("bot/intents/Default Fallback Intent.json", FALLBACK),
        (
            "bot/intents/Default Fallback Intent_usersays_en.json",
            r#"[{"id": "a", "data": [{"text": "tell me a joke", "userDefined": false}], "isTemplate": false, "count": 0}]"#,
        ),
        ("bot/intents/order.status.json", INTENT),
        (
            "bot/intents/order.status_usersays_en.json",
            r#"[{"id": "b", "data": [{"text": "where is my ", "userDefined": false},
                {"text": "kettles", "meta": "@product", "alias": "product", "userDefined": true},
                {"text": " of ", "userDefined": false}, {"text": "May", "meta": "@sys.date", "alias": "date"}],
                "isTemplate": false, "count": 0, "lang": "en"},
             {"id": "c", "data": [{"text": "@product:product please"}], "isTemplate": true, "count": 0}]"#,
        ),
        (
            "bot/intents/order.status_usersays_zh-cn.json",
            r#"[{"id": "d", "data": [{"text": "我的"}, {"text": "水壶", "meta": "@product", "alias": "product"},
                {"text": "到哪了"}], "isTemplate": false, "count": 0, "lang": "zh-cn"}]"#,
        ),
    ]);
    let expected = [
        (None, "tell me a joke"),
        (Some("order.status"), "where is my kettles of May"),
        (Some("order.status"), "我的水壶到哪了"),
    ];
    assert_eq!(said(&corpus), expected);
    let expected = [
        ["product", "Kettle", "Kettle"],
        ["product", "Kettle", "kettles"],
        ["product", "Kettle", "Kettle"],
        ["product", "Kettle", "水壶"],
        ["product", "kettles", "kettles"],
        ["product", "水壶", "水壶"],
    ];
    assert_eq!(named(&corpus), expected);
    let replies: Vec<_> = corpus.replies.iter().map(|it| (&*it.of, &*it.text, it.language.as_deref())).collect();
    let expected = [
        ("nlu_fallback", "Sorry?", Some("en")),
        ("order.status", "Soon.\nAnything else?", Some("en")),
        ("order.status", "您的{product}在路上。", Some("zh-cn")),
    ];
    assert_eq!(replies, expected);
    let expected = [
        "of several texts of a reply, the first without a parameter that may be missing is taken",
        "entities of Dialogflow's own aren't kept: give an entity a kind, such as kind = \"date\"",
        "templates of what users say, such as @city:city, were left out: write examples",
    ];
    assert_eq!(told(&corpus), expected);
    assert_eq!(corpus.faults.count(), 0);
}

#[test]
fn a_parameter_that_nothing_fills_is_told_and_another_text_is_taken_where_one_may_be_missing() {
    fn check(is_required: bool, texts: &str, expected: &str, kinds: &[&str], shown: &[&str]) {
        let parameters = format!(
            r#"[{{"name": "product", "dataType": "@product", "required": {is_required}}}, {{"name": "date", "dataType": "@sys.date"}}]"#
        );
        let file = format!(
            r#"{{"name": "a", "webhookUsed": false, "responses": [{{"parameters": {parameters},
                "messages": [{{"type": "0", "lang": "en", "speech": {texts}}}]}}]}}"#
        );
        let corpus = read(&[("a.json", file.as_str())]);
        assert_eq!(corpus.replies[0].text, expected);
        assert_eq!(told(&corpus), kinds);
        let first: Vec<_> = corpus.notes.iter().filter_map(|note| note.first.as_deref()).collect();
        assert_eq!(first, shown);
    }
    let unfilled = "parameters in replies that are no entities stay as they are";
    let first = "of several texts of a reply, the first is taken";
    let without = "of several texts of a reply, the first without a parameter that may be missing is taken";
    let required = "parameters that are required aren't kept: write them as slots of the intent";
    check(false, r#"["Your $product of $date."]"#, "Your {product} of $date.", &[unfilled], &["$date"]);
    check(false, r##"["#order.product 到了。"]"##, "#order.product 到了。", &[unfilled], &["#order.product"]);
    check(false, r#"["$prduct, $product"]"#, "$prduct, {product}", &[unfilled], &["$prduct"]);
    check(false, r#"["您的$product到了。", "到了。"]"#, "到了。", &[without], &[]);
    check(true, r#"["Your $product.", "Soon."]"#, "Your {product}.", &[required, first], &[]);
    check(true, r#"["On $date.", "Soon."]"#, "Soon.", &[required, without], &[]);
    check(false, r##"["$product!", "#a.product!"]"##, "{product}!", &[first], &[]);
    check(false, r#"["US$5, #1.5"]"#, "US$5, #1.5", &[], &[]);
}

#[test]
fn names_are_those_of_the_files_inside_and_entries_may_be_patterns() {
    let corpus = read(&[
        ("code.json", r#"{"name": "order code", "isEnum": false, "isRegexp": true}"#),
        ("code_entries_en.json", r#"[{"value": "fl[0-9]{8}", "synonyms": ["fl[0-9]{8}"]}]"#),
        ("size_entries_en.json", r#"[{"value": "@colour:colour", "synonyms": ["@colour:colour"]}]"#),
        ("ask_.json", r#"{"name": "ask?", "responses": [], "webhookUsed": true, "contexts": ["x"]}"#),
        (
            "ask__usersays_en.json",
            r#"[{"data": [{"text": "is "}, {"text": "fl12345678", "meta": "@order code"}, {"text": " here"}], "isTemplate": false}]"#,
        ),
        // Older ones have what users say in the intent's own file.
        (
            "old.json",
            r#"{"name": "old", "responses": [{"speech": "Hello"}], "webhookUsed": false,
                "userSays": [{"data": [{"text": "你好"}], "isTemplate": false}]}"#,
        ),
    ]);
    assert_eq!(said(&corpus), [(Some("ask?"), "is fl12345678 here"), (Some("old"), "你好")]);
    assert_eq!(named(&corpus), Vec::<[&str; 3]>::new());
    let patterns: Vec<_> = corpus.patterns.iter().map(|it| (&*it.of, &*it.text)).collect();
    assert_eq!(
        (patterns, &corpus.project.entities),
        (vec![("order code", "fl[0-9]{8}")], &vec!["order code".to_owned()])
    );
    let replies: Vec<_> = corpus.replies.iter().map(|it| (&*it.of, &*it.text, it.language.as_deref())).collect();
    assert_eq!(replies, [("old", "Hello", None)]);
    let expected = [
        "entries of other entities, such as @size:size, were left out",
        "contexts aren't kept: an intent is understood at any time",
        "calls of webhooks aren't kept: give such an intent handler = \"webhook\"",
    ];
    assert_eq!(told(&corpus), expected);
}

#[test]
fn a_file_whose_name_doesnt_tell_what_it_is_of_is_told() {
    let phrases = r#"[{"data": [{"text": "hi"}], "isTemplate": false}]"#;
    let corpus = read(&[("phrases.json", phrases), ("values.json", r#"[{"value": "a", "synonyms": ["b"]}]"#)]);
    let fault = corpus.faults.first().unwrap();
    assert_eq!((corpus.faults.count(), &*fault.file, corpus.utterances.len()), (1, "phrases.json", 0));
    assert!(fault.reason.contains("call it INTENT_usersays_en.json"), "{fault}");
    assert_eq!(told(&corpus), ["values were passed over, as no file's name ENTITY_entries_en.json tells their entity"]);
    assert_eq!(named(&corpus), Vec::<[&str; 3]>::new());
}
