//! Multinomial logistic regression on the dense vectors alone: what few examples are enough to learn.
//!
//! `minimise ½ Σ weights² − COST Σ ln p(intent | text)`, `p` being the softmax of the intents' scores, by Nesterov's
//! accelerated gradient descent from 0, which is stopped early. By then it has found what most examples of an intent have in
//! common, and not yet what tells the last of them apart; on examples of BANKING77 and CLINC150 that weren't trained on,
//! that went better together with the machines than the minimum itself did.
//!
//! Source: Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", 1983.

use super::dense::{self, Dense, WIDTH};

/// Steps, by the root of the number of examples an intent. The more examples, the shorter a step has to be; and the
/// accelerated method gets with n steps of a length where the plain one gets with n². On examples of BANKING77 that
/// weren't trained on, 30 steps were best of 30, 40 and 50 with five an intent, and 40 with ten.
const STEPS: f32 = 12.7;
const COST: f32 = 20.0;
/// Steps at least, where fewer longer ones would do for the curvature.
const LEAST_STEPS: f32 = 16.0;

/// Texts that are looked at together, so that planes are read from memory once for all of them.
const TILE: usize = 32;

/// A score for each intent. There is no bias: a text of which nothing is known is no likelier one than another.
#[derive(Debug, Clone)]
pub(super) struct Softmax {
    /// By intent, a vector of [`WIDTH`].
    pub(super) planes: Vec<Vec<f32>>,
}

impl Softmax {
    /// Learns from examples, of which each has an intent, one of `0..intents`.
    pub(super) fn train(examples: &[(&Dense, usize)], intents: usize) -> Self {
        let (steps, step) = pace(examples, intents);
        let mut at = Self { planes: vec![vec![0.0; WIDTH]; intents] };
        let mut ahead = at.clone();
        let mut pace = 1.0_f32;
        for _ in 0..steps {
            let gradient = ahead.gradient(examples);
            let next_pace = (1.0 + (1.0 + 4.0 * pace * pace).sqrt()) / 2.0;
            let momentum = (pace - 1.0) / next_pace;
            pace = next_pace;
            let planes = ahead.planes.iter_mut().flatten().zip(at.planes.iter_mut().flatten());
            for ((ahead, at), gradient) in planes.zip(gradient.planes.iter().flatten()) {
                let next = *ahead - step * gradient;
                *ahead = next + momentum * (next - *at);
                *at = next;
            }
        }
        at
    }

    /// A text's score for one intent.
    pub(super) fn score(&self, text: &Dense, intent: usize) -> f32 {
        text.dot(&self.planes[intent])
    }

    fn gradient(&self, examples: &[(&Dense, usize)]) -> Self {
        let mut gradient = self.clone();
        let mut excesses = vec![0.0; TILE * self.planes.len()];
        // Texts in one language fill the same half of the vector; those that do go together.
        for alike in examples.chunk_by(|(one, _), (other, _)| one.is_as_wide_as(other)) {
            for tile in alike.chunks(TILE) {
                let excesses = &mut excesses[..tile.len() * self.planes.len()];
                self.excesses(tile, excesses);
                for (plane, excesses) in gradient.planes.iter_mut().zip(excesses.chunks_exact(tile.len())) {
                    dense::add_all(tile.iter().map(|(text, _)| *text), excesses, plane);
                }
            }
        }
        gradient
    }

    /// By intent, and then by text, how much the intent's share of the text is too high, times its cost.
    fn excesses(&self, texts: &[(&Dense, usize)], excesses: &mut [f32]) {
        let count = texts.len();
        for (plane, scores) in self.planes.iter().zip(excesses.chunks_exact_mut(count)) {
            scores.iter_mut().zip(texts).for_each(|(score, (text, _))| *score = text.dot(plane));
        }
        let mut highest = [f32::NEG_INFINITY; TILE];
        let mut sums = [0.0_f32; TILE];
        for scores in excesses.chunks_exact(count) {
            highest.iter_mut().zip(scores).for_each(|(highest, score)| *highest = highest.max(*score));
        }
        for scores in excesses.chunks_exact_mut(count) {
            for ((score, highest), sum) in scores.iter_mut().zip(highest).zip(&mut sums) {
                *score = (*score - highest).exp();
                *sum += *score;
            }
        }
        for (intent, shares) in excesses.chunks_exact_mut(count).enumerate() {
            for ((share, sum), (_, right)) in shares.iter_mut().zip(sums).zip(texts) {
                *share = COST * (*share / sum - if intent == *right { 1.0 } else { 0.0 });
            }
        }
    }
}

