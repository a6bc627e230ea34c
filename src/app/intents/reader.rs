//! Reads an intents file in one pass, and goes on after each fault.
//!
//! It walks the parser's own tree, for the sake of the places in the text: a serde type would stop at the first fault
//! and forget where a value stood. After a fault it reads on with a stand-in, which no caller ever sees.

use std::{collections::HashMap, ops::Range};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use self::{conversation::SlotRead, entities::EntityRead, handlers::Answering};
use super::{
    Checked, Faults, Finding, Fraction, HandlerDefinition, IntentDefinition, IntentsFile, Position, Problem,
    lines::Lines,
};
use crate::{
    config::suggest::{hint, nearest_word},
    domain::{IntentName, language::is_plausible_tag},
    entity::Definition,
};

mod conversation;
mod entities;
mod examples;
mod handlers;
mod knowledge;
mod labels;
mod replies;
mod slots;
mod syntax;

pub(in crate::app) use examples::{bare_form, normal_form};
pub(in crate::app) use slots::MOST_SLOTS;

const TOP_KEYS: [&str; 7] =
    ["fallback", "transcription", "conversation", "intents", "entities", "knowledge", "catalogue"];
const INTENT_KEYS: [&str; 15] = [
    "labels",
    "description",
    "handler",
    "dispatch",
    "threshold",
    "examples",
    "slots",
    "confirm",
    "give_up",
    "reply",
    "search",
    "recommend",
    "llm",
    "translate",
    "webhook",
];

/// How many examples an intent should have at the least.
const FEW_EXAMPLES: usize = 5;

type Key<'t> = Spanned<DeString<'t>>;
type Value<'t> = Spanned<DeValue<'t>>;

/// Reads and checks a whole file.
pub(super) fn read(source_name: &str, text: &str) -> Result<Checked, Faults> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(text);
    let file = if errors.is_empty() {
        reader.file(table.get_ref())
    } else {
        // What the parser could make of it may lack values that are in the text: faults found there may be none.
        reader.syntax(&errors);
        None
    };
    reader.findings.sort_by_key(|finding| finding.position);
    let (warnings, faults): (Vec<_>, Vec<_>) =
        reader.findings.into_iter().partition(|finding| finding.problem.is_warning());
    match file {
        Some(file) if faults.is_empty() => Ok(Checked { file, warnings }),
        _ => Err(Faults { source_name: source_name.to_owned(), faults }),
    }
}

