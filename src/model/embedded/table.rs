//! What a token means: tables of vectors that are built into the program, and read in place.
//!
//! Each row is what a sentence encoder made of one token by itself, so that words the examples don't hold are near to
//! those they do. `tables/README.md` says where the tables come from, and `scripts/token-tables` how they are made.
//!
//! **Invariant:** a look-up reads the program's own constants, never anything that a text chose.

use std::sync::LazyLock;

use super::gram::Gram;

/// The numbers in a row.
pub(super) const DIMENSIONS: usize = 256;

/// The wordpieces of BERT, lower case, of English above all.
pub(super) static ENGLISH: LazyLock<Table> = LazyLock::new(|| Table::new(include_bytes!("tables/english.bin")));
/// Chinese characters and words.
pub(super) static CHINESE: LazyLock<Table> = LazyLock::new(|| Table::new(include_bytes!("tables/chinese.bin")));

const HEADER: usize = 16;
/// The leading bits of a hash by which it is looked up: about as many places as there are tokens.
const INDEX_BITS: u32 = 15;

/// Tokens, by their hashes, with a vector each. `scripts/token-tables` describes the format.
#[derive(Debug)]
pub(super) struct Table {
    hashes: &'static [[u8; 8]],
    scales: &'static [[u8; 4]],
    weights: &'static [[u8; 4]],
    rows: &'static [[u8; DIMENSIONS]],
    /// Where the hashes begin that have these leading bits.
    starts: Vec<u16>,
}

/// A token's vector, and how much it says: the rarer a token, the more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Token {
    /// Signed bytes.
    pub(super) row: &'static [u8; DIMENSIONS],
    /// What to multiply the row with, to have the vector by its weight.
    pub(super) factor: f32,
    /// In 0..=1.
    pub(super) weight: f32,
}

impl Table {
    fn new(bytes: &'static [u8]) -> Self {
        // A test reads every row of both tables, so that what is cut short here can't be.
        let count = bytes.get(8..12).map_or(0, |count| count.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)));
        let (_, rest) = bytes.split_at(HEADER.min(bytes.len()));
        let (hashes, rest) = rest.split_at((count * 8).min(rest.len()));
        let (scales, rest) = rest.split_at((count * 4).min(rest.len()));
        let (weights, rows) = rest.split_at((count * 4).min(rest.len()));
        let mut table = Self {
            hashes: hashes.as_chunks().0,
            scales: scales.as_chunks().0,
            weights: weights.as_chunks().0,
            rows: rows.as_chunks().0,
            starts: Vec::with_capacity((1 << INDEX_BITS) + 1),
        };
        for (place, &hash) in table.hashes.iter().enumerate() {
            let bucket = bucket(u64::from_le_bytes(hash));
            while table.starts.len() <= bucket {
                table.starts.push(place as u16);
            }
        }
        table.starts.resize((1 << INDEX_BITS) + 1, table.hashes.len() as u16);
        table
    }

    /// The token that a gram spells.
    pub(super) fn token(&self, gram: Gram) -> Option<Token> {
        let hash = gram.finish();
        let bucket = bucket(hash);
        let (start, end) = (usize::from(self.starts[bucket]), usize::from(self.starts[bucket + 1]));
        let hash = hash.to_le_bytes();
        let place = start + self.hashes[start..end].iter().position(|other| *other == hash)?;
        let weight = f32::from_le_bytes(self.weights[place]);
        let factor = weight * f32::from_le_bytes(self.scales[place]);
        Some(Token { row: &self.rows[place], factor, weight })
    }
}

fn bucket(hash: u64) -> usize {
    (hash >> (u64::BITS - INDEX_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(token: &str) -> Gram {
        token.chars().fold(Gram::WORD, Gram::then)
    }

    fn vector(table: &Table, token: &str) -> [f32; DIMENSIONS] {
        let mut vector = [0.0; DIMENSIONS];
        if let Some(token) = table.token(spelled(token)) {
            let scale = token.factor / token.weight;
            vector.iter_mut().zip(token.row).for_each(|(value, byte)| *value = scale * f32::from(byte.cast_signed()));
        }
        vector
    }

    #[test]
    fn every_row_is_there_and_found() {
        for (table, tokens) in [(&*ENGLISH, 29_528), (&*CHINESE, 25_000)] {
            assert_eq!(table.hashes.len(), tokens);
            assert_eq!((table.scales.len(), table.weights.len(), table.rows.len()), (tokens, tokens, tokens));
            assert!(table.hashes.is_sorted_by_key(|hash| u64::from_le_bytes(*hash)));
            assert!(table.weights.iter().all(|weight| (0.0..=1.0).contains(&f32::from_le_bytes(*weight))));
            assert!(table.scales.iter().all(|scale| (0.0..=1.0).contains(&f32::from_le_bytes(*scale))));
        }
    }

    #[test]
    fn tokens_are_near_to_what_means_the_same() {
        let near = |table: &Table, a: &str, b: &str| {
            let (a, b) = (vector(table, a), vector(table, b));
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
        };
        assert!(near(&ENGLISH, "cheap", "inexpensive") > near(&ENGLISH, "cheap", "parcel") + 0.2);
        assert!(near(&CHINESE, "价格", "价钱") > near(&CHINESE, "价格", "天空") + 0.2);
    }

    #[test]
    fn what_is_no_token_is_not_found() {
        for token in ["", "zzqx", "refnud", "天気"] {
            assert!(ENGLISH.token(spelled(token)).is_none() && CHINESE.token(spelled(token)).is_none(), "{token}");
        }
    }
}
