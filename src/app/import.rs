//! Utterances from elsewhere become an intents file.
//!
//! **Invariant:** what is written is a file that [`super::intents`] finds no fault with, as far as the data allows: with
//! fewer than two intents there is none.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
};

use super::intents::{bare_form, normal_form};
use crate::{
    corpus::{Corpus, LabelNames, Notes, annotation},
    domain::IntentName,
};

mod entities;
mod forms;
mod replies;
mod steering;

/// The names that the fallback may have; the first that the data has, else the first of all.
const FALLBACKS: [&str; 4] = ["fallback", "help_info", RASAS_FALLBACK, "out_of_scope"];

/// The intent that Rasa falls back to. It has no examples, and often a reply.
const RASAS_FALLBACK: &str = "nlu_fallback";

/// An intents file made of utterances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The file's text.
    pub text: String,
    /// What was changed or left out on the way, for the author.
    pub notes: Notes,
}

/// Makes an intents file of utterances. Where the data has no reply, a placeholder is there for the author to replace.
pub fn to_intents_file(corpus: &Corpus, from: &str) -> Imported {
    let labels = corpus.utterances.iter().filter_map(|utterance| utterance.label.as_deref());
    let mut names = LabelNames::of_bot(&corpus.labels, labels);
    let mut notes = corpus.notes.clone();
    let intents = sorted_by_intent(corpus, &mut names, &mut notes);
    for renamed in names.renamed() {
        let taken = renamed.taken_by.as_ref();
        let taken = taken.map_or(String::new(), |by| format!(", as '{by}' has the nearest name"));
        let shown = format!("'{}' became {}{taken}", one_line(&renamed.label), renamed.name);
        notes.add_shown("labels that can't be names of intents were changed", shown);
    }

    let known = |name: &&str| intents.iter().any(|(intent, _)| intent.as_str() == *name);
    let fallback = FALLBACKS.into_iter().find(known).unwrap_or(FALLBACKS[0]);
    let (mut entities, named) = entities::of(corpus, &mut notes);
    let mut forms = forms::of(corpus, &mut entities, &named, &mut notes);
    forms.retain(|label, _| {
        let asks = names.name(label).as_str() != fallback;
        if !asks {
            notes
                .add_shown("what the fallback asks was left out: it answers at once", format!("'{}'", one_line(label)));
        }
        asks
    });
    let replies = replies::of(corpus, &entities, &forms, &mut notes);
    let mut text = format!(
        "# Made from {} by `chatbot-worker import`.\n# Write what the bot answers in place of each \"TODO\".\n\nfallback = {}\n",
        one_line(from),
        quoted(fallback)
    );
    let labels = names.beside(corpus);
    if !forms.is_empty() {
        let steer = |name: &&IntentName| name.as_str() != fallback && !forms.contains_key(name.as_str());
        text += &steering::table(intents.iter().map(|(name, _)| name).filter(steer), &labels);
    }
    if !intents.iter().any(|(intent, _)| intent.as_str() == fallback) {
        let chinese = intents.iter().any(|(_, examples)| examples.iter().any(|example| has_han(example)));
        text +=
            &format!("\n[intents.{fallback}]\ndescription = \"Answers where the model isn't sure of any intent.\"\n");
        match FALLBACKS.iter().find_map(|label| replies.get(label)) {
            Some(replies) => text += &reply_lines(replies),
            None => {
                text += "reply.en = \"Sorry, I didn't understand that. Could you say it in other words?\"\n";
                if chinese {
                    text += "reply.zh = \"抱歉，我没有听懂。能换个说法吗？\"\n";
                }
            }
        }
    }
    for (name, examples) in &intents {
        let labels = labels.get(name).map_or(&[][..], Vec::as_slice);
        let called = || [name.as_str()].into_iter().chain(labels.iter().copied());
        let reply = called().find_map(|label| replies.get(label));
        // What Rasa says when it isn't sure is what the fallback is for, whatever intent that is here.
        let reply = reply.or_else(|| replies.get(RASAS_FALLBACK).filter(|_| name.as_str() == fallback));
        let reply = reply.map(Vec::as_slice);
        let slots = called().find_map(|label| forms.get(label)).map_or(&[][..], Vec::as_slice);
        let _ = write_intent(&mut text, name, labels, examples, slots, reply);
    }
    for definition in entities {
        let _ = entities::write(&mut text, &definition);
    }
    Imported { text, notes }
}