/// How many steps, and how long they are.
///
/// The bound of the curvature holds wherever the planes are, and where intents are many it is far too careful: an intent's
/// plane feels little but the intent's own examples. Steps that are longer by a factor may be fewer by its root, and end
/// at the same place.
fn pace(examples: &[(&Dense, usize)], intents: usize) -> (usize, f32) {
    let steps = STEPS * (examples.len() as f32 / intents as f32).sqrt();
    let bound = curvature(examples);
    let mut squares = vec![0.0_f32; intents];
    examples.iter().for_each(|(text, intent)| squares[*intent] += dense::dot(text.values(), text.values()));
    let own = 1.0 + COST * squares.into_iter().fold(0.0, f32::max);
    let curvature = own.max(bound * (LEAST_STEPS / steps).powi(2)).min(bound);
    ((steps * (curvature / bound).sqrt()).round() as usize, 1.0 / curvature)
}

/// A bound of the second derivative, whatever the direction: half the largest eigenvalue of the vectors' sum of squares,
/// which the power method finds.
fn curvature(examples: &[(&Dense, usize)]) -> f32 {
    let mut direction = vec![1.0_f32; WIDTH];
    let mut eigenvalue = 1.0;
    for _ in 0..15 {
        let mut next = vec![0.0; WIDTH];
        examples.iter().for_each(|(text, _)| text.add_to(&mut next, text.dot(&direction)));
        let length = dense::dot(&next, &next).sqrt();
        if length == 0.0 {
            break;
        }
        eigenvalue = length / dense::dot(&direction, &direction).sqrt();
        next.iter_mut().for_each(|value| *value /= length);
        direction = next;
    }
    1.0 + 0.5 * COST * eigenvalue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_which_half_of_a_plane_is_whose() {
        let texts = [[1.0, 0.2], [0.9, -0.1], [-1.0, 0.1], [-0.8, -0.3]].map(|[x, y]| Dense::new(0, vec![x, y]));
        let examples: Vec<(&Dense, usize)> = texts.iter().zip([0, 0, 1, 1]).collect();
        let trained = Softmax::train(&examples, 2);
        for (text, right) in examples {
            assert!(trained.score(text, right) > trained.score(text, 1 - right) + 1.0, "{trained:?}");
        }
    }

    #[test]
    fn texts_of_either_half_are_learned_from_together() {
        // More of each than are looked at together.
        let texts: Vec<Dense> =
            (0..3 * TILE).map(|i| Dense::new(i / TILE % 2, vec![0.5, 0.1 * (i % 5) as f32])).collect();
        let examples: Vec<(&Dense, usize)> = texts.iter().enumerate().map(|(i, text)| (text, i % 3)).collect();
        let trained = Softmax::train(&examples, 3);
        let whole = trained.gradient(&examples);
        for (intent, plane) in trained.planes.iter().enumerate() {
            let mut sum = vec![0.0; WIDTH];
            for example in &examples {
                let one = &trained.gradient(&[*example]).planes[intent];
                sum.iter_mut().zip(one).zip(plane).for_each(|((sum, one), weight)| *sum += one - weight);
            }
            for ((sum, weight), whole) in sum.into_iter().zip(plane).zip(&whole.planes[intent]) {
                assert!((sum + weight - whole).abs() < 1e-2, "{intent}: {sum} {whole}");
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let texts = [Dense::new(0, vec![1.0, 0.5]), Dense::new(0, vec![-0.4, 0.7])];
        let examples = [(&texts[0], 0), (&texts[1], 1)];
        let at = |weight| {
            let mut planes = vec![vec![0.0; WIDTH]; 2];
            planes[0][1] = weight;
            Softmax { planes }
        };
        let value = |weight: f32| {
            let at = at(weight);
            let loss = |&(text, right): &(&Dense, usize)| {
                let scores = [0, 1].map(|intent| f64::from(at.score(text, intent)));
                (scores[0].exp() + scores[1].exp()).ln() - scores[right]
            };
            f64::from(weight * weight) / 2.0 + f64::from(COST) * examples.iter().map(loss).sum::<f64>()
        };
        let slope = (value(0.301) - value(0.299)) / 0.002;
        assert!((slope - f64::from(at(0.3).gradient(&examples).planes[0][1])).abs() < 1e-2, "{slope}");
    }
}
