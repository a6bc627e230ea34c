//! A text's terms, by which it is found: stems of English words, numbers whole, and of Chinese the pairs of neighbouring
//! characters and the longest words that the token tables know.
//!
//! Letters are folded: case, full width, accents; and traditional characters are simplified ones. **Invariant:** the same text has the same terms, in its order; the work is linear in it.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{function_words::is_function_word, stem::stem};
use crate::{
    model::embedded::{gram::Gram, tokens::chinese_word},
    simplified::simplified,
};

/// What a term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word of letters, without its ending, or a number.
    Word,
    /// Two neighbouring characters of Chinese, or one that stands alone.
    Pair,
    /// A word of three or more characters of Chinese.
    Long,
}

/// What a term is to the words of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is a word that says something, or within one.
    Content,
    /// A pair of characters of two words.
    Across,
    /// A word that only asks or joins, or in part of one.
    Function,
}

/// A term, as it is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term<'c> {
    /// Of what it is, and how it is spelled: 64 bits, so that no two terms of a language share one.
    pub(super) hash: u64,
    pub(super) kind: Kind,
    pub(super) role: Role,
    /// The words that it is in: of a pair of characters of two words both, else one twice.
    pub(super) words: [&'c [char]; 2],
    /// As it stands in the text, folded.
    pub(super) spelled: &'c [char],
}

/// Reads the terms of one text after another, with the memory that the one before needed.
#[derive(Debug, Default)]
pub(super) struct TermReader {
    folded: Vec<char>,
    word: Vec<u8>,
}

impl TermReader {
    /// Hands over the terms of a text.
    pub(super) fn read(&mut self, text: &str, mut take: impl FnMut(Term<'_>)) {
        fold(text, &mut self.folded);
        let mut rest = &self.folded[..];
        while let Some(&first) = rest.first() {
            let script = Script::of(first);
            let length = match script {
                Script::Letters => word_length(rest),
                _ => rest.iter().take_while(|&&c| Script::of(c) == script).count(),
            };
            let (run, after) = rest.split_at(length.max(1));
            rest = after;
            match script {
                Script::None => {}
                Script::Letters => {
                    let hash = hash_of_word(run, &mut self.word);
                    let role = if is_function_word(run) { Role::Function } else { Role::Content };
                    take(Term { hash, kind: Kind::Word, role, words: [run; 2], spelled: run });
                }
                Script::Ideographs => chinese(run, &mut take),
            }
        }
    }
}

fn chinese<'c>(run: &'c [char], take: &mut impl FnMut(Term<'_>)) {
    let mut term = |kind, role, words: [&'c [char]; 2], spelled: &'c [char]| {
        take(Term { hash: hash(kind, spelled), kind, role, words, spelled });
    };
    let role_of = |word: &[char]| if is_function_word(word) { Role::Function } else { Role::Content };
    if run.len() == 1 {
        return term(Kind::Pair, role_of(run), [run; 2], run);
    }
    let (mut start, mut end) = (0, chinese_word(run));
    let mut role = role_of(&run[..end]);
    loop {
        let word = &run[start..end];
        word.windows(2).for_each(|pair| term(Kind::Pair, role, [word; 2], pair));
        if end - start > 2 {
            term(Kind::Long, role, [word; 2], word);
        }
        if end >= run.len() {
            return;
        }
        let next_end = end + chinese_word(&run[end..]);
        let next_word = &run[end..next_end];
        let next = role_of(next_word);
        // Two characters by themselves may be a word that the table doesn't have.
        let are_alone = end - start == 1 && next_end - end == 1;
        let across = match (role, next) {
            (Role::Content, Role::Content) if are_alone => Role::Content,
            (Role::Content, Role::Content) => Role::Across,
            _ => Role::Function,
        };
        term(Kind::Pair, across, [word, next_word], &run[end - 1..=end]);
        (start, end, role) = (end, next_end, next);
    }
}

fn hash_of_word(run: &[char], word: &mut Vec<u8>) -> u64 {
    let run = run.strip_suffix(&['\'', 's']).unwrap_or(run);
    if !run.iter().all(char::is_ascii_lowercase) {
        // 1,200 is 1200.
        return hash_of(Kind::Word, run.iter().filter(|&&c| c != ',' && c != '\'').copied());
    }
    word.clear();
    word.extend(run.iter().map(|&c| c as u8));
    stem(word);
    hash_of(Kind::Word, word.iter().map(|&c| char::from(c)))
}

fn hash(kind: Kind, spelled: &[char]) -> u64 {
    hash_of(kind, spelled.iter().copied())
}

fn hash_of(kind: Kind, spelled: impl Iterator<Item = char>) -> u64 {
    let beginning = match kind {
        Kind::Word => Gram::WORD,
        Kind::Pair => Gram::CHARACTERS,
        Kind::Long => Gram::kind(0x8536_2f2c_0d65_a1b7),
    };
    spelled.fold(beginning, Gram::then).finish()
}

/// How long the word is that these characters begin with: an apostrophe within letters, and a point or a comma within
/// digits, are part of it.
fn word_length(characters: &[char]) -> usize {
    let mut length = 0;
    while let Some(&c) = characters.get(length) {
        let joins = |is: fn(char) -> bool| {
            length > 0 && is(characters[length - 1]) && characters.get(length + 1).is_some_and(|&c| is(c))
        };
        let is_part = match c {
            '\'' => joins(char::is_alphabetic),
            '.' | ',' => joins(|c| c.is_ascii_digit()),
            _ => Script::of(c) == Script::Letters,
        };
        if !is_part {
            break;
        }
        length += 1;
    }
    length
}

/// Lower case, without accents, full-width forms as what they stand for, traditional characters as simplified ones.
pub(super) fn fold(text: &str, into: &mut Vec<char>) {
    into.clear();
    for c in text.chars() {
        match c {
            '\0'..='\x7f' => into.push(c.to_ascii_lowercase()),
            '\u{2018}' | '\u{2019}' | '\u{ff07}' => into.push('\''),
            // No case and no accents here; what kana and hangul would be decomposed into belongs together.
            '\u{2e80}'..='\u{d7ff}' => into.push(simplified(c)),
            _ => into.extend(std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase)),
        }
    }
}

/// What a character is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// White space, punctuation, symbols: between words.
    None,
    /// Letters and digits that form words between spaces.
    Letters,
    /// Han, kana and hangul, which are taken in pairs.
    Ideographs,
}

