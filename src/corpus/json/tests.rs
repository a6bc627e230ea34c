//! The shapes of JSON that people keep examples in.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;
use crate::corpus::{Columns, Mention};

fn read(text: &str) -> Result<Corpus, CorpusError> {
    parse(text, &Reading::default())
}

/// The utterances, as `label: text`, and the notes' kinds.
fn said(corpus: &Corpus) -> (Vec<String>, Vec<String>) {
    let said = |it: &crate::corpus::Utterance| format!("{}: {}", it.label.as_deref().unwrap_or("-"), it.text);
    (corpus.utterances.iter().map(said).collect(), corpus.notes.iter().map(|note| note.kind.clone()).collect())
}

#[test]
fn shapes_that_are_plain_are_read() {
    fn check(text: &str, expected: &[&str], noted: &str) {
        let corpus = read(text).unwrap_or_else(|error| unreachable!("{error}: {text}"));
        let (said, notes) = said(&corpus);
        assert_eq!((said.as_slice(), corpus.faults.count()), (expected.map_to_owned().as_slice(), 0), "{text}");
        assert!(noted.is_empty() || notes.iter().any(|note| note.contains(noted)), "{noted}: {notes:?}");
    }
    trait Owned {
        fn map_to_owned(&self) -> Vec<String>;
    }
    impl Owned for [&str] {
        fn map_to_owned(&self) -> Vec<String> {
            self.iter().map(|&text| text.to_owned()).collect()
        }
    }
    let two = ["greet: hi", "-: 几点了"];
    check("{\"text\": \"hi\", \"intent\": \"greet\"}\r\n\n{\"intent\":null,\"text\":\"几点了\",\"x\":1}\n", &two, "");
    check("[{\"text\": \" hi \", \"intent\": \"greet\"},\n {\"text\": \"几点了\", \"intent\": null}]", &two, "");
    check(
        "[{\"Query\": \"hi\", \"category\": \"x\", \"Label\": \"greet\"}]",
        &["greet: hi"],
        "'Query', the intents from 'Label'",
    );
    check("{\"text\": \"hi\", \"intent\": {\"name\": \"greet\", \"confidence\": 1}}", &["greet: hi"], "");
    check("{\"text\": \"hi\", \"label\": 11}\n{\"text\": \"yo\", \"label\": [12]}\n", &["11: hi", "12: yo"], "");
    check("{\"data\": [{\"text\": \"hi\", \"intent\": \"greet\"}], \"version\": 1}", &["greet: hi"], "");
    let clinc = r#"{"oos_val": [["x", "oos"]], "val": [["y", "a"]], "train": [["hi", "greet"], ["cya", "oos"]],
        "oos_test": [], "test": [], "oos_train": [["几点了", "oos"]]}"#;
    check(clinc, &["greet: hi", "oos: cya", "-: 几点了"], "the part 'oos_val' was passed over");
    check(r#"{"train": [{"text": "hi", "intent": "greet"}], "test": [{"a": 1}]}"#, &["greet: hi"], "'test'");
    let wrapped =
        r#"{"data": {"train": [{"text": "hi", "intent": "greet"}], "test": [{"text": "x", "intent": "greet"}]}}"#;
    check(wrapped, &["greet: hi"], "the part 'test' was passed over");
    let tags = r#"{"intents": [{"tag": "greet", "patterns": ["hi", "yo"], "responses": ["Hello"], "context": [""]},
        {"tag": "noanswer", "patterns": [""], "responses": ["Sorry"]}]}"#;
    check(tags, &["greet: hi", "greet: yo"], "an empty text in a list was passed over");
    check(
        r#"[{"intent": "greet", "text": ["hi"], "responses": ["Hello"]}]"#,
        &["greet: hi"],
        "the replies from 'responses'",
    );
    check(
        r#"{"intents": [{"name": "greet", "examples": ["hi"]}], "entities": [{"name": "x", "examples": ["y"]}]}"#,
        &["greet: hi"],
        "",
    );
    check(
        r#"{"greet": ["hi", "yo"], "train": ["book a train"]}"#,
        &["greet: hi", "greet: yo", "train: book a train"],
        "each key",
    );
    check(
        r#"{"intents": {"退货": {"patterns": ["我要退货"], "responses": ["好的"]}}}"#,
        &["退货: 我要退货"],
        "each key",
    );
    let snips =
        r#"{"AddToPlaylist": [{"data": [{"text": "add "}, {"text": "Rome", "entity": "city"}, {"text": " now"}]}]}"#;
    check(snips, &["AddToPlaylist: add Rome now"], "each key");
    check("{\"text\": \"[a](b)\", \"intent\": \"x\"}", &["x: [a](b)"], "looks like a mark");
}

