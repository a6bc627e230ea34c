//! Documents that answer: passages, an index of them, and whether any of them answers at all.
//!
//! [`Knowledge::build`] indexes passages; [`Knowledge::search`] finds those that answer a question, and says how likely it
//! is that any does. Words find most (`index`), the built-in token tables' vectors what words don't (`meaning`), and a
//! service's vectors more where there are any; the best are weighed by their sentences (`evidence`). A question of the author's
//! own is found as it stands (`verbatim`).
//!
//! **Invariant:** the same passages give the same knowledge, and the same question the same answer. Nothing of a question is
//! kept.

mod cloze;
mod evidence;
mod excerpt;
mod function_words;
mod gate;
mod index;
mod meaning;
mod passage;
mod question;
pub mod reading;
mod sentences;
mod service_vectors;
mod stem;
mod terms;
mod verbatim;

use std::{
    cmp::Ordering,
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use self::{
    cloze::Cloze,
    evidence::{Evidence, Scales},
    gate::{Gate, Signals},
    index::Index,
    meaning::{Common, Meant},
    question::Question,
    service_vectors::ServiceVectors,
    terms::TermReader,
    verbatim::Verbatim,
};
pub use self::{
    passage::Passage,
    reading::{Read, ReadError, ReadErrors, files, read},
};
use crate::model::embedded::tokens::Meanings;

/// Passages that can be searched.
#[derive(Debug)]
pub struct Knowledge {
    passages: Vec<Passage>,
    index: Index,
    verbatim: Verbatim,
    common: Common,
    meant: Meant,
    gate: Gate,
    /// A service's vectors; none until they are there.
    vectors: OnceLock<ServiceVectors>,
}

/// What was found for a question.
#[derive(Debug, Clone, Default)]
pub struct Found<'k> {
    /// The passages that answer best, best first.
    pub hits: Vec<Hit<'k>>,
    /// The probability that the best of them answers, 0 to 1.
    pub answerable: f32,
    /// Whether that is enough to answer.
    pub is_open: bool,
}

/// A passage that was found.
#[derive(Debug, Clone, Copy)]
pub struct Hit<'k> {
    pub passage: &'k Passage,
    /// How much of the question it covers, 0 to 1; to be compared within one search.
    pub score: f32,
}

/// A question of the author's own that isn't answered by its own passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfound<'k> {
    pub question: &'k str,
    /// The passage that it is of.
    pub passage: &'k Passage,
    /// What is found in its place, if anything is.
    pub instead: Option<&'k Passage>,
}

/// How many passages each way of finding hands on, to be weighed by their sentences.
const CANDIDATES: usize = 20;
/// How many of these have their sentences' vectors compared with the question's, which takes the longest.
const COMPARED: usize = 10;
/// What a service's similarity counts, in its unit ([`ServiceVectors`]), beside the evidence. Chosen on questions of FAQs that were
/// asked of their answers alone.
const OF_SERVICE: f32 = 0.2;
/// How many questions the gate is calibrated with, each asked twice.
const CLOZES: usize = 400;

impl Knowledge {
    /// Indexes passages, and calibrates the gate on them. It blocks, for a third of a millisecond a passage or so.
    pub fn build(passages: Vec<Passage>) -> Self {
        let (index, verbatim) = (Index::of(&passages), Verbatim::of(&passages));
        let common = Common::of(passages.iter().map(Passage::all));
        let (mut meanings, mut meant) = (Meanings::default(), Meant::default());
        for (at, passage) in passages.iter().enumerate() {
            meant.push(at, &common.vector(&meanings.of(&passage.all())));
        }
        let mut built =
            Self { passages, index, verbatim, common, meant, gate: Gate::default(), vectors: OnceLock::new() };
        built.gate = built.calibrated();
        built
    }

    /// Has a service's vectors of its passages help from now on, in their order; a passage may have none. Done once.
    pub fn set_vectors(&self, vectors: Vec<Option<Arc<[f32]>>>) {
        let _ = self.vectors.set(ServiceVectors::new(vectors));
    }

    /// Whether there are a service's vectors.
    pub fn has_vectors(&self) -> bool {
        self.vectors.get().is_some()
    }