impl Script {
    pub(super) fn of(c: char) -> Self {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => Self::Letters,
            '\0'..='\x7f' => Self::None,
            '\u{1100}'..='\u{11ff}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3041}'..='\u{30fa}'
            | '\u{30fc}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
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
    use proptest::prelude::*;

    use super::*;

    fn terms(text: &str) -> Vec<u64> {
        let mut terms = Vec::new();
        TermReader::default().read(text, |term| terms.push(term.hash));
        terms
    }

    fn spelled(text: &str) -> String {
        let mut terms = Vec::new();
        TermReader::default().read(text, |term| terms.push(term.spelled.iter().collect::<String>()));
        terms.join(" ")
    }

    #[test]
    fn texts_are_taken_apart() {
        fn check(text: &str, expected: &str) {
            assert_eq!(spelled(text), expected, "{text}");
        }
        check("The User's Café costs 1,200.50, or 3.", "the user's cafe costs 1,200.50 or 3");
        check("ＡＢＣ１２３", "abc123");
        check("怎么退货？", "怎么 么退 退货");
        check("我要退A货", "我要 要退 a 货");
        check("covid-19, 23–16 v2.1", "covid 19 23 16 v2.1");
        check("max_retries", "max retries");
        check("", "");
    }

    #[test]
    fn what_is_the_same_is_found_by_the_same() {
        fn check(a: &str, b: &str) {
            assert_eq!(terms(a), terms(b), "{a:?} {b:?}");
        }
        check("Refunded orders", "refund order");
        check("1,200", "1200");
        check("the user’s", "The user");
        check("Éclair ①", "eclair 1");
        check("ｶﾞｲﾄﾞ", "ｶﾞｲﾄﾞ");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,40}") {
            prop_assert!(terms(&text).len() <= 4 * text.len());
        }
    }
}