/// Every intent's examples, in the order in which the intents come; each sentence once in all.
fn sorted_by_intent<'c>(
    corpus: &'c Corpus,
    names: &mut LabelNames,
    notes: &mut Notes,
) -> Vec<(IntentName, Vec<&'c str>)> {
    let mut intents: Vec<(IntentName, Vec<&str>)> = Vec::new();
    let mut places: HashMap<IntentName, usize> = HashMap::new();
    let mut seen: HashMap<String, (IntentName, HashSet<String>)> = HashMap::new();
    let (mut outside, mut twice) = (0_usize, 0_usize);
    for utterance in &corpus.utterances {
        let Some(label) = &utterance.label else {
            outside += 1;
            continue;
        };
        let name = names.name(label);
        let known = seen.entry(bare_form(&utterance.text));
        let (other, written) = known.or_insert_with(|| (name.clone(), HashSet::new()));
        if *other != name {
            let shown = format!("'{}' of {other} and of {name}", one_line(&utterance.text));
            notes.add_shown("examples of two intents stay with the first of them", shown);
            continue;
        }
        if !written.insert(normal_form(&utterance.text)) {
            twice += 1;
            continue;
        }
        let place = *places.entry(name.clone()).or_insert_with(|| {
            intents.push((name, Vec::new()));
            intents.len() - 1
        });
        intents[place].1.push(utterance.text.trim());
    }
    if twice > 0 {
        notes.add(format!("{twice} examples were there twice, and are there once now"), None);
    }
    if outside > 0 {
        let kind = "texts out of scope were left out: no intent learns from them; keep them to evaluate with";
        notes.add(format!("{outside} {kind}"), None);
    }
    intents
}

fn write_intent(
    text: &mut String,
    name: &IntentName,
    labels: &[&str],
    examples: &[&str],
    slots: &[forms::Slot],
    replies: Option<&[(String, String)]>,
) -> std::fmt::Result {
    write!(text, "\n[intents.{}]\n", name)?;
    let label = labels.first().copied().unwrap_or(name.as_str());
    if !labels.is_empty() {
        let list: Vec<_> = labels.iter().map(|label| quoted(label)).collect();
        writeln!(text, "labels = [{}]", list.join(", "))?;
        // The model reads descriptions, and no labels.
        writeln!(text, "description = {}", quoted(label))?;
    }
    writeln!(text, "examples = [")?;
    for example in examples {
        writeln!(text, "  {},", quoted(&annotation::escaped(example)))?;
    }
    writeln!(text, "]")?;
    let chinese = examples.iter().filter(|example| has_han(example)).count();
    let languages = Languages { english: chinese < examples.len(), chinese: chinese > 0 };
    for slot in slots {
        forms::write(text, slot, languages)?;
    }
    if let Some(replies) = replies {
        text.push_str(&reply_lines(replies));
        return Ok(());
    }
    // The first language answers where nothing tells another.
    if languages.english {
        writeln!(text, "reply.en = {}", quoted(&plain(&format!("TODO: what the bot answers to {label}"))))?;
    }
    if languages.chinese {
        writeln!(text, "reply.zh = {}", quoted(&plain(&format!("TODO：请写下机器人对“{label}”的回答"))))?;
    }
    Ok(())
}

/// The languages of an intent's examples.
#[derive(Debug, Clone, Copy)]
struct Languages {
    english: bool,
    chinese: bool,
}

/// Replies, each in its language.
fn reply_lines(replies: &[(String, String)]) -> String {
    replies.iter().map(|(language, reply)| format!("reply.{language} = {}\n", quoted(reply))).collect()
}

/// The language that a text seems to be in.
fn language(text: &str) -> &'static str {
    if has_han(text) { "zh" } else { "en" }
}

/// A text that isn't taken for a template, whatever is in it.
fn plain(text: &str) -> String {
    text.replace('{', "(").replace('}', ")")
}

