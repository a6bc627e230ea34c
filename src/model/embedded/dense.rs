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

    /// The products with several vectors of [`WIDTH`], whose numbers are beside each other. Two sums side by side.
    pub(super) fn dots<const N: usize>(&self, weights: &[[f32; N]]) -> [f32; N] {
        let (mut even, mut odd) = ([0.0; N], [0.0; N]);
        let (pairs, last) = self.values.as_chunks::<2>();
        let weights = &weights[self.start..self.start + self.values.len()];
        for ([one, other], [first, second]) in pairs.iter().zip(weights.as_chunks::<2>().0) {
            add_to(&mut even, *one, first);
            add_to(&mut odd, *other, second);
        }
        if let ([value], Some(weights)) = (last, weights.last()) {
            add_to(&mut even, *value, weights);
        }
        even.iter_mut().zip(odd).for_each(|(even, odd)| *even += odd);
        even
    }

    /// Whether the same halves are missing.
    pub(super) fn is_as_wide_as(&self, other: &Self) -> bool {
        self.start == other.start && self.values.len() == other.values.len()
    }

    /// Adds it, so many times, to a vector of [`WIDTH`].
    pub(super) fn add_to(&self, weights: &mut [f32], factor: f32) {
        weights[self.start..].iter_mut().zip(&self.values).for_each(|(weight, value)| *weight += factor * value);
    }
}

/// The mean vector of the examples, by table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Common {
    pub(super) means: [[f32; DIMENSIONS]; 2],
}

impl Default for Common {
    fn default() -> Self {
        Self { means: [[0.0; DIMENSIONS]; 2] }
    }
}

/// Sums up to what examples have in common.
#[derive(Debug)]
pub(super) struct CommonOf {
    sums: [[f32; DIMENSIONS]; 2],
    counts: [f32; 2],
}

impl Default for CommonOf {
    fn default() -> Self {
        Self { sums: [[0.0; DIMENSIONS]; 2], counts: [0.0; 2] }
    }
}

impl CommonOf {
    /// One example more, by its tokens.
    pub(super) fn add(&mut self, example: [&[Token]; 2]) {
        for ((tokens, sum), count) in example.into_iter().zip(&mut self.sums).zip(&mut self.counts) {
            let weight = weight(tokens);
            if weight > 0.0 {
                let mut mean = [0.0; DIMENSIONS];
                add(tokens, &mut mean);
                sum.iter_mut().zip(mean).for_each(|(sum, value)| *sum += value / weight);
                *count += 1.0;
            }
        }
    }

    /// Their mean.
    pub(super) fn mean(self) -> Common {
        let Self { sums: mut means, counts } = self;
        for (mean, count) in means.iter_mut().zip(counts) {
            mean.iter_mut().for_each(|value| *value /= count.max(1.0));
        }
        Common { means }
    }
}

impl Common {
    /// The vector of a text that has these tokens, and so many words that are none, in place of what `dense` holds; empty
    /// where no table knows any.
    ///
    /// As with n-grams, what is unknown counts towards the length, as much as the rarest token: the less of a text is
    /// known, the closer to 0 its vector.
    pub(super) fn dense(&self, tokens: [&[Token]; 2], unknown: usize, dense: &mut Dense) {
        let Dense { start, values } = dense;
        values.clear();
        let weights = tokens.map(weight);
        *start = if weights[0] > 0.0 { 0 } else { DIMENSIONS };
        // Each half's mean, less what is common, by its share of the weight; all times the weight, as the length is set
        // below.
        for ((tokens, weight), common) in tokens.into_iter().zip(weights).zip(&self.means) {
            if weight > 0.0 {
                let mut half = common.map(|common| -weight * common);
                add(tokens, &mut half);
                values.extend_from_slice(&half);
            }
        }
        let length = dot(values, values).sqrt();
        if length > 0.0 {
            let total: f32 = weights.iter().sum();
            let known = total / (total + unknown as f32);
            let scale = LENGTH * known / length;
            values.iter_mut().for_each(|value| *value *= scale);
        }
    }
}

/// The weight of some tokens.
fn weight(tokens: &[Token]) -> f32 {
    tokens.iter().map(|token| token.weight).sum()
}

/// Adds the tokens' vectors, each by its weight. So many numbers at a time as stay in registers.
pub(super) fn add(tokens: &[Token], sum: &mut [f32; DIMENSIONS]) {
    for (place, sums) in sum.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let mut sum = *sums;
        for token in tokens {
            let part = &token.row.as_chunks::<16>().0[place];
            sum.iter_mut().zip(part).for_each(|(sum, byte)| *sum += token.factor * f32::from(byte.cast_signed()));
        }
        *sums = sum;
    }
}

/// Adds numbers, so many times.
pub(super) fn add_to<const N: usize>(sums: &mut [f32; N], times: f32, numbers: &[f32; N]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += times * number);
}

/// Adds vectors that miss the same halves, each so many times, to one of [`WIDTH`]. So many numbers at a time as stay in
/// registers.
pub(super) fn add_all<'a>(vectors: impl Iterator<Item = &'a Dense> + Clone, factors: &[f32], sum: &mut [f32]) {
    const LANES: usize = 16;
    let Some(first) = vectors.clone().next() else { return };
    let (parts, rest) = sum[first.start..first.start + first.values.len()].as_chunks_mut::<LANES>();
    for (place, part) in parts.iter_mut().enumerate() {
        let mut sum = *part;
        for (vector, factor) in vectors.clone().zip(factors) {
            if let Some(numbers) = vector.values.as_chunks::<LANES>().0.get(place) {
                add_to(&mut sum, *factor, numbers);
            }
        }
        *part = sum;
    }
    for (vector, factor) in vectors.zip(factors) {
        let last = vector.values.as_chunks::<LANES>().1;
        rest.iter_mut().zip(last).for_each(|(sum, value)| *sum += factor * value);
    }
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
