//! What speaks for a passage's answering a question: how much of the question it holds, and how close together.
//!
//! An answer stands in a sentence or two. So beside the score of the whole passage counts its best sentence, with the
//! headings above it, and one of the author's questions counts as a sentence. All are shares of the question's weight.
//! **Invariant:** every number is finite; the work is linear in the passage.

use super::{Passage, meaning::Common, question::Question, sentences::sentences, terms::TermReader};
use crate::model::embedded::tokens::Meanings;

/// What speaks for a passage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Evidence {
    /// The index's score.
    pub(super) score: f32,
    /// The share of the question that the passage holds, headings and all.
    pub(super) passage: f32,
    /// The share that its best sentence holds, and half of what its headings add.
    pub(super) sentence: f32,
    /// The share of the question's neighbours that are near to each other there.
    pub(super) pairs: f32,
    /// The cosine to the sentence that is most similar.
    pub(super) similarity: f32,
    /// The share of its Chinese characters that the best sentence holds; where it has none, as [`Self::sentence`].
    pub(super) characters: f32,
    /// Where the author gave several questions: by how much their vectors say more than those of the other entries that were
    /// found. So entries are told from each other, and none is ahead of a document for being an entry.
    pub(super) of_questions: f32,
}

/// What each counts. Chosen on questions made of sentences of documents, of which words were left out or replaced.
const WEIGHTS: [f32; 5] = [1.0, 0.5, 0.3, 0.2, 0.4];
/// What similarity, and that of all the author's questions together, count beside it, where there are several of these: they
/// are short, and say the same in many words. Chosen on BANKING77's and CLINC150's training texts, five for each label.
const OF_QUESTIONS: [f32; 2] = [0.75, 1.5];

impl Evidence {
    /// One number, by which passages are ranked.
    pub(super) fn rank(&self) -> f32 {
        let parts = [self.score, self.sentence, self.pairs, self.similarity, self.characters];
        let of_words: f32 = parts.iter().zip(WEIGHTS).map(|(part, weight)| part * weight).sum();
        of_words + self.of_questions
    }

    /// What the author's questions say by their vectors, all of them together and the nearest.
    pub(super) fn by_questions(&self, together: f32) -> f32 {
        OF_QUESTIONS[0] * self.similarity + OF_QUESTIONS[1] * together
    }

    /// The same in 0..=1.
    pub(super) fn share(&self) -> f32 {
        (self.rank() / WEIGHTS.iter().sum::<f32>()).clamp(0.0, 1.0)
    }
}

/// Weighs one passage after another, with the memory that the one before needed.
#[derive(Debug, Default)]
pub(super) struct Scales {
    reader: TermReader,
    meanings: Meanings,
    /// By term of the question: the sentence that held it last.
    seen: Vec<u32>,
    in_headings: Vec<bool>,
    /// Where it stands.
    positions: Vec<Vec<u32>>,
}

/// How many places of a term are looked at: more say nothing new.
const PLACES: usize = 32;
/// The distance between the last word of a sentence and the first of the next.
const GAP: u32 = 10;

impl Scales {
    /// What speaks for a passage whose score by the index is `score`; all but the similarity, which takes the longest.
    pub(super) fn weigh(&mut self, question: &Question, passage: &Passage, score: f32) -> Evidence {
        let terms = question.terms.len();
        self.seen.clear();
        self.seen.resize(terms, 0);
        self.in_headings.clear();
        self.in_headings.resize(terms, false);
        self.positions.iter_mut().for_each(Vec::clear);
        self.positions.resize(terms, Vec::new());
        let mut headings = 0.0;
        for text in std::iter::once(&passage.title).chain(&passage.headings) {
            self.reader.read(text, |term| {
                if let Some(&at) = question.places.get(&term.hash)
                    && !std::mem::replace(&mut self.in_headings[at], true)
                {
                    headings += question.terms[at].weight;
                }
            });
        }
        let mut all = headings;
        let mut position = 0;
        let mut best = Evidence::default();
        for (number, sentence) in (1..).zip(parts(passage)) {
            let (mut held, mut held_of_headings) = (0.0, 0.0);
            self.reader.read(sentence, |term| {
                position += 1;
                let Some(&at) = question.places.get(&term.hash) else { return };
                let weight = question.terms[at].weight;
                let before = std::mem::replace(&mut self.seen[at], number);
                if before != number {
                    held += weight;
                    held_of_headings += if self.in_headings[at] { weight } else { 0.0 };
                }
                if before == 0 && !self.in_headings[at] {
                    all += weight;
                }
                if self.positions[at].len() < PLACES {
                    self.positions[at].push(position);
                }
            });
            position += GAP;
            best.sentence = best.sentence.max(held + 0.5 * (headings - held_of_headings));
            best.characters = best.characters.max(characters(question, sentence));
        }
        best.sentence = best.sentence.max(0.5 * headings) / question.total;
        best.passage = all / question.total;
        best.pairs = self.pairs(question);
        best.score = score / question.total;
        if question.characters.is_empty() {
            best.characters = best.sentence;
        }
        best
    }

    /// The highest cosine to one of its sentences.
    pub(super) fn similarity(&mut self, question: &Question, passage: &Passage, common: &Common) -> f32 {
        let cosine = |sentence| question.vector.similarity(&common.vector(&self.meanings.of(sentence)));
        parts(passage).map(cosine).fold(0.0, f32::max)
    }

    fn pairs(&self, question: &Question) -> f32 {
        let (mut near, mut all) = (0.0, 0.0);
        for &(first, second, weight) in &question.pairs {
            all += weight;
            // In the question's order, a word of the text is as far as it is; in the other, twice as far.
            let distance = |a: u32, b: u32| if b > a { b - a } else { 2 * (a - b) };
            let between =
                self.positions[first].iter().flat_map(|&a| self.positions[second].iter().map(move |&b| distance(a, b)));
            near += weight
                * match between.min() {
                    Some(0..=1) => 1.0,
                    Some(2) => 0.7,
                    Some(3) => 0.5,
                    Some(4..=5) => 0.3,
                    Some(6..=9) => 0.15,
                    _ => 0.0,
                };
        }
        if all > 0.0 { near / all } else { 0.0 }
    }
}

/// What may answer by itself: each sentence, and each of the author's questions.
fn parts(passage: &Passage) -> impl Iterator<Item = &str> {
    sentences(&passage.text).chain(passage.questions.iter().map(|question| &**question))
}

fn characters(question: &Question, sentence: &str) -> f32 {
    let all: f32 = question.characters.iter().map(|(_, weight)| weight).sum();
    let held = question.characters.iter().filter(|(c, _)| sentence.contains(*c)).map(|(_, weight)| weight);
    if all > 0.0 { held.sum::<f32>() / all } else { 0.0 }
}
