//! What the model sees of a text: two blocks of hashed n-grams, one of words and one of characters, and its tokens.
//!
//! **Invariant:** equal after [`normalise`] means equal features, whatever the case or the width of the letters; the
//! work is linear in the text, and bounded by [`MAX_CHARS`].

use std::ops::RangeInclusive;

use super::{
    counter::{Counted, Counter},
    gram::Gram,
    table::{CHINESE, ENGLISH, Table, Token},
};
use crate::simplified::simplified;

/// The characters of a text that are considered; what comes after can't change its intent.
pub(super) const MAX_CHARS: usize = 4096;

/// The lengths of the n-grams within a word that is padded with a space on either side. Up to 4 was as good as up to
/// 5 on CLINC150, BANKING77 and their few-shot parts, with a quarter less to store.
const LETTER_GRAMS: RangeInclusive<usize> = 2..=4;
/// The same, in scripts that are written without spaces, where a character says about as much as a word.
const IDEOGRAPH_GRAMS: RangeInclusive<usize> = 1..=2;

/// The longest token of a table, in characters.
const LONGEST_TOKEN: usize = 18;

const PAD: char = ' ';

/// The n-grams of a text, by hash, a block each, and its tokens.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Features {
    /// Words, pairs of neighbouring words, and the same of ideographs.
    words: Vec<Counted>,
    /// Characters within words, and within runs of ideographs.
    characters: Vec<Counted>,
    /// What the tables know of it: wordpieces of letters, and words and characters of Chinese.
    tokens: [Vec<Token>; 2],
    /// How many words and characters are no token.
    unknown: usize,
}

impl Features {
    /// The n-grams of the first [`MAX_CHARS`] characters of a text.
    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        let mut features = Self::default();
        Reader::default().read(text, &mut features);
        features
    }

    /// Both blocks: distinct n-grams, in the order in which they first occur.
    pub(super) fn blocks(&self) -> [&[Counted]; 2] {
        [&self.words, &self.characters]
    }

    /// How many words of letters, and how many ideographs, are no token.
    pub(super) fn unknown(&self) -> usize {
        self.unknown
    }

    /// The tokens, of each table apart.
    pub(super) fn tokens(&self) -> [&[Token]; 2] {
        [&self.tokens[0], &self.tokens[1]]
    }

    /// A word's longest pieces that the table has, from the left; none of a word that can't be put together of them. The
    /// more pieces, the more of the word counts as unknown too: nonsense falls into pieces as a rare word does.
    fn push_wordpieces(&mut self, word: &[char]) {
        let tokens = &mut self.tokens[0];
        let before = tokens.len();
        let mut rest = word;
        let mut beginning = Gram::WORD;
        while !rest.is_empty() {
            let Some((length, token)) = longest(&ENGLISH, beginning, rest) else {
                tokens.truncate(before);
                break;
            };
            tokens.push(token);
            rest = &rest[length..];
            beginning = Gram::WORD.then('#').then('#');
        }
        self.unknown += (tokens.len() - before).abs_diff(1);
    }

    /// The longest words that the table has, from the left, and every character.
    fn push_chinese(&mut self, run: &[char]) {
        let tokens = &mut self.tokens[1];
        let mut rest = run;
        while !rest.is_empty() {
            let length = match longest(&CHINESE, Gram::WORD, rest) {
                Some((length, token)) if length > 1 => {
                    tokens.push(token);
                    length
                }
                _ => 1,
            };
            for &c in &rest[..length] {
                match CHINESE.token(Gram::WORD.then(c)) {
                    Some(token) => tokens.push(token),
                    None => self.unknown += 1,
                }
            }
            rest = &rest[length..];
        }
    }
}

/// Finds the features of one text after another, with the memory that the one before needed.
#[derive(Debug, Default)]
pub(super) struct Reader {
    characters: Vec<char>,
    padded: Vec<char>,
    counters: [Counter; 2],
}

impl Reader {
    /// The features of the first [`MAX_CHARS`] characters of a text, in place of what `features` holds.
    pub(super) fn read(&mut self, text: &str, features: &mut Features) {
        features.words.clear();
        features.characters.clear();
        features.tokens.iter_mut().for_each(Vec::clear);
        features.unknown = 0;
        normalise(text, &mut self.characters);
        // A character begins two n-grams of words at most. A run of n letters has up to 3n n-grams, one of ideographs 2n + 1.
        let [words, characters] = &mut self.counters;
        words.start(2 * self.characters.len());
        characters.start(3 * self.characters.len());
        let mut previous = None;
        let mut rest = &self.characters[..];
        while let [first, others @ ..] = rest {
            let script = Script::of(*first);
            let (run, after) = rest.split_at(1 + others.iter().take_while(|&&c| Script::of(c) == script).count());
            rest = after;
            let mut word = |word: &[char]| {
                let gram = word.iter().fold(Gram::WORD, |gram, &c| gram.then(c));
                words.count(gram.finish(), &mut features.words);
                if let Some(previous) = previous.replace(gram) {
                    let pair = word.iter().fold(previous.then(PAD), |gram, &c| gram.then(c));
                    words.count(pair.finish(), &mut features.words);
                }
            };
            let lengths = match script {
                Script::None => continue,
                Script::Letters => {
                    word(run);
                    features.push_wordpieces(run);
                    LETTER_GRAMS
                }
                Script::Ideographs => {
                    run.chunks(1).for_each(word);
                    features.push_chinese(run);
                    IDEOGRAPH_GRAMS
                }
            };
            self.padded.clear();
            self.padded.push(PAD);
            self.padded.extend_from_slice(run);
            self.padded.push(PAD);
            for start in 0..self.padded.len() {
                let mut gram = Gram::CHARACTERS;
                for (length, &c) in (1..=*lengths.end()).zip(&self.padded[start..]) {
                    gram = gram.then(c);
                    if length >= *lengths.start() && (length > 1 || c != PAD) {
                        characters.count(gram.finish(), &mut features.characters);
                    }
                }
            }
        }
    }
}

