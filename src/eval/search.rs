//! How well a search finds: whether the passage that answers comes first, and whether the gate knows that none does.
//!
//! **Invariant:** as all of `eval`: the same rankings give the same result. Every share is in 0..=1.

use std::{collections::HashSet, time::Duration};

use serde::Serialize;

use super::{Latency, ask::latencies, metrics::wilson};
use crate::knowledge::{Knowledge, Passage};

/// A question, and the passage that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchCase {
    pub question: String,
    /// Its id; `None` if no passage answers.
    pub passage: Option<String>,
}

/// What was found for a question.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchAnswer {
    pub case: SearchCase,
    /// The ids of the first passages, best first.
    pub found: Vec<String>,
    /// The probability that the first of them answers, 0 to 1.
    pub answerable: f32,
    /// Whether that was enough.
    pub is_open: bool,
}

/// The measures of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchMeasured {
    pub n_test: usize,
    /// How many of them have an answer.
    pub n_answerable: usize,
    pub n_passages: usize,
    /// Of the questions with an answer, the share whose passage comes first, whatever the gate says.
    pub hit_at_1: Option<f64>,
    /// Where that lies with 95 % confidence: [`wilson`].
    pub hit_at_1_interval: (f64, f64),
    /// The share whose passage is among the first three.
    pub hit_at_3: Option<f64>,
    /// The mean of 1 / rank, and of 0 beyond the tenth (Voorhees 1999, "The TREC-8 question answering track report").
    pub mrr: Option<f64>,
    pub gate: GateMeasured,
    /// Seconds that indexing took, without reading the files and asking a service for vectors.
    pub index_seconds: f64,
    /// Microseconds that one search takes, without asking a service for the question's vector.
    pub latency_us: Latency,
}

/// How well the gate tells questions with an answer from others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateMeasured {
    /// Where the questions without an answer come from.
    pub without: Without,
    /// How many there are with and without.
    pub n_with: usize,
    pub n_without: usize,
    /// The probability that one with an answer has the higher probability of the two, ties counting half (Hanley and McNeil
    /// 1982).
    pub auroc: Option<f64>,
    /// Of those with an answer, the share for which the gate is open and the right passage first.
    pub answered_rightly: Option<f64>,
    /// Of those without, the share for which it is shut.
    pub refused_rightly: Option<f64>,
}

/// Where questions without an answer come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Without {
    /// The test has some: their passage is null.
    Test,
    /// Every other passage was taken away, and its questions asked.
    Halved,
}

/// How far down a ranking is looked for the right passage.
pub const LOOKED_AT: usize = 10;

/// The id of the section that an id is of: one that was split has parts, `help/returns.md#returns~2`.
pub fn section(id: &str) -> &str {
    match id.rsplit_once('~') {
        Some((section, part)) if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) => section,
        _ => id,
    }
}

/// The passages with every other of the sections taken away: the second, the fourth, …, in their order.
pub fn halved(passages: &[Passage]) -> Vec<Passage> {
    let (mut seen, mut kept) = (HashSet::new(), HashSet::new());
    let mut half = Vec::new();
    for passage in passages {
        if seen.insert(section(&passage.id)) && seen.len() % 2 == 1 {
            kept.insert(section(&passage.id));
        }
        if kept.contains(section(&passage.id)) {
            half.push(passage.clone());
        }
    }
    half
}

/// The same questions to knowledge that holds some of the passages: those whose passage isn't there have no answer.
pub fn cases_of(cases: &[SearchCase], knowledge: &Knowledge) -> Vec<SearchCase> {
    let ids: HashSet<&str> = knowledge.passages().iter().map(|passage| section(&passage.id)).collect();
    let mut cases = cases.to_vec();
    for case in &mut cases {
        case.passage = case.passage.take().filter(|id| ids.contains(section(id)));
    }
    cases
}

