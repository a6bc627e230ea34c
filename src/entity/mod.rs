//! Entities: the products, order numbers, amounts and dates that a text names.
//!
//! Values that the bot's author lists are found by one Aho-Corasick automaton, patterns by regular expressions, both in
//! time that grows with the text alone; of what overlaps, the leftmost and then the longest counts. No statistics: what
//! is found is found always.
//!
//! **Invariant:** pure, and bounded by [`MAX_TEXT`], [`MAX_ENTITIES`] and [`MAX_LENGTH`], whatever the text.

mod builtin;
mod fold;
pub mod numeral;

use std::borrow::Cow;

use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder};

use self::fold::Folded;
pub use self::{
    builtin::{BUILT_IN, BuiltIn, words_of_day},
    numeral::chinese as chinese_number,
};
use crate::{domain::Entity, simplified::simplified_text};

/// How much of a text is looked at, in characters; as much as the embedded model reads.
pub const MAX_TEXT: usize = 4096;
/// How many entities are found in a text at most.
pub const MAX_ENTITIES: usize = 16;
/// The longest entity, and the longest value, in characters: together they have to fit a header of the message.
pub const MAX_LENGTH: usize = 64;

/// What a compiled pattern may take, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// A text as it is compared: in lower case, full-width forms as ordinary ones, one character for each of its own.
pub fn folded(text: &str) -> String {
    Folded::of(text).text
}

/// Whether neither end of a part of a folded text, in bytes, is inside a word.
pub fn at_boundaries(text: &str, start: usize, end: usize) -> bool {
    fold::at_boundaries(text, start, end)
}

/// What an entity can be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    /// Its values, and what users say for each.
    pub values: Vec<(String, Vec<String>)>,
    /// Regular expressions of what can be its value.
    pub patterns: Vec<String>,
    /// A kind that is known without being told.
    pub built_in: Option<BuiltIn>,
}

impl Definition {
    /// Whether all that it can be is listed.
    pub fn is_listed(&self) -> bool {
        !self.values.is_empty() && self.patterns.is_empty() && self.built_in.is_none()
    }

    /// Adds what users say for a value.
    pub fn add(&mut self, value: &str, said: &str) {
        let place = self.values.iter().position(|(known, _)| known == value).unwrap_or_else(|| {
            self.values.push((value.to_owned(), Vec::new()));
            self.values.len() - 1
        });
        let words = &mut self.values[place].1;
        if said != value && !words.iter().any(|word| word == said) {
            words.push(said.to_owned());
        }
    }
}

/// A pattern that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{pattern}' is no regular expression that can be used: {reason}")]
pub struct InvalidPattern {
    pub pattern: String,
    pub reason: String,
}

/// Finds entities in texts.
#[derive(Debug)]
pub struct Extractor {
    names: Vec<String>,
    words: AhoCorasick,
    /// What each of the automaton's words stands for: the entity's place, and the value.
    meanings: Vec<(usize, String)>,
    patterns: Vec<(usize, Regex)>,
    built_in: Vec<(usize, BuiltIn)>,
}

/// A part of a text that may be an entity; bytes of the folded text.
struct Candidate<'a> {
    start: usize,
    end: usize,
    entity: usize,
    /// `None` if it is as the user wrote it, but for full-width forms.
    value: Option<Cow<'a, str>>,
}

impl Extractor {
    /// An extractor of these entities; `None` if there are none, so that a bot without entities pays nothing.
    ///
    /// # Errors
    /// [`InvalidPattern`], at the first pattern that isn't one.
    pub fn new(definitions: &[Definition]) -> Result<Option<Self>, InvalidPattern> {
        if definitions.is_empty() {
            return Ok(None);
        }
        let (mut words, mut meanings) = (Vec::new(), Vec::new());
        let (mut patterns, mut built_in) = (Vec::new(), Vec::new());
        for (place, definition) in definitions.iter().enumerate() {
            for (value, said) in &definition.values {
                for word in said.iter().chain([value]).filter(|word| !word.trim().is_empty()) {
                    words.push(Folded::of(word.trim()).text);
                    meanings.push((place, value.clone()));
                }
            }
            for pattern in &definition.patterns {
                patterns.push((place, compile(pattern)?));
            }
            built_in.extend(definition.built_in.map(|kind| (place, kind)));
        }
        built_in.sort_by_key(|&(_, kind)| kind);
        let words = AhoCorasick::new(words)
            .map_err(|error| InvalidPattern { pattern: "the values".to_owned(), reason: error.to_string() })?;
        let names = definitions.iter().map(|definition| definition.name.clone()).collect();
        Ok(Some(Self { names, words, meanings, patterns, built_in }))
    }

    /// The entities of a text, in its order.
    pub fn extract(&self, text: &str) -> Vec<Entity> {
        let folded = Folded::of(text);
        let mut candidates = self.candidates(&folded.text);
        candidates.retain(|it| it.end > it.start && folded.at_boundaries(it.start, it.end));
        // Stable: of two that cover the same, the one that was found first, and an author's own word before a known kind.
        candidates.sort_by_key(|it| (it.start, std::cmp::Reverse(it.end)));
        let mut entities: Vec<Entity> = Vec::new();
        let mut free_from = 0;
        for candidate in candidates {
            if candidate.start < free_from {
                continue;
            }
            let length = folded.characters(candidate.start..candidate.end);
            if length > MAX_LENGTH {
                continue;
            }
            // Counted from the front, but only for what is found, of which there is little.
            let start = folded.characters(0..candidate.start);
            let end = start + length;
            let text: String = text.chars().skip(start).take(length).collect();
            let value = candidate.value.map_or_else(|| text.chars().map(fold::narrow).collect(), Cow::into_owned);
            entities.push(Entity { name: self.names[candidate.entity].clone(), value, text, start, end });
            free_from = candidate.end;
            if entities.len() == MAX_ENTITIES {
                break;
            }
        }
        entities
    }

    fn candidates(&self, folded: &str) -> Vec<Candidate<'_>> {
        let words = self.words.find_overlapping_iter(folded).map(|found| {
            let (entity, value) = &self.meanings[found.pattern()];
            Candidate { start: found.start(), end: found.end(), entity: *entity, value: Some(value.into()) }
        });
        let patterns = self.patterns.iter().flat_map(|(entity, pattern)| {
            let entity = *entity;
            pattern.find_iter(folded).map(move |it| Candidate { start: it.start(), end: it.end(), entity, value: None })
        });
        let built_in = self.built_in.iter().flat_map(|(entity, kind)| {
            let entity = *entity;
            let found = kind.find(folded).into_iter();
            found.map(move |(range, value)| Candidate {
                start: range.start,
                end: range.end,
                entity,
                value: Some(value.into()),
            })
        });
        words.chain(patterns).chain(built_in).collect()
    }
}

fn compile(pattern: &str) -> Result<Regex, InvalidPattern> {
    let invalid = |reason: String| InvalidPattern { pattern: pattern.to_owned(), reason };
    // It is looked for in a folded text. The error's first line draws the pattern; its last says what is wrong.
    RegexBuilder::new(&simplified_text(pattern))
        .case_insensitive(true)
        .size_limit(PATTERN_SIZE)
        .build()
        .map_err(|error| invalid(error.to_string().lines().last().unwrap_or_default().trim().to_owned()))
}

#[cfg(test)]
mod tests;
