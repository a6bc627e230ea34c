//! What the token tables know of a text, for those who search: its words of Chinese, what a word weighs, and its vector.
//!
//! **Invariant:** the same text gives the same vector, to the last bit.

use super::{
    features::{Features, Reader},
    gram::Gram,
    table::{CHINESE, DIMENSIONS, ENGLISH, Token},
};

/// The numbers in each half of a vector: the tables of English and of Chinese come from different encoders.
pub const HALF: usize = DIMENSIONS;

/// How many characters a word of Chinese may have: what is longer is a saying, and found by its words.
const LONGEST_WORD: usize = 6;

/// The sum of a text's token vectors, by table, each by its weight; and the sums of the weights.
#[derive(Debug, Clone)]
pub struct Meaning {
    pub halves: [[f32; HALF]; 2],
    pub weights: [f32; 2],
}

/// Finds what texts mean, one after another, with the memory that the one before needed.
#[derive(Debug, Default)]
pub struct Meanings {
    reader: Reader,
    features: Features,
}

impl Meanings {
    /// The meaning of the first 4,096 characters of a text.
    pub fn of(&mut self, text: &str) -> Meaning {
        self.reader.tokens(text, &mut self.features);
        let mut meaning = Meaning { halves: [[0.0; HALF]; 2], weights: [0.0; 2] };
        let sums = meaning.halves.iter_mut().zip(&mut meaning.weights);
        for (tokens, (half, weight)) in self.features.tokens().into_iter().zip(sums) {
            super::dense::add(tokens, half);
            *weight = tokens.iter().map(|token| token.weight).sum();
        }
        meaning
    }
}

/// How many of these characters, all of them Chinese, are the longest word at their beginning; 1 where no longer word is
/// known, never more than there are.
pub fn chinese_word(characters: &[char]) -> usize {
    let mut gram = Gram::WORD;
    let mut longest = characters.len().min(1);
    for (length, &c) in (1..=LONGEST_WORD).zip(characters) {
        gram = gram.then(c);
        if length > 1 && CHINESE.token(gram).is_some() {
            longest = length;
        }
    }
    longest
}

/// How much a word says by itself in the language at large, in 0..=1: 'the' next to nothing, a rare word the most. In lower
/// case, and in half width; 1 where no table has it.
pub fn weight(word: impl IntoIterator<Item = char>) -> f32 {
    let gram = word.into_iter().fold(Gram::WORD, Gram::then);
    let token: Option<Token> = ENGLISH.token(gram).or_else(|| CHINESE.token(gram));
    token.map_or(1.0, |token| token.weight)
}