impl SearchMeasured {
    /// The measures of these answers; `gate` are those by which the gate is judged.
    pub fn of(
        n_passages: usize,
        answers: &[SearchAnswer],
        gate: (&[SearchAnswer], Without),
        indexing: Duration,
        times: Vec<Duration>,
    ) -> Self {
        let with: Vec<&SearchAnswer> = answers.iter().filter(|answer| answer.case.passage.is_some()).collect();
        let within = |most: usize| with.iter().filter(|answer| answer.rank().is_some_and(|rank| rank < most)).count();
        let share = |count: usize| (!with.is_empty()).then(|| count as f64 / with.len() as f64);
        let reciprocal = |answer: &&SearchAnswer| answer.rank().map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0));
        let latency = latencies(times);
        let sum: f64 = with.iter().map(reciprocal).sum();
        Self {
            n_test: answers.len(),
            n_answerable: with.len(),
            n_passages,
            hit_at_1: share(within(1)),
            hit_at_1_interval: wilson(within(1), with.len()),
            hit_at_3: share(within(3)),
            mrr: (!with.is_empty()).then(|| sum / with.len() as f64),
            gate: GateMeasured::of(gate.0, gate.1),
            index_seconds: indexing.as_secs_f64(),
            latency_us: Latency { p50: latency.map(|it| it.0), p99: latency.map(|it| it.1) },
        }
    }
}

impl GateMeasured {
    fn of(answers: &[SearchAnswer], without: Without) -> Self {
        let (with, others): (Vec<&SearchAnswer>, Vec<&SearchAnswer>) =
            answers.iter().partition(|answer| answer.case.passage.is_some());
        let share = |hits: usize, all: usize| (all > 0).then(|| hits as f64 / all as f64);
        let rightly = with.iter().filter(|answer| answer.is_open && answer.rank() == Some(0)).count();
        let refused = others.iter().filter(|answer| !answer.is_open).count();
        Self {
            without,
            n_with: with.len(),
            n_without: others.len(),
            auroc: auroc(answers),
            answered_rightly: share(rightly, with.len()),
            refused_rightly: share(refused, others.len()),
        }
    }
}

impl SearchAnswer {
    /// Where the right passage stands, from 0.
    pub fn rank(&self) -> Option<usize> {
        let right = self.case.passage.as_ref()?;
        self.found.iter().position(|id| id == right)
    }
}

fn auroc(answers: &[SearchAnswer]) -> Option<f64> {
    let mut sorted: Vec<(f32, bool)> = answers.iter().map(|it| (it.answerable, it.case.passage.is_some())).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won) = (0.0, 0.0);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        let with = ties.iter().filter(|(_, has_answer)| *has_answer).count() as f64;
        let others = ties.len() as f64 - with;
        won += with * (below + others / 2.0);
        below += others;
    }
    let pairs = (sorted.len() as f64 - below) * below;
    (pairs > 0.0).then(|| won / pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(passage: &str, found: &str, answerable: f32) -> SearchAnswer {
        SearchAnswer {
            case: SearchCase { question: "q".into(), passage: (!passage.is_empty()).then(|| passage.to_owned()) },
            found: found.chars().map(String::from).collect(),
            answerable,
            is_open: answerable >= 0.5,
        }
    }

    #[test]
    fn by_hand() {
        let answers = [
            answer("a", "abc", 0.9),
            answer("b", "abc", 0.6),
            answer("c", "ab", 0.3),
            answer("", "a", 0.6),
            answer("", "", 0.0),
        ];
        let measured = SearchMeasured::of(3, &answers, (&answers, Without::Test), Duration::ZERO, Vec::new());
        let near = |found: Option<f64>, expected: f64| {
            assert!(found.is_some_and(|it| (it - expected).abs() < 1e-9), "{measured:?}")
        };
        near(measured.hit_at_1, 1.0 / 3.0);
        near(measured.hit_at_3, 2.0 / 3.0);
        near(measured.mrr, (1.0 + 0.5) / 3.0);
        // 0.9 beats both, 0.6 ties one and beats one, 0.3 beats one: 4.5 of 6.
        near(measured.gate.auroc, 4.5 / 6.0);
        near(measured.gate.answered_rightly, 1.0 / 3.0);
        near(measured.gate.refused_rightly, 1.0 / 2.0);
        assert_eq!((measured.n_test, measured.n_answerable), (5, 3));
    }

    #[test]
    fn half_of_the_ids_are_taken_away_with_all_their_parts() {
        let passage = |id: &str| Passage { id: id.into(), ..Passage::default() };
        let half = halved(&["a", "a", "b", "c", "b", "d"].map(passage));
        assert_eq!(half.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["a", "a", "c"]);
        // Parts of one section go together, whatever their ids.
        let half = halved(&["a", "a~2", "b", "b~2", "c~x", "c~"].map(passage));
        assert_eq!(half.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["a", "a~2", "c~x"]);
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        let measured = SearchMeasured::of(0, &[], (&[], Without::Halved), Duration::ZERO, Vec::new());
        assert_eq!((measured.hit_at_1, measured.mrr, measured.gate.auroc), (None, None, None));
    }
}
