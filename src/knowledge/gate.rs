//! Whether anything answers at all: a probability, from what speaks for the best passage.
//!
//! What each signal counts was fitted once, to questions that people and a language model asked of documents that aren't
//! among the measured ones; how much it takes is fitted when the documents are loaded (Platt 1999, "Probabilistic outputs
//! for support vector machines"), to questions that are made of them ([`super::cloze`]), each asked with the passage that it
//! is of, and without. **Invariant:** the same documents give the same gate; more evidence never makes an answer less
//! likely.

use super::evidence::Evidence;

const SIGNALS: usize = 6;
/// What each counts: a logistic regression (Cox 1958) on questions in English and Chinese, rounded.
const WEIGHTS: [f32; SIGNALS] = [1.5, 0.5, 0.7, 2.0, 2.0, 0.5];
/// How far a service's vector of the first has to stand out for it to speak neither for an answer nor against, and what it
/// counts, a unit of it.
const STANDS_OUT: f32 = 1.35;
const OF_SERVICE: f32 = 0.8;

/// What the gate looks at, as one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Signals(f32);

impl Signals {
    /// The signals of a ranking: what speaks for its first, and by how much that is more than what speaks for the second.
    pub(super) fn of(first: &Evidence, second: Option<&Evidence>) -> Self {
        let margin = (first.rank() - second.map_or(0.0, Evidence::rank)).clamp(0.0, 1.0);
        let signals = [first.passage, first.sentence, first.pairs, first.similarity, margin, first.characters];
        Self(signals.iter().zip(WEIGHTS).map(|(signal, weight)| signal * weight).sum())
    }

    /// With how far a service's vector of the first stands out from those of the next ones, in
    /// [`ServiceVectors`](super::service_vectors::ServiceVectors)'s unit.
    pub(super) fn with_service(self, standing_out: f32) -> Self {
        Self(self.0 + OF_SERVICE * (standing_out - STANDS_OUT))
    }
}

/// Opens where something answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gate {
    /// How steeply the probability rises.
    scale: f32,
    /// The signals at which it is even.
    opens_at: f32,
}

/// From which probability on the gate is open: about as many of people's questions are refused then that have an answer as
/// are answered that have none.
const OPEN: f32 = 0.6;
/// How much of what is fitted counts, beside what is known: questions that are made of documents use more of their words
/// than people's do, and so say more of how documents differ than of where to open.
const OF_FITTED: f32 = 0.25;
const STEPS: usize = 200;

/// What is known before any document is.
const KNOWN: Gate = Gate { scale: 1.2, opens_at: 2.2 };

impl Gate {
    /// Fits the gate to rankings, of which some have an answer.
    pub(super) fn fit(rankings: &[(Signals, bool)]) -> Self {
        let count = rankings.len() as f32;
        if rankings.is_empty() {
            return KNOWN;
        }
        let mean = rankings.iter().map(|(it, _)| it.0).sum::<f32>() / count;
        let spread = (rankings.iter().map(|(it, _)| (it.0 - mean).powi(2)).sum::<f32>() / count).max(0.01);
        // The bias is that of a question with the mean signal, which the scale then leaves alone.
        let (mut scale, mut centre) = (KNOWN.scale, KNOWN.scale * (mean - KNOWN.opens_at));
        for _ in 0..STEPS {
            let (mut of_scale, mut of_centre) = (0.0_f32, 0.0_f32);
            for (signals, has_answer) in rankings {
                let distance = signals.0 - mean;
                let error = logistic(centre + scale * distance) - f32::from(u8::from(*has_answer));
                of_centre += error;
                of_scale += error * distance;
            }
            centre -= of_centre / count;
            // Documents that answer everything or nothing say nothing of where to open.
            scale = (scale - of_scale / (count * spread)).clamp(0.5 * KNOWN.scale, 2.0 * KNOWN.scale);
        }
        let opens_at = (mean - centre / scale).clamp(0.5 * KNOWN.opens_at, 2.0 * KNOWN.opens_at);
        let blend = |known: f32, fitted: f32| known + OF_FITTED * (fitted - known);
        Self { scale: blend(KNOWN.scale, scale), opens_at: blend(KNOWN.opens_at, opens_at) }
    }

    /// The probability that the best passage answers, and whether that is enough.
    pub(super) fn answerable(&self, signals: &Signals) -> (f32, bool) {
        let probability = logistic(self.scale * (signals.0 - self.opens_at));
        (probability, probability >= OPEN)
    }
}

fn logistic(score: f32) -> f32 {
    1.0 / (1.0 + (-score).exp())
}

impl Default for Gate {
    fn default() -> Self {
        KNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(share: f32) -> Evidence {
        Evidence {
            score: share,
            passage: share,
            sentence: share,
            pairs: share,
            similarity: share,
            characters: share,
            of_questions: 0.0,
        }
    }

    #[test]
    fn it_opens_to_more_evidence_and_learns_where() {
        let known = Gate::default();
        let signals = |share: f32| Signals::of(&evidence(share), Some(&evidence(share)));
        assert!(known.answerable(&signals(0.9)).1 && !known.answerable(&signals(0.1)).1);
        // Documents in which even a question without an answer is half covered.
        let rankings: Vec<_> = (0..200).map(|at| (signals(0.5 + 0.002 * at as f32), at >= 100)).collect();
        let fitted = Gate::fit(&rankings);
        let half = signals(0.51);
        assert!(known.answerable(&half).1 && !fitted.answerable(&half).1, "{fitted:?}");
        assert!(fitted.answerable(&signals(0.9)).1 && !fitted.answerable(&signals(0.1)).1, "{fitted:?}");
        assert!(fitted.scale > 0.0 && fitted.opens_at.is_finite());
        assert_eq!(Gate::fit(&rankings), fitted);
    }

    #[test]
    fn a_services_vector_speaks_for_an_answer_or_against() {
        let (gate, signals) = (Gate::default(), Signals::of(&evidence(0.4), None));
        let answerable = |signals| gate.answerable(&signals).0;
        assert!(answerable(signals.with_service(2.5)) > answerable(signals));
        assert!(answerable(signals.with_service(0.5)) < answerable(signals));
    }

    #[test]
    fn without_documents_it_is_what_is_known() {
        let signals = Signals::of(&evidence(0.7), None);
        let (fitted, known) = (Gate::fit(&[]).answerable(&signals), Gate::default().answerable(&signals));
        assert!((fitted.0 - known.0).abs() < 1e-3, "{fitted:?} {known:?}");
    }
}
