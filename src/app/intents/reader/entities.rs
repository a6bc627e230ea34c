//! The entities: values with what users say for them, patterns, known kinds; and those that examples are marked with.

use std::{collections::HashMap, ops::Range};

use toml::de::{DeArray, DeTable, DeValue};

use super::{
    super::{Position, Problem},
    Reader, Value, hint,
};
use crate::{
    config::suggest::nearest_word,
    corpus::Mention,
    domain::{InvalidName, is_valid_name},
    entity::{BUILT_IN, Definition, Extractor, MAX_LENGTH, folded},
    handler::template::ReplyText,
};

const ENTITY_KEYS: [&str; 3] = ["values", "patterns", "kind"];

/// An entity that a template reads.
pub(super) struct EntityRead {
    position: Position,
    intent: Option<String>,
    /// Where the template stands, such as `reply.en`.
    key: String,
    entity: String,
}

impl Reader<'_> {
    /// Reads the table `entities`.
    pub(super) fn entities(&mut self, table: &DeTable<'_>) {
        let Some(value) = table.get("entities") else { return };
        let Some(entities) = value.get_ref().as_table() else {
            return self.wrong_type("entities", value, "tables, each written [entities.NAME]");
        };
        for (key, value) in entities {
            let name = &**key.get_ref();
            if !is_valid_name(name) {
                self.add(key.span(), Problem::InvalidName(InvalidName(name.to_owned())));
            }
            let Some(entity) = value.get_ref().as_table() else {
                self.wrong_type(&format!("entities.{name}"), value, "a table, written [entities.NAME]");
                // It is there, so nobody who reads it is told that it isn't.
                self.entities.push(Definition { name: name.to_owned(), ..Definition::default() });
                continue;
            };
            self.unknown_keys(entity, &ENTITY_KEYS, |key, _| hint(key, &ENTITY_KEYS));
            let mut definition = Definition { name: name.to_owned(), ..Definition::default() };
            self.values(entity, "values", &mut definition);
            self.patterns(entity, &mut definition);
            definition.built_in = self.word(entity, "kind", BUILT_IN).ok().flatten();
            if !ENTITY_KEYS.iter().any(|key| entity.contains_key(*key)) {
                self.add(key.span(), Problem::EmptyEntity);
            }
            self.entities.push(definition);
        }
        self.declared = self.entities.len();
    }

    /// Notes which entities a template reads.
    pub(super) fn entities_read(&mut self, key: &str, at: usize, text: &ReplyText) {
        let position = self.lines.position(at);
        for entity in text.entities() {
            let (intent, entity) = (self.intent.clone(), entity.clone());
            self.entity_reads.push(EntityRead { position, intent, key: key.to_owned(), entity });
        }
    }

    /// Every template reads entities that there are: they are known once all examples are read, as marks make some.
    pub(super) fn known_entities(&mut self) {
        for EntityRead { position, intent, key, entity } in std::mem::take(&mut self.entity_reads) {
            let known: Vec<&str> = self.entities.iter().map(|known| known.name.as_str()).collect();
            if known.contains(&entity.as_str()) {
                continue;
            }
            let hint = match known.is_empty() {
                true => format!("write a table [entities.{entity}]"),
                false => hint(&entity, &known),
            };
            self.intent = intent;
            self.put(Some(position), Problem::UnknownEntity { key, entity, hint });
        }
        self.intent = None;
    }

    /// Adds what an example is marked with.
    pub(super) fn mention(&mut self, mention: &Mention, example: &Value<'_>) {
        let Mention { entity, value, text } = mention;
        if !is_valid_name(entity) {
            return self.add(example.span(), Problem::InvalidName(InvalidName(entity.clone())));
        }
        if !self.fits(value, example) || !self.fits(text, example) {
            return;
        }
        let known = self.entities.iter().position(|known| known.name == *entity);
        let place = known.unwrap_or_else(|| {
            self.near_mark(entity, example);
            self.entities.push(Definition { name: entity.clone(), ..Definition::default() });
            self.entities.len() - 1
        });
        self.entities[place].add(value, text);
    }

    /// A mark may make an entity; one that is called almost as one with a table is more likely a slip.
    fn near_mark(&mut self, entity: &str, example: &Value<'_>) {
        let declared: Vec<&str> = self.entities.iter().take(self.declared).map(|known| known.name.as_str()).collect();
        let nearest = nearest_word(entity, &declared).map(str::to_owned);
        if let Some(nearest) = nearest {
            self.add(example.span(), Problem::NearMark { entity: entity.to_owned(), nearest });
        }
    }

    /// What a table lists under a key: values, some with what users say for them.
    pub(super) fn values(&mut self, table: &DeTable<'_>, list: &str, definition: &mut Definition) {
        const EXPECTED: &str =
            "a list of texts, or a list for each value, such as values.kettle = [\"kettles\", \"水壶\"]";
        let mut said_for = HashMap::new();
        match table.get(list).map(|value| (value, value.get_ref())) {
            None => {}
            Some((_, DeValue::Array(values))) => {
                for (value, span) in self.texts(values) {
                    self.say(&value, &value, span, &mut said_for, definition);
                }
            }
            Some((_, DeValue::Table(values))) => {
                for (key, said) in values {
                    let value = &**key.get_ref();
                    let Some(words) = said.get_ref().as_array() else {
                        self.wrong_type(&format!("{list}.{value}"), said, "a list of what users say for it");
                        continue;
                    };
                    if self.fits(value, said) {
                        self.say(value, value, key.span(), &mut said_for, definition);
                    }
                    for (text, span) in self.texts(words) {
                        self.say(value, &text, span, &mut said_for, definition);
                    }
                }
            }
            Some((value, _)) => self.wrong_type(list, value, EXPECTED),
        }
    }

    /// Adds what users say for a value. `said_for` has the value of each text so far: only one of two would ever be found.
    fn say(
        &mut self,
        value: &str,
        text: &str,
        span: Range<usize>,
        said_for: &mut HashMap<String, String>,
        definition: &mut Definition,
    ) {
        let first = said_for.entry(folded(text.trim())).or_insert_with(|| value.to_owned());
        if first.as_str() != value {
            let (text, first, second) = (text.to_owned(), first.clone(), value.to_owned());
            self.add(span, Problem::TextOfTwo { text, first, second });
        }
        definition.add(value, text);
    }

    fn patterns(&mut self, entity: &DeTable<'_>, definition: &mut Definition) {
        let Some(value) = entity.get("patterns") else { return };
        let Some(patterns) = value.get_ref().as_array() else {
            return self.wrong_type("patterns", value, "a list of regular expressions, such as ['[A-Z]{2}\\d{6}']");
        };
        for value in patterns.iter() {
            let Some(pattern) = self.string("a pattern", value) else { continue };
            let one = Definition { patterns: vec![pattern.to_owned()], ..Definition::default() };
            match Extractor::new(&[one]) {
                Ok(_) => definition.patterns.push(pattern.to_owned()),
                Err(error) => self.add(value.span(), Problem::Pattern(error)),
            }
        }
    }

    /// The texts of a list that can be values, and where each stands.
    fn texts(&mut self, list: &DeArray<'_>) -> Vec<(String, Range<usize>)> {
        let mut texts = Vec::new();
        for value in list.iter() {
            if let Some(text) = self.string("a value", value)
                && self.fits(text, value)
            {
                texts.push((text.trim().to_owned(), value.span()));
            }
        }
        texts
    }

    fn fits(&mut self, text: &str, value: &Value<'_>) -> bool {
        let fits = (1..=MAX_LENGTH).contains(&text.trim().chars().count());
        if !fits {
            self.add(value.span(), Problem::EntityValue(text.to_owned()));
        }
        fits
    }
}
