//! What each n-gram says of each intent.
//!
//! Most n-grams of a small bot speak for or against most of its intents, those of a large one for or against few. A row
//! is kept whole where that takes no more memory than its entries by themselves, as it is then added at several numbers an
//! instruction.
//!
//! **Invariant:** to the last bit, it makes no difference to a score how a row is kept.

use super::sparse::{Entry, SparseRows};

/// Numbers that the compiled loop adds at a time: whole rows, and the scores, are filled up to a multiple.
const LANES: usize = 8;

/// A row for each feature, over the intents.
#[derive(Debug)]
pub(super) struct Weights {
    intents: usize,
    rows: Vec<Row>,
    whole: Vec<f32>,
    entries: Vec<Entry>,
}

/// Where a row is.
#[derive(Debug, Clone, Copy)]
enum Row {
    Whole { start: usize },
    Entries { start: usize, end: usize },
}

impl Weights {
    /// The same as these rows, whose columns are fewer than `intents`.
    pub(super) fn new(rows: &SparseRows, intents: usize) -> Self {
        let mut weights =
            Self { intents, rows: Vec::with_capacity(rows.len()), whole: Vec::new(), entries: Vec::new() };
        for row in (0..rows.len()).map(|row| rows.row(row)) {
            // An entry takes two numbers' room.
            weights.rows.push(if 2 * row.len() >= weights.width() {
                let start = weights.whole.len();
                weights.whole.resize(start + weights.width(), 0.0);
                row.iter().for_each(|&(intent, weight)| weights.whole[start + intent as usize] = weight);
                Row::Whole { start }
            } else {
                let start = weights.entries.len();
                weights.entries.extend(row);
                Row::Entries { start, end: weights.entries.len() }
            });
        }
        weights.whole.shrink_to_fit();
        weights.entries.shrink_to_fit();
        weights
    }

    /// How many scores rows are added to: one for each intent, and up to a multiple of [`LANES`] others, which stay 0.
    pub(super) fn width(&self) -> usize {
        self.intents.next_multiple_of(LANES)
    }

    /// Adds a row, so many times, to [`Self::width`] scores.
    pub(super) fn add_to(&self, scores: &mut [f32], feature: u32, times: f32) {
        match self.rows[feature as usize] {
            Row::Whole { start } => {
                let weights = &self.whole[start..start + scores.len()];
                scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += weight * times);
            }
            Row::Entries { start, end } => {
                for &(intent, weight) in &self.entries[start..end] {
                    scores[intent as usize] += weight * times;
                }
            }
        }
    }

    /// What of a row isn't zero.
    pub(super) fn row(&self, feature: usize) -> Vec<Entry> {
        match self.rows[feature] {
            Row::Whole { start } => {
                let numbers = (0..).zip(self.whole[start..start + self.intents].iter().copied());
                numbers.filter(|&(_, weight)| weight != 0.0).collect()
            }
            Row::Entries { start, end } => self.entries[start..end].to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_however_they_are_kept() {
        let given: [&[Entry]; 4] =
            [&[(0, 0.5), (1, -1.0), (3, 2.0), (5, 0.25)], &[(4, 3.0)], &[], &[(0, 1.0), (5, -2.0)]];
        let mut rows = SparseRows::default();
        given.iter().for_each(|row| rows.push(row.iter().copied()));
        let weights = Weights::new(&rows, 6);
        assert!(matches!(weights.rows[0], Row::Whole { .. }));
        assert!(weights.rows[1..].iter().all(|row| matches!(row, Row::Entries { .. })));
        assert_eq!(weights.width(), 8);
        let mut scores = vec![1.0; 8];
        for (feature, row) in given.iter().enumerate() {
            assert_eq!(weights.row(feature), *row);
            weights.add_to(&mut scores, feature as u32, 2.0);
        }
        assert_eq!(scores, [4.0, -1.0, 1.0, 5.0, 7.0, -2.5, 1.0, 1.0]);
    }
}
