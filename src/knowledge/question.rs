//! A question as it is searched for: its terms, each by what it says, and its vector.
//!
//! **Invariant:** bounded, whatever the text: [`MAX_CHARACTERS`], [`MAX_TERMS`].

use std::collections::HashMap;

use super::{
    function_words::is_bare_word,
    index::{Index, Place},
    meaning::{Common, Vector},
    terms::{Kind, Role, Term, TermReader},
};
use crate::model::embedded::tokens::{self, Meanings};

/// How much of a text is searched for: what comes after is no question any more.
const MAX_CHARACTERS: usize = 1_000;
/// How many different terms of it.
const MAX_TERMS: usize = 256;

/// How strongly a word's weight in the language at large counts beside how rare it is in the documents. Tried on
/// questions that a language model asked of documents, and on those of FAQs, from 0.15 to 0.7.
const GENERAL: f32 = 0.4;
const OF_LONG: f32 = 0.5;
const OF_ACROSS: f32 = 0.6;
const OF_FUNCTION: f32 = 0.3;
/// Of a word that only asks or joins and isn't in the documents: it is nothing that they lack.
const OF_UNHELD: f32 = 0.2;

/// A question.
#[derive(Debug)]
pub(super) struct Question {
    /// Each once.
    pub(super) terms: Vec<QuestionTerm>,
    /// Whether one of them says something by itself; else there is nothing to answer.
    pub(super) has_content: bool,
    /// Where a term is among them.
    pub(super) places: HashMap<u64, usize>,
    /// The sum of their weights; above 0.
    pub(super) total: f32,
    /// Neighbours in the question, and what it says that they are: places among the terms.
    pub(super) pairs: Vec<(usize, usize, f32)>,
    /// The Chinese characters of its content, and their weights.
    pub(super) characters: Vec<(char, f32)>,
    /// What it means.
    pub(super) vector: Vector,
}

/// A term of a question.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuestionTerm {
    /// Where the index has it.
    pub(super) place: Option<Place>,
    /// What it says.
    pub(super) weight: f32,
    /// Whether it is a word, or within one, that asks for something by itself.
    pub(super) is_content: bool,
}

impl Question {
    /// A question to the documents of this index; `without` says of a term whether a passage holds it that is to be thought
    /// away.
    pub(super) fn of(text: &str, index: &Index, common: &Common, without: &dyn Fn(u64) -> bool) -> Self {
        let text = match text.char_indices().nth(MAX_CHARACTERS) {
            Some((end, _)) => &text[..end],
            None => text,
        };
        let mut roles: Vec<Role> = Vec::new();
        let mut contents: Vec<bool> = Vec::new();
        let mut bases: Vec<(Option<Place>, f32)> = Vec::new();
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut order: Vec<usize> = Vec::new();
        let mut characters: Vec<(char, f32)> = Vec::new();
        let mut has_content = false;
        TermReader::default().read(text, |term| {
            let at = match places.get(&term.hash) {
                Some(&at) => at,
                None if bases.len() == MAX_TERMS => return,
                None => {
                    let place = index.find(term.hash);
                    let holding = place.map_or(0, |place| index.holding(place));
                    let holding = holding.saturating_sub(usize::from(without(term.hash)));
                    let said = general(term.kind, term.spelled).powf(GENERAL) * of_kind(term.kind);
                    bases.push((place, index.rarity(holding) * said));
                    roles.push(term.role);
                    contents.push(false);
                    places.insert(term.hash, bases.len() - 1);
                    bases.len() - 1
                }
            };
            has_content = has_content || says_something(&term);
            if term.role == Role::Content {
                roles[at] = Role::Content;
                contents[at] = contents[at] || says_something(&term);
            }
            if term.kind != Kind::Long {
                order.push(at);
            }
            if term.kind == Kind::Pair && term.role != Role::Function {
                for &c in term.spelled {
                    if characters.iter().all(|(known, _)| *known != c) {
                        characters.push((c, tokens::weight([c]).max(LEAST_GENERAL).powf(GENERAL)));
                    }
                }
            }
        });
        let terms: Vec<QuestionTerm> = bases
            .into_iter()
            .zip(roles)
            .zip(contents)
            .map(|(((place, base), role), is_content)| {
                let unheld = if place.is_none() && role == Role::Function { OF_UNHELD } else { 1.0 };
                QuestionTerm { place, weight: base * of_role(role) * unheld, is_content }
            })
            .collect();
        let total = terms.iter().map(|term| term.weight).sum::<f32>().max(f32::MIN_POSITIVE);
        let both = |a: usize, b: usize| (terms[a].weight * terms[b].weight).sqrt();
        let pairs = order.windows(2).map(|pair| (pair[0], pair[1], both(pair[0], pair[1]))).collect();
        let vector = common.vector(&Meanings::default().of(text));
        Self { terms, has_content, places, total, pairs, characters, vector }
    }
}

const LEAST_GENERAL: f32 = 0.02;

/// Whether a term asks for something by itself, and isn't a yes, a no, thanks or a pronoun.
fn says_something(term: &Term<'_>) -> bool {
    let is_bare = || is_bare_word(term.spelled) || term.words.into_iter().all(is_bare_word);
    term.role != Role::Function && !is_bare()
}

/// What a term says in the language at large. A pair of characters that is no word says what its characters do.
fn general(kind: Kind, spelled: &[char]) -> f32 {
    let as_word = tokens::weight(spelled.iter().copied());
    let known = as_word < 1.0 || kind != Kind::Pair;
    let by_character = || spelled.iter().map(|&c| tokens::weight([c])).sum::<f32>() / spelled.len().max(1) as f32;
    if known { as_word } else { by_character() }.max(LEAST_GENERAL)
}

fn of_kind(kind: Kind) -> f32 {
    if kind == Kind::Long { OF_LONG } else { 1.0 }
}

fn of_role(role: Role) -> f32 {
    match role {
        Role::Content => 1.0,
        Role::Across => OF_ACROSS,
        Role::Function => OF_FUNCTION,
    }
}
