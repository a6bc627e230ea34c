//! What passages mean: vectors of the built-in token tables, in a byte a number.
//!
//! **Invariant:** the same passages give the same vectors; a question is compared with all of them.

use std::array;

use crate::model::embedded::tokens::{HALF, Meaning, Meanings};

/// What texts have in common, which tells none apart: the mean of their vectors, by table.
#[derive(Debug, Clone)]
pub(super) struct Common {
    means: [[f32; HALF]; 2],
}

/// A text's vector, less what is common: 1 long, or 0 where no table knows a word of it.
#[derive(Debug, Clone)]
pub(super) struct Vector {
    halves: [[f32; HALF]; 2],
}

/// Vectors of many texts; the half of a language that a text doesn't have takes no room.
#[derive(Debug, Default)]
pub(super) struct Meant {
    halves: [Half; 2],
}

#[derive(Debug, Default)]
struct Half {
    rows: Vec<[i8; HALF]>,
    /// What a row is of, and what to multiply it with.
    of: Vec<(u32, f32)>,
}

/// How many texts the mean is taken of.
const SAMPLE: usize = 2_000;

impl Common {
    /// The mean of some texts, as evenly spread as can be.
    pub(super) fn of(texts: impl ExactSizeIterator<Item = String>) -> Self {
        let step = texts.len().div_ceil(SAMPLE).max(1);
        let mut meanings = Meanings::default();
        let (mut means, mut counts) = ([[0.0_f32; HALF]; 2], [0.0_f32; 2]);
        for text in texts.step_by(step) {
            let meaning = meanings.of(&text);
            let halves = meaning.halves.iter().zip(meaning.weights).zip(means.iter_mut().zip(&mut counts));
            for ((half, weight), (mean, count)) in halves.filter(|((_, weight), _)| *weight > 0.0) {
                mean.iter_mut().zip(half).for_each(|(mean, value)| *mean += value / weight);
                *count += 1.0;
            }
        }
        for (mean, count) in means.iter_mut().zip(counts) {
            mean.iter_mut().for_each(|value| *value /= count.max(1.0));
        }
        Self { means }
    }

    pub(super) fn vector(&self, meaning: &Meaning) -> Vector {
        let mut halves = array::from_fn(|half| {
            let weight = meaning.weights[half];
            let less = |(value, mean): (&f32, &f32)| if weight > 0.0 { value - weight * mean } else { 0.0 };
            let mut values = [0.0; HALF];
            values.iter_mut().zip(meaning.halves[half].iter().zip(&self.means[half])).for_each(|(v, it)| *v = less(it));
            values
        });
        let length = halves.iter().flatten().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            halves.iter_mut().flatten().for_each(|value| *value /= length);
        }
        Vector { halves }
    }
}

impl Vector {
    /// The cosine of the angle between two.
    pub(super) fn similarity(&self, other: &Self) -> f32 {
        self.halves.iter().zip(&other.halves).map(|(a, b)| dot(a, b)).sum()
    }
}

impl Meant {
    pub(super) fn push(&mut self, of: usize, vector: &Vector) {
        for (half, values) in self.halves.iter_mut().zip(&vector.halves) {
            let most = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            if most > 0.0 {
                half.rows.push(values.map(|value| (value / most * 127.0).round() as i8));
                half.of.push((of as u32, most / 127.0));
            }
        }
    }

    /// Adds to each text's number how similar its vector is.
    pub(super) fn add_similarities(&self, vector: &Vector, similarities: &mut [f32]) {
        for (half, values) in self.halves.iter().zip(&vector.halves) {
            let most = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            if most == 0.0 {
                continue;
            }
            // Sixteen-bit products of bytes, which a processor makes eight or more of at once.
            let question = values.map(|value| (value / most * 127.0).round() as i16);
            for (row, &(of, scale)) in half.rows.iter().zip(&half.of) {
                let mut sum = 0_i32;
                for (a, b) in row.iter().zip(&question) {
                    sum += i32::from(i16::from(*a)) * i32::from(*b);
                }
                if let Some(similarity) = similarities.get_mut(of as usize) {
                    *similarity += sum as f32 * scale * most / 127.0;
                }
            }
        }
    }
}

/// The sum of products, eight at a time.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