#[test]
fn rasas_json_keeps_its_entities_and_lists() {
    let text = r#"{"rasa_nlu_data": {"common_examples": [
        {"text": "张青红的生日", "intent": "ask", "entities": [{"start": 4, "end": 6, "value": "birthday", "entity": "item"}]},
        {"text": "no intent"},
        {"text": "x", "intent": "ask", "entities": [{"start": 4, "end": 6, "value": "y", "entity": "item"}]}],
        "entity_synonyms": [{"value": "kettle", "synonyms": ["kettles", "水壶"]}],
        "regex_features": [{"name": "zip", "pattern": "[0-9]{5}"}],
        "lookup_tables": [{"name": "city", "elements": ["Rome", "上海"]}, {"name": "street", "elements": "streets.txt"}],
        "dialogs": []}}"#;
    let corpus = read(text).unwrap();
    let (said, notes) = said(&corpus);
    assert_eq!(said, ["ask: 张青红的生日", "ask: x"]);
    assert_eq!(corpus.mentions, [Mention { entity: "item".into(), value: "birthday".into(), text: "生日".into() }]);
    let words = |words: &[crate::corpus::Word]| -> Vec<String> {
        words.iter().map(|word| format!("{}={}", word.of, word.text)).collect()
    };
    assert_eq!(words(&corpus.synonyms), ["kettle=kettles", "kettle=水壶"]);
    assert_eq!(words(&corpus.patterns), ["zip=[0-9]{5}"]);
    assert_eq!(words(&corpus.lookups), ["city=Rome", "city=上海"]);
    let expected = [
        "an example without an intent was passed over",
        "an entity that isn't named, or is beyond its text, was left out",
        "a lookup table in a file of its own wasn't read",
        "'dialogs' of rasa_nlu_data was passed over",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn a_part_is_read_as_it_is_asked_for() {
    let text = r#"{"train": [["a", "x"]], "val": [["b", "x"]], "test": [["c", "x"]], "oos_test": [["d", "oos"]]}"#;
    let of = |part| {
        let corpus = parse(text, &Reading { part, ..Reading::default() }).unwrap();
        said(&corpus).0
    };
    assert_eq!(
        (of(Part::Train), of(Part::Valid), of(Part::Test)),
        (vec!["x: a".to_owned()], vec!["x: b".to_owned()], vec!["x: c".to_owned(), "-: d".to_owned()],)
    );
    let error = parse(r#"{"train": []}"#, &Reading { part: Part::Test, ..Reading::default() }).unwrap_err();
    assert!(error.to_string().contains("no part 'test', but 'train'"), "{error}");
}

#[test]
fn replies_are_those_of_the_intent_or_of_the_key_that_is_chosen() {
    let replies = |text: &str, reply: Option<&str>| -> Vec<String> {
        let columns = Columns { reply: reply.map(str::to_owned), ..Columns::default() };
        let corpus = parse(text, &Reading { columns, ..Reading::default() }).unwrap();
        corpus.replies.iter().map(|word| format!("{}={}", word.of, word.text)).collect()
    };
    let tags = r#"{"intents": [{"tag": "greet", "patterns": ["hi"], "responses": ["Hello", " ", "Yo"]}]}"#;
    assert_eq!(replies(tags, None), ["greet=Hello", "greet=Yo"]);
    assert_eq!(replies(r#"[{"text": "hi", "intent": "greet", "answer": "Hello"}]"#, Some("answer")), ["greet=Hello"]);
    assert_eq!(replies(r#"[{"text": "hi", "intent": "greet", "answer": "Hello"}]"#, None), Vec::<String>::new());
    assert_eq!(replies(r#"{"greet": {"patterns": ["hi"], "responses": "Hello"}}"#, None), ["greet=Hello"]);
}

#[test]
fn the_object_at_fault_is_told_and_the_others_are_read() {
    fn check(text: &str, line: usize, told: &str, others: usize) {
        let corpus = read(text).unwrap_or_else(|error| unreachable!("{error}: {text}"));
        let fault = corpus.faults.first().unwrap_or_else(|| unreachable!("{text}"));
        assert!(fault.line == line && fault.reason.contains(told), "{fault:?}");
        assert_eq!(corpus.utterances.len(), others, "{text}");
    }
    let good = "{\"text\": \"a\", \"intent\": \"x\"}";
    check(&format!("{good}\n\n[]\n{good}"), 3, "a line is an object, and this is a list", 2);
    check(&format!("{good}\n{{\"text\": \"a\"}}"), 2, "it has no 'intent'", 1);
    check(&format!("{good}\n{{\"text\": \" \", \"intent\": null}}"), 2, "the text is empty", 1);
    check(&format!("{good}\n{{\"text\": \"a\", \"intent\": \" \"}}"), 2, "the key 'intent' is empty", 1);
    check(&format!("{good}\n{{\"text\": \"a\", "), 2, "this isn't valid JSON: it ends", 1);
    check(&format!("[{good},\n\n {{\"intent\": \"x\"}},\n 1]"), 4, "an object was expected, and this is a number", 1);
    check("{\"train\": [[\"a\", \"x\"],\n [\"b\"]]}", 2, "a pair", 1);
}

#[test]
fn what_isnt_plain_is_refused_with_what_it_is() {
    fn check(text: &str, line: usize, told: &str) {
        match read(text) {
            Err(CorpusError::Line { line: at, reason } | CorpusError::Unknown { line: at, reason }) => {
                assert!(at == line && reason.contains(told), "{at}: {reason}");
            }
            other => unreachable!("{text}: {other:?}"),
        }
    }
    check("\n[1, 2]", 2, "a list of a number");
    check("[[\"a\", \"b\"]]", 1, "nothing tells which is the text");
    check("[]", 1, "an empty list");
    check("{\"name\": \"x\", \"scripts\": {\"test\": \"y\"}}", 1, "an object with 'name', 'scripts'. Known are");
    check("{\"text\": [\"a\"], \"intent\": [\"x\"]}", 1, "an object with 'text', 'intent'");
    check(
        "{\"a\": [{\"text\": \"a\", \"intent\": \"x\"}],\n\"b\": [{\"text\": \"a\", \"intent\": \"x\"}]}",
        1,
        "several lists",
    );
    check("[\n{\"instruction\": \"a\", \"intent\": \"x\"}]", 2, "no key is known to hold what users say");
    check("{\n\"a\": 1,\n}", 3, "this isn't valid JSON at column 1");
    check("{\"rasa_nlu_data\": 1}", 1, "rasa_nlu_data is a number");
    check("[{\"question\": \"a\", \"answer\": \"b\"}]", 1, "--intent-column; or, as these are questions");
    // Exports that hold no labels are named.
    let qna = "{\"id\": \"1\", \"data\": {\"questions\": {\"en\": [\"a\"]}, \"answers\": {\"en\": [\"b\"]}}}";
    check(&format!("\n{{\"qnas\": [{qna}]}}"), 2, "as Botpress exports them");
    check(&format!("[{qna}]"), 1, "[knowledge]");
    let phrases = r#"{"trainingPhrases": [{"parts": [{"text": "hi"}], "languageCode": "en"}]}"#;
    check(phrases, 1, "Dialogflow CX");
    check(r#"{"displayName": "order", "numTrainingPhrases": 2}"#, 1, "Dialogflow CX");
    check(r#"{"metadata": {}, "resource": {"name": "b", "intents": []}}"#, 1, "Amazon Lex");
    check(r#"{"name": "Order", "sampleUtterances": [{"utterance": "我要退货"}]}"#, 1, "Amazon Lex");
    check(r#"{"interactionModel": {"languageModel": {}}}"#, 1, "Alexa");
    check(r#"{"version": {"_id": "1"}, "diagrams": {}, "project": {}}"#, 1, "Voiceflow");
    check(r#"{"name": "order", "contexts": ["global"], "utterances": {"zh": ["我要退货"]}}"#, 1, "intent of Botpress");
    check(r#"{"type": "action", "workspace": {"actions": [], "intents": []}}"#, 1, "made of actions");
    check(
        r#"{"displayName": "Shop", "language": "en", "supportedLanguages": ["zh-cn"]}"#,
        1,
        "settings of an agent of Dialogflow",
    );
}
