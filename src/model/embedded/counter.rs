//! Counting what occurs, in the order in which it first occurs.
//!
//! **Invariant:** what is counted, and in which order, depends on the text alone; the seed decides only where a count is
//! looked up.

use std::hash::{BuildHasher, RandomState};

/// An n-gram, by its hash, and how often it occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) gram: u64,
    pub(super) times: u32,
}

/// Finds where in a list something is counted: a hash table with linear probing, at most half full.
#[derive(Debug)]
pub(super) struct Counter {
    /// One more than the place in the list; 0 where there is none.
    slots: Vec<u32>,
    /// A sender could choose n-grams that meet in one slot if he knew where each goes.
    seed: u64,
}

impl Default for Counter {
    fn default() -> Self {
        Self { slots: Vec::new(), seed: RandomState::new().hash_one(0) }
    }
}

impl Counter {
    /// Begins with an empty list, for at most so many different n-grams.
    pub(super) fn start(&mut self, most: usize) {
        let size = (2 * most).next_power_of_two().max(2);
        self.slots.clear();
        self.slots.resize(size, 0);
    }

    /// Counts one n-gram more.
    pub(super) fn count(&mut self, gram: u64, list: &mut Vec<Counted>) {
        let mask = self.slots.len() - 1;
        let spread = (gram ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut slot = (spread >> 32) as usize & mask;
        loop {
            match self.slots[slot] {
                0 => {
                    list.push(Counted { gram, times: 1 });
                    self.slots[slot] = list.len() as u32;
                    return;
                }
                place => {
                    let counted = &mut list[place as usize - 1];
                    if counted.gram == gram {
                        counted.times += 1;
                        return;
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_occurs_is_counted_in_order() {
        let mut counter = Counter::default();
        for _ in 0..3 {
            let mut list = Vec::new();
            // As many as it was made for, of which each leaves room for the others, wherever they meet.
            counter.start(100);
            let grams = (0..100_u64).map(|gram| gram << 40);
            grams.clone().chain(grams.clone().take(50)).for_each(|gram| counter.count(gram, &mut list));
            let times = |place| if place < 50 { 2 } else { 1 };
            let expected: Vec<_> =
                (0_u32..).zip(grams).map(|(place, gram)| Counted { gram, times: times(place) }).collect();
            assert_eq!(list, expected);
        }
    }
}
