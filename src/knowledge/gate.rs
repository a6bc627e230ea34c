//! Whether anything answers at all: a probability, from what speaks for the best passage.
//!
//! A logistic regression (Cox 1958), fitted when the documents are loaded to questions that are made of them
//! ([`super::cloze`]): each is asked with the passage that it is of, and without. **Invariant:** the same documents give the
//! same gate; more evidence never makes an answer less likely.

use super::evidence::Evidence;

const SIGNALS: usize = 6;

/// What the gate looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Signals([f32; SIGNALS]);

impl Signals {
    /// The signals of a ranking: what speaks for its first, and by how much that is more than what speaks for the second.
    pub(super) fn of(first: &Evidence, second: Option<&Evidence>) -> Self {
        let margin = first.rank() - second.map_or(0.0, Evidence::rank);
        Self([first.passage, first.sentence, first.pairs, first.similarity, margin.clamp(0.0, 1.0), first.characters])
    }
}

/// Opens where something answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gate {
    weights: [f32; SIGNALS],
    bias: f32,
}

/// From which probability on the gate is open. Less than even, as people use fewer of a document's words than the questions
/// that are made of it: so about as many of theirs are refused that have an answer as are answered that have none.
const OPEN: f32 = 0.35;
/// How many questions outweigh what was known before.
const PRIOR: f32 = 40.0;
const STEPS: usize = 400;

/// What is known before any document is: the mean of what documents in English and Chinese were fitted to.
const KNOWN: Gate = Gate { weights: [1.5, 5.0, 2.5, 2.5, 2.5, 2.0], bias: -5.5 };

impl Gate {
    /// Fits the gate to rankings, of which some have an answer.
    pub(super) fn fit(rankings: &[(Signals, bool)]) -> Self {
        let mut gate = KNOWN;
        let count = rankings.len() as f32;
        // Steps in units of each signal's spread, so that one length suits all.
        let spread: [f32; SIGNALS] = std::array::from_fn(|at| {
            let mean = rankings.iter().map(|(it, _)| it.0[at]).sum::<f32>() / count.max(1.0);
            let variance = rankings.iter().map(|(it, _)| (it.0[at] - mean).powi(2)).sum::<f32>() / count.max(1.0);
            variance.sqrt().max(0.02)
        });
        let means: [f32; SIGNALS] =
            std::array::from_fn(|at| rankings.iter().map(|(it, _)| it.0[at]).sum::<f32>() / count.max(1.0));
        // The bias is that of a question with mean signals, which all weights then leave alone.
        let middle = |gate: &Self| gate.bias + gate.weights.iter().zip(means).map(|(w, mean)| w * mean).sum::<f32>();
        let mut centre = middle(&gate);
        let known_centre = centre;
        for _ in 0..STEPS {
            let mut slopes = [0.0_f32; SIGNALS];
            let mut slope = 0.0_f32;
            for (signals, has_answer) in rankings {
                let score = centre
                    + signals.0.iter().zip(means).zip(gate.weights).map(|((it, mean), w)| (it - mean) * w).sum::<f32>();
                let error = logistic(score) - f32::from(u8::from(*has_answer));
                slope += error;
                slopes.iter_mut().zip(signals.0).zip(means).for_each(|((s, it), mean)| *s += error * (it - mean));
            }
            let all = count + PRIOR;
            centre -= (slope + PRIOR * 0.02 * (centre - known_centre)) / all;
            for at in 0..SIGNALS {
                let pull = PRIOR * 0.02 * (gate.weights[at] - KNOWN.weights[at]) * spread[at] * spread[at];
                let step = (slopes[at] + pull) / (all * spread[at] * spread[at]);
                gate.weights[at] = (gate.weights[at] - 0.5 * step).max(0.0);
            }
        }
        gate.bias = centre - gate.weights.iter().zip(means).map(|(w, mean)| w * mean).sum::<f32>();
        gate
    }

    /// The probability that the best passage answers, and whether that is enough.
    pub(super) fn answerable(&self, signals: &Signals) -> (f32, bool) {
        let score = self.bias + self.weights.iter().zip(signals.0).map(|(w, it)| w * it).sum::<f32>();
        let probability = logistic(score);
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
        let signals = |share: f32| Signals::of(&evidence(share), Some(&evidence(0.2)));
        assert!(known.answerable(&signals(0.9)).1 && !known.answerable(&signals(0.1)).1);
        // Documents in which even a question without an answer is half covered.
        let rankings: Vec<_> = (0..200).map(|at| (signals(0.5 + 0.002 * at as f32), at >= 100)).collect();
        let fitted = Gate::fit(&rankings);
        assert!(!fitted.answerable(&signals(0.55)).1 && fitted.answerable(&signals(0.85)).1, "{fitted:?}");
        assert!(fitted.weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite()));
        assert_eq!(Gate::fit(&rankings), fitted);
    }

    #[test]
    fn without_documents_it_is_what_is_known() {
        let signals = Signals::of(&evidence(0.7), None);
        let (fitted, known) = (Gate::fit(&[]).answerable(&signals), Gate::default().answerable(&signals));
        assert!((fitted.0 - known.0).abs() < 1e-3, "{fitted:?} {known:?}");
    }
}