/// A TOML basic string. JSON's escapes are TOML's, but for the delete character, which JSON leaves as it is.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn has_han(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;
    use crate::{
        app::intents::IntentsFile,
        corpus::{Format, Reading},
    };

    fn imported(format: Format, text: &str) -> (Imported, IntentsFile) {
        let imported = to_intents_file(&Corpus::parse(format, text, &Reading::default()).unwrap(), "nlu.yml\n[x]");
        let file = IntentsFile::parse("made", &imported.text).unwrap_or_else(|faults| unreachable!("{faults}")).file;
        (imported, file)
    }

    #[test]
    fn rasas_data_becomes_a_bot() {
        let (imported, file) = imported(
            Format::Nlu,
            "nlu:\n- intent: faq/退货\n  examples: |\n    - 我要退货\n    - {{ \"quoted\" }} \\ ok\n- intent: order\n  examples: |\n    - \
             where is my [kettles](product:kettle)\n    - Where is  my kettles\n    - 我要退货\n- synonym: kettle\n  examples: |\n    \
             - 水壶\n- synonym: x\n  examples: |\n    - y\n- regex: order number\n  examples: |\n    - \\d{10}\n    - (\n- lookup: \
             city\n  examples: |\n    - 上海\nentities:\n- order number\n- city\n",
        );
        let names: Vec<_> = file.intents.iter().map(|intent| intent.name.as_str()).collect();
        assert_eq!(names, ["fallback", "faq", "order"]);
        let texts: Vec<_> = file.intents[1].examples.iter().map(|example| example.text.as_str()).collect();
        assert_eq!(texts, ["我要退货", "{{ \"quoted\" }} \\ ok"]);
        assert_eq!(file.intents[1].description.as_deref(), Some("faq/退货"));
        let replies = file.intents[1].replies();
        assert!(replies.len() == 2 && replies.iter().all(|(_, text)| text.contains("TODO")), "{replies:?}");
        let entities: Vec<_> =
            file.entities.iter().map(|it| (it.name.as_str(), it.values.clone(), it.patterns.clone())).collect();
        let value =
            |value: &str, said: &[&str]| (value.to_owned(), said.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
        let expected = [
            ("city", vec![value("上海", &[])], vec![]),
            ("product", vec![value("kettle", &["kettles", "水壶"])], vec![]),
            ("order_number", vec![], vec![r"\d{10}".to_owned()]),
        ];
        assert_eq!(entities, expected);
        let told = imported.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for note in [
            "labels that can't be names of intents were changed: 'faq/退货' became faq",
            "examples of two intents stay with the first of them: '我要退货' of faq and of order",
            "1 examples were there twice",
            "synonyms that are of no entity were left out: 'y' of 'x'",
            "patterns that can't be used were left out: of order number",
            "names of entities were changed: 'order number' became order_number",
        ] {
            assert!(told.contains(note), "{note} isn't in\n{told}");
        }
    }

    #[test]
    fn the_fallback_says_what_rasas_says() {
        let rules = "rules:\n- rule: a\n  steps:\n  - intent: nlu_fallback\n  - action: utter_pardon\n\
                     responses:\n  utter_pardon:\n  - text: Pardon?\n  utter_a:\n  - text: 你好 {b}\n";
        for (label, expected) in [("b", "fallback"), ("out_of_scope", "out_of_scope")] {
            let nlu = format!(
                "nlu:\n- intent: a\n  examples: |\n    - say [x](b)\n- intent: {label}\n  examples: |\n    - y [1]\n"
            );
            let mut corpus = Corpus::parse(Format::Nlu, &format!("{nlu}{rules}"), &Reading::default()).unwrap();
            corpus.link();
            let imported = to_intents_file(&corpus, "x");
            let file =
                IntentsFile::parse("made", &imported.text).unwrap_or_else(|faults| unreachable!("{faults}")).file;
            let reply = |name: &str| {
                let intent = file.intents.iter().find(|intent| intent.name.as_str() == name).unwrap();
                let replies = intent.replies();
                replies.to_vec()
            };
            assert_eq!((file.fallback.as_str(), reply(expected)), (expected, vec![("en".into(), "Pardon?".into())]));
            assert_eq!(reply("a"), [("zh".to_owned(), "你好 {{ entities[\"b\"] }}".to_owned())]);
        }
    }

    #[test]
    fn texts_out_of_scope_are_left_out_and_a_fallback_of_the_data_is_kept() {
        let lines = r#"{"text":"hi\u007f","intent":"a"}
{"text":"what can you do","intent":"help_info"}
{"text":"几点了","intent":null}"#;
        let (imported, file) = imported(Format::Json, lines);
        assert_eq!((file.fallback.as_str(), file.intents.len()), ("help_info", 2));
        assert_eq!(file.intents[0].examples[0].text, "hi\u{7f}");
        let told: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("1 texts out of scope were left out"), "{told:?}");
    }
}