    /// Its passages, in the order in which they were read.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// Finds the passages that answer a question; no two of one id. The vector is the same service's as the passages'. A
    /// question of the author's own is answered by its passage.
    pub fn search(&self, question: &str, vector: Option<&[f32]>, limit: usize) -> Found<'_> {
        let asked = Question::of(question, &self.index, &self.common, &|_| false);
        let by_service = self.by_service(vector);
        let ranking = self.ranking(&asked, &by_service, &|_| true);
        let own = self.verbatim.find(question).and_then(|at| self.passages.get(at));
        let (answerable, is_open) = if own.is_some() { (1.0, true) } else { self.answerable(&ranking, &by_service) };
        let ranked = ranking.iter().map(|(at, evidence)| Hit { passage: &self.passages[*at], score: evidence.share() });
        let mut ids = HashSet::new();
        let hits = own
            .map(|passage| Hit { passage, score: 1.0 })
            .into_iter()
            .chain(ranked)
            .filter(|hit| ids.insert(&hit.passage.id))
            .take(limit)
            .collect();
        Found { hits, answerable, is_open }
    }

    /// What of a passage answers a question: all of a short one, and of an answer of the author's; else the best of its
    /// sentences, with those around it, as they stand.
    pub fn excerpt<'k>(&self, question: &str, passage: &'k Passage) -> &'k str {
        excerpt::excerpt(&Question::of(question, &self.index, &self.common, &|_| false), passage)
    }

    /// The author's questions that don't find their own passage, or don't open the gate.
    pub fn unfound(&self) -> Vec<Unfound<'_>> {
        let questions = self.passages.iter().flat_map(|passage| passage.questions.iter().map(move |it| (it, passage)));
        let unfound = questions.filter_map(|(question, passage)| {
            let found = self.search(question, None, 1);
            let instead = found.hits.first().map(|hit| hit.passage);
            let is_found = found.is_open && instead.is_some_and(|it| it.id == passage.id);
            (!is_found).then_some(Unfound { question, passage, instead })
        });
        unfound.collect()
    }

    /// The places of those among its passages that a text fits, best first; none that has nothing in common with it.
    pub fn search_among(&self, text: &str, among: &dyn Fn(usize) -> bool, limit: usize) -> Vec<usize> {
        /// From here on a sentence means what the text means, whatever its words.
        const SIMILAR: f32 = 0.5;
        let asked = Question::of(text, &self.index, &self.common, &|_| false);
        let ranking = self.ranking(&asked, &[], among);
        let fits = |evidence: &Evidence| evidence.passage > 0.0 || evidence.similarity >= SIMILAR;
        ranking.into_iter().filter(|(_, evidence)| fits(evidence)).map(|(at, _)| at).take(limit).collect()
    }

    /// The places of those among its passages that say what a text asks for: the most of its words that say something, or
    /// hardly less; none where no passage says any.
    pub fn saying(&self, text: &str, among: &dyn Fn(usize) -> bool) -> Vec<usize> {
        /// Of what the best says: of two words that are alike rare one alone isn't enough where a passage says both.
        const ENOUGH: f32 = 0.6;
        let asked = Question::of(text, &self.index, &self.common, &|_| false);
        let mut said = vec![0.0_f32; self.passages.len()];
        let mut holding = Vec::new();
        for term in asked.terms.iter().filter(|term| term.is_content) {
            let Some(place) = term.place else { continue };
            holding.clear();
            holding.resize(said.len(), 0.0_f32);
            self.index.add(place, 1.0, &mut holding);
            let held = said.iter_mut().zip(&holding).filter(|(_, holding)| **holding > 0.0);
            held.for_each(|(said, _)| *said += term.weight);
        }
        said.iter_mut().enumerate().filter(|(at, _)| !among(*at)).for_each(|(_, said)| *said = 0.0);
        let most = said.iter().copied().fold(0.0, f32::max);
        let is_enough = |said: f32| said > 0.0 && said >= ENOUGH * most;
        said.iter().enumerate().filter(|(_, said)| is_enough(**said)).map(|(at, _)| at).collect()
    }

    /// The passages that speak for themselves, best first, among some.
    fn ranking(
        &self,
        question: &Question,
        by_service: &[f32],
        among: &dyn Fn(usize) -> bool,
    ) -> Vec<(usize, Evidence)> {
        if !question.has_content {
            return Vec::new();
        }
        let mut scores = vec![0.0_f32; self.passages.len()];
        for term in &question.terms {
            if let Some(place) = term.place {
                self.index.add(place, term.weight, &mut scores);
            }
        }
        let mut similarities = vec![0.0_f32; self.passages.len()];
        self.meant.add_similarities(&question.vector, &mut similarities);
        for numbers in [&mut scores, &mut similarities] {
            numbers.iter_mut().enumerate().filter(|(at, _)| !among(*at)).for_each(|(_, number)| *number = f32::MIN);
        }
        let mut candidates = highest(&scores, CANDIDATES);
        candidates.extend(highest(&similarities, CANDIDATES));
        candidates.extend(highest(by_service, CANDIDATES));
        candidates.sort_unstable();
        candidates.dedup();
        let mut scales = Scales::default();
        let mut ranking: Vec<(usize, Evidence)> =
            candidates.into_iter().map(|at| (at, scales.weigh(question, &self.passages[at], scores[at]))).collect();
        let order =
            |a: &(usize, Evidence), b: &(usize, Evidence)| descending(a.1.rank(), b.1.rank()).then(a.0.cmp(&b.0));
        ranking.sort_by(order);
        let mut entries = Vec::new();
        for (place, (at, evidence)) in ranking.iter_mut().enumerate().take(COMPARED) {
            let passage = &self.passages[*at];
            evidence.similarity = scales.similarity(question, passage, &self.common);
            if passage.questions.len() > 1 {
                entries.push((place, evidence.by_questions(similarities[*at].max(0.0))));
            }
        }
        let mean = entries.iter().map(|(_, says)| says).sum::<f32>() / entries.len().max(1) as f32;
        for (place, says) in entries {
            ranking[place].1.of_questions = says - mean;
        }
        ranking.sort_by(order);
        if !by_service.is_empty() {
            ranking = joined(ranking, by_service);
        }
        ranking
    }

    /// The probability that the first of a ranking answers, and whether that is enough.
    fn answerable(&self, ranking: &[(usize, Evidence)], by_service: &[f32]) -> (f32, bool) {
        let Some((first, evidence)) = ranking.first() else { return (0.0, false) };
        let mut signals = Signals::of(evidence, ranking.get(1).map(|(_, evidence)| evidence));
        if let Some(standing_out) = ServiceVectors::standing_out(*first, by_service) {
            signals = signals.with_service(standing_out);
        }
        self.gate.answerable(&signals)
    }

    /// How similar a service's vector of a question is to each passage's; nothing where there is none.
    fn by_service(&self, vector: Option<&[f32]>) -> Vec<f32> {
        vector.zip(self.vectors.get()).map(|(vector, vectors)| vectors.similarities(vector)).unwrap_or_default()
    }

    /// A gate for these passages.
    fn calibrated(&self) -> Gate {
        let mut rankings = Vec::with_capacity(2 * CLOZES);
        for Cloze { text, of } in cloze::questions(&self.passages, CLOZES) {
            let mut add = |without: Option<usize>| {
                let mut held = HashSet::new();
                if let Some(without) = without {
                    TermReader::default().read(&self.passages[without].all(), |term| {
                        held.insert(term.hash);
                    });
                }
                let question = Question::of(&text, &self.index, &self.common, &|hash| held.contains(&hash));
                let ranking = self.ranking(&question, &[], &|at| Some(at) != without);
                if let Some((_, first)) = ranking.first() {
                    rankings.push((Signals::of(first, ranking.get(1).map(|(_, it)| it)), without.is_none()));
                }
            };
            add(None);
            add(Some(of));
        }
        Gate::fit(&rankings)
    }
}

/// Joins a ranking with a service's similarities; a passage without one is as the least similar of the ranking.
fn joined(mut ranking: Vec<(usize, Evidence)>, by_service: &[f32]) -> Vec<(usize, Evidence)> {
    let of = |at: usize| by_service.get(at).copied().filter(|it| *it > f32::MIN);
    let least = ranking.iter().filter_map(|(at, _)| of(*at)).reduce(f32::min).unwrap_or_default();
    let rank = |(at, evidence): &(usize, Evidence)| evidence.rank() + OF_SERVICE * of(*at).unwrap_or(least);
    ranking.sort_by(|a, b| descending(rank(a), rank(b)).then(a.0.cmp(&b.0)));
    ranking
}

/// The places of the highest numbers, in no order; those that are 0 or less aren't.
fn highest(numbers: &[f32], most: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..numbers.len()).filter(|&at| numbers[at] > 0.0).collect();
    if places.len() > most {
        places.select_nth_unstable_by(most, |&a, &b| descending(numbers[a], numbers[b]).then(a.cmp(&b)));
        places.truncate(most);
    }
    places
}

fn descending(a: f32, b: f32) -> Ordering {
    b.total_cmp(&a)
}

#[cfg(test)]
mod tests;
