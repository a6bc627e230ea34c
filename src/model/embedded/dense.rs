//! The mean of a text's token vectors, less what the examples have in common.
//!
//! Each table has a half of the vector to itself, as the two come from different encoders: a text in one language fills
//! one half, mixed text both, each by its share of the weight.
//!
//! **Invariant:** sums are taken in one order, so that the same text gives the same bits on every machine.

use super::table::{DIMENSIONS, Token};

/// The numbers in a dense vector: a half for each table.
pub(super) const WIDTH: usize = 2 * DIMENSIONS;

/// The length of a dense vector, where a block of n-grams has 1. Chosen of 0.7, 1, 1.4 and 2 on the validation files of
/// CLINC150 and SMP2017, and on examples of BANKING77 that weren't trained on.
const LENGTH: f32 = 0.7;

/// A vector of [`WIDTH`] numbers, of which one half may be missing, that is, zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Dense {
    start: usize,
    values: Vec<f32>,
}

impl Dense {
    /// Zero, but for these values.
    #[cfg(test)]
    pub(super) fn new(start: usize, values: Vec<f32>) -> Self {
        Self { start, values }
    }

    /// The halves that there are.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The product with a vector of [`WIDTH`].
    pub(super) fn dot(&self, weights: &[f32]) -> f32 {
        dot(&weights[self.start..], &self.values)
    }

    /// Adds it, so many times, to a vector of [`WIDTH`].
    pub(super) fn add_to(&self, weights: &mut [f32], factor: f32) {
        weights[self.start..].iter_mut().zip(&self.values).for_each(|(weight, value)| *weight += factor * value);
    }
}

/// The mean vector of the examples, by table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Common {
    means: [[f32; DIMENSIONS]; 2],
}

impl Common {
    /// That of the examples, each given by its tokens.
    pub(super) fn of<'a>(examples: impl Iterator<Item = [&'a [Token]; 2]>) -> Self {
        let mut means = [[0.0; DIMENSIONS]; 2];
        let mut counts = [0.0_f32; 2];
        for example in examples {
            for ((tokens, sum), count) in example.into_iter().zip(&mut means).zip(&mut counts) {
                if let Some((mean, _)) = mean(tokens) {
                    sum.iter_mut().zip(mean).for_each(|(sum, value)| *sum += value);
                    *count += 1.0;
                }
            }
        }
        for (mean, count) in means.iter_mut().zip(counts) {
            mean.iter_mut().for_each(|value| *value /= count.max(1.0));
        }
        Self { means }
    }

    /// The vector of a text that has these tokens, and so many words that are none; empty where no table knows any.
    ///
    /// As with n-grams, what is unknown counts towards the length, as much as the rarest token: the less of a text is
    /// known, the closer to 0 its vector.
    pub(super) fn dense(&self, tokens: [&[Token]; 2], unknown: usize) -> Dense {
        let halves = tokens.map(mean);
        let total: f32 = halves.iter().flatten().map(|(_, weight)| weight).sum();
        let mut values = Vec::with_capacity(halves.iter().flatten().count() * DIMENSIONS);
        for (half, common) in halves.iter().zip(&self.means) {
            if let Some((mean, weight)) = half {
                let share = weight / total;
                values.extend(mean.iter().zip(common).map(|(value, common)| (value - common) * share));
            }
        }
        let length = dot(&values, &values).sqrt();
        if length > 0.0 {
            let known = total / (total + unknown as f32);
            values.iter_mut().for_each(|value| *value *= LENGTH * known / length);
        }
        Dense { start: if halves[0].is_some() { 0 } else { DIMENSIONS }, values }
    }
}

/// The weighted mean of the tokens' vectors, and the weight of them all.
fn mean(tokens: &[Token]) -> Option<([f32; DIMENSIONS], f32)> {
    let weight: f32 = tokens.iter().map(|token| token.weight).sum();
    if weight <= 0.0 {
        return None;
    }
    let mut sum = [0.0; DIMENSIONS];
    tokens.iter().for_each(|token| token.add_to(&mut sum, 1.0 / weight));
    Some((sum, weight))
}

/// The sum of products, eight at a time, as the compiler may not choose another order by itself.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..length].as_chunks::<8>(), b[..length].as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