impl Reader {
    /// The tokens alone of the first [`MAX_CHARS`] characters of a text, in place of what `features` holds: n-grams take
    /// longer.
    pub(super) fn tokens(&mut self, text: &str, features: &mut Features) {
        features.words.clear();
        features.characters.clear();
        features.tokens.iter_mut().for_each(Vec::clear);
        features.unknown = 0;
        normalise(text, &mut self.characters);
        for run in self.characters.chunk_by(|a, b| Script::of(*a) == Script::of(*b)) {
            match run.first().map_or(Script::None, |&c| Script::of(c)) {
                Script::None => {}
                Script::Letters => features.push_wordpieces(run),
                Script::Ideographs => features.push_chinese(run),
            }
        }
    }
}

/// The longest token that `characters` begin with, after what `gram` holds already; and its length.
fn longest(table: &Table, mut gram: Gram, characters: &[char]) -> Option<(usize, Token)> {
    let mut found = None;
    for (length, &c) in (1..=LONGEST_TOKEN).zip(characters) {
        gram = gram.then(c);
        if let Some(token) = table.token(gram) {
            found = Some((length, token));
        }
    }
    found
}

/// Lower case, full-width forms as the ASCII that they stand for, traditional characters as simplified ones.
fn normalise(text: &str, into: &mut Vec<char>) {
    into.clear();
    for c in text.chars().take(MAX_CHARS).map(half_width) {
        match c {
            '\0'..='\x7f' => into.push(c.to_ascii_lowercase()),
            // Nothing here has a case, which is quicker to know than to look up.
            '\u{3000}'..='\u{9fff}' => into.push(simplified(c)),
            _ => into.extend(c.to_lowercase()),
        }
    }
}

fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    /// White space, punctuation, symbols: between words.
    None,
    /// Letters and digits that form words between spaces.
    Letters,
    /// Han, kana and hangul, where a character is taken for a word.
    Ideographs,
}

impl Script {
    fn of(c: char) -> Self {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => Self::Letters,
            '\0'..='\x7f' => Self::None,
            '\u{4e00}'..='\u{9fff}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3041}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{ac00}'..='\u{d7af}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}' => Self::Ideographs,
            c if c.is_alphanumeric() => Self::Letters,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(text: &str) -> (usize, usize) {
        let features = Features::of(text);
        let sum = |block: &[Counted]| block.iter().map(|counted| counted.times as usize).sum();
        (sum(&features.words), sum(&features.characters))
    }

    #[test]
    fn n_grams_are_counted_by_script() {
        let check = |text, expected| assert_eq!(sizes(text), expected, "{text:?}");
        check("", (0, 0));
        check(" \t\n ?! 😀 。", (0, 0));
        // ' a ' has two 2-grams and one 3-gram.
        check("a", (1, 3));
        // ' ab ' has three, two and one.
        check("ab", (1, 6));
        check("ab  ab", (3, 12));
        // ' 退货 ' has two 1-grams (the padding is none) and three 2-grams.
        check("退货", (3, 5));
        check("退ab", (3, 9));
        check("退,货", (3, 6));
    }

    #[test]
    fn case_width_and_white_space_make_no_difference() {
        let check = |a, b| assert_eq!(Features::of(a), Features::of(b), "{a:?} {b:?}");
        check("Refund my ORDER", "refund my order");
        check("ＡＢＣ１２３？", "abc123?");
        check("ÉTÉ", "été");
        check("  a\t\nb ", "a b");
        check("a\u{3000}b", "a b");
        check("what’s", "what's");
        check("退货！", "退货");
    }

    #[test]
    fn the_blocks_share_no_n_gram() {
        let features = Features::of("a 退");
        assert!(features.words.iter().all(|gram| !features.characters.contains(gram)));
    }

    #[test]
    fn hashes_stay_what_they_are() {
        // Computed apart, from the definitions of FNV-1a and of MurmurHash3's finaliser.
        let hashes = |block: &[Counted]| {
            let mut hashes: Vec<u64> = block.iter().map(|counted| counted.gram).collect();
            hashes.sort_unstable();
            hashes
        };
        assert_eq!(
            hashes(&Features::of("退 A").words),
            [0x4455_8c6e_88be_e8e3, 0x82a2_a958_a9be_ce5b, 0xe2aa_076e_569e_2682]
        );
        assert_eq!(
            hashes(&Features::of("A").characters),
            [0x4ead_98bf_8852_22b4, 0x83e7_1d6f_a9c2_ff08, 0xd8af_7774_6d7a_c96f]
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = "a ".repeat(512 * 1024);
        assert_eq!(Features::of(&long), Features::of(&long[..MAX_CHARS]));
    }
}