struct Reader<'t> {
    text: &'t str,
    lines: Lines<'t>,
    findings: Vec<Finding>,
    /// The intent that is being read.
    intent: Option<String>,
    /// Every example, as [`bare_form`] writes it: its intent, and as [`normal_form`] writes it, each with its line.
    examples: HashMap<String, (String, Vec<(String, usize)>)>,
    /// Every label, and every intent's name, with its intent and line.
    labels: HashMap<String, (String, usize)>,
    /// How many intents have examples.
    trained: usize,
    /// The entities that are told of, and those that examples are marked with.
    entities: Vec<Definition>,
    /// How many of them have a table of their own; these are the first.
    declared: usize,
    /// The names of all slots, those with faults too.
    slot_names: Vec<String>,
    /// What templates read of the slots.
    slot_reads: Vec<SlotRead>,
    /// What templates read of the entities.
    entity_reads: Vec<EntityRead>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let lines = Lines::new(text);
        Self {
            text,
            lines,
            findings: Vec::new(),
            intent: None,
            examples: HashMap::new(),
            labels: HashMap::new(),
            trained: 0,
            entities: Vec::new(),
            declared: 0,
            slot_names: Vec::new(),
            slot_reads: Vec::new(),
            entity_reads: Vec::new(),
        }
    }

    fn file(&mut self, table: &DeTable<'_>) -> Option<IntentsFile> {
        self.unknown_keys(table, &TOP_KEYS, |key, value| match value {
            DeValue::Table(_) if nearest_word(key, &TOP_KEYS).is_none() => {
                format!("an intent is written [intents.{key}]")
            }
            _ => hint(key, &TOP_KEYS),
        });
        if !table.contains_key("fallback") {
            self.whole_file(Problem::NoFallback);
        }
        let intents = match table.get("intents").map(|value| (value, value.get_ref())) {
            Some((_, DeValue::Table(intents))) if !intents.is_empty() => intents,
            Some((value, found)) if !found.is_table() => {
                self.wrong_type("intents", value, "tables, each written [intents.NAME]");
                return None;
            }
            _ => {
                self.whole_file(Problem::NoIntents);
                return None;
            }
        };
        self.entities(table);
        let fallback = self.fallback(table, intents);
        self.names(intents);
        let definitions: Vec<_> = intents
            .iter()
            .map(|(key, value)| self.intent(key, value, intents, fallback.as_deref() == Some(&**key.get_ref())))
            .collect();
        self.intent = None;
        let (knowledge, catalogues) = (self.knowledge(table), self.catalogues(table));
        let transcription = self.name(table, "transcription", "transcription");
        let conversation = self.conversation(table, intents);
        let intents: Vec<IntentDefinition> = definitions.iter().flatten().cloned().collect();
        self.references(&intents, &knowledge, &catalogues);
        self.forms(&intents, conversation.as_ref(), fallback.as_deref());
        self.known_entities();
        let answers_all = |intent: &IntentDefinition| {
            Some(intent.name.as_str()) == fallback.as_deref()
                && intent.handlers.iter().any(|handler| !matches!(handler, HandlerDefinition::Template { .. }))
        };
        // Documents or a language model can answer whatever is asked: such a bot has nothing to choose between.
        if self.trained < 2 && !(self.trained == 0 && intents.iter().any(answers_all)) {
            self.whole_file(Problem::TooFewTrained(self.trained));
        }
        Some(IntentsFile {
            fallback: IntentName::new(&fallback?).ok()?,
            conversation,
            intents: if intents.len() == definitions.len() { intents } else { return None },
            entities: std::mem::take(&mut self.entities),
            knowledge,
            catalogues,
            transcription,
            folder: None,
        })
    }

    fn fallback(&mut self, table: &DeTable<'_>, intents: &DeTable<'_>) -> Option<String> {
        let value = table.get("fallback")?;
        let name = self.string("fallback", value)?;
        if !intents.contains_key(name) {
            let known: Vec<&str> = intents.keys().map(|key| &**key.get_ref()).collect();
            let hint = hint(name, &known);
            self.add(value.span(), Problem::UnknownWord { key: "intent", word: name.to_owned(), hint });
        }
        Some(name.to_owned())
    }

    fn intent(
        &mut self,
        key: &Key<'_>,
        value: &Value<'_>,
        intents: &DeTable<'_>,
        is_fallback: bool,
    ) -> Option<IntentDefinition> {
        self.intent = Some(key.get_ref().to_string());
        let name = IntentName::new(key.get_ref()).map_err(|error| self.add(key.span(), Problem::InvalidName(error)));
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(&format!("intents.{}", key.get_ref()), value, "a table, written [intents.NAME]");
            return None;
        };
        self.unknown_keys(table, &INTENT_KEYS, |key, _| match key {
            "fallback" => "it belongs at the top of the file, above the first intent".to_owned(),
            _ => hint(key, &INTENT_KEYS),
        });
        let labels = self.labels(table);
        let description = table.get("description").and_then(|value| self.string("description", value));
        let examples = self.examples(table);
        match examples.len() {
            0 if is_fallback => {}
            0 => self.add(key.span(), Problem::NoExamples),
            few if few < FEW_EXAMPLES => self.add(key.span(), Problem::FewExamples(few)),
            _ => {}
        }
        let answering = self.answering(key, table);
        if is_fallback {
            self.silent_fallback(table, &answering);
        }
        let Answering { handlers, external, dispatch } = answering;
        let threshold = self.threshold(table);
        let form = self.form(table, intents);
        Some(IntentDefinition {
            name: name.ok()?,
            labels,
            description: description.map(str::to_owned),
            form,
            handlers,
            external,
            dispatch,
            threshold,
            examples,
        })
    }

    fn threshold(&mut self, table: &DeTable<'_>) -> Option<Fraction> {
        let value = table.get("threshold")?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => Some(number.as_str()),
            DeValue::Float(number) => Some(number.as_str()),
            _ => None,
        };
        let threshold = number.and_then(|number| number.parse().ok());
        if threshold.is_none() {
            match number {
                Some(_) => self.add(value.span(), Problem::Threshold),
                None => self.wrong_type("threshold", value, "a number from 0 to 1"),
            }
        }
        threshold
    }

    /// Checks the keys of `languages`, the table that `key` holds.
    fn languages(&mut self, key: &str, languages: &DeTable<'_>) {
        let mut seen: Vec<&str> = Vec::new();
        for tag in languages.keys() {
            let (span, tag) = (tag.span(), &**tag.get_ref());
            if !is_plausible_tag(tag) || matches!(tag, "cn" | "jp") {
                self.add(span, Problem::LanguageTag { tag: tag.to_owned(), hint: language_hint(key, tag) });
            } else if let Some(other) = seen.iter().find(|other| other.eq_ignore_ascii_case(tag)) {
                self.add(span, Problem::SameLanguage { tag: tag.to_owned(), other: (*other).to_owned() });
            } else {
                seen.push(tag);
            }
        }
    }

    fn unknown_keys(&mut self, table: &DeTable<'_>, known: &[&str], hint: impl Fn(&str, &DeValue<'_>) -> String) {
        for (key, value) in table {
            let name = &**key.get_ref();
            if !known.contains(&name) {
                let hint = hint(name, value.get_ref());
                self.add(key.span(), Problem::UnknownKey { key: name.to_owned(), hint });
            }
        }
    }

    /// The meaning of the word that `key` holds; none where there is no such key.
    fn word<T, const N: usize>(
        &mut self,
        table: &DeTable<'_>,
        key: &'static str,
        words: [(&'static str, T); N],
    ) -> Result<Option<T>, UnknownWord> {
        let Some(value) = table.get(key) else { return Ok(None) };
        let word = self.string(key, value).ok_or(UnknownWord)?;
        let known = words.each_ref().map(|(known, _)| *known);
        match words.into_iter().find(|(known, _)| *known == word) {
            Some((_, meaning)) => Ok(Some(meaning)),
            None => {
                let hint = hint(word, &known);
                self.add(value.span(), Problem::UnknownWord { key, word: word.to_owned(), hint });
                Err(UnknownWord)
            }
        }
    }

    fn string<'v>(&mut self, key: &str, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a text in quotes");
        }
        text
    }

    fn wrong_type(&mut self, key: &str, value: &Value<'_>, expected: &'static str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.add(value.span(), Problem::WrongType { key: key.to_owned(), expected, found });
    }

    fn whole_file(&mut self, problem: Problem) {
        self.put(None, problem);
    }

    fn add(&mut self, span: Range<usize>, problem: Problem) {
        self.put(Some(self.lines.position(span.start)), problem);
    }

    fn put(&mut self, position: Option<Position>, problem: Problem) {
        self.findings.push(Finding { position, intent: self.intent.clone(), problem });
    }
}

/// A word that a key doesn't take; its fault was added.
struct UnknownWord;

fn language_hint(key: &str, tag: &str) -> String {
    match tag {
        "cn" => "Chinese is zh".to_owned(),
        "jp" => "Japanese is ja".to_owned(),
        _ if INTENT_KEYS.contains(&tag) => format!("if the intent's own {tag} is meant, write it above its {key}"),
        _ if is_plausible_tag(&tag.replace('_', "-")) => format!("write {}", tag.replace('_', "-")),
        _ => "write one such as en, zh or pt-BR".to_owned(),
    }
}
