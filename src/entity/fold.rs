//! A text as it is compared: in lower case, full-width forms as ordinary ones, traditional characters as simplified ones;
//! one character for each of its own.

use std::ops::Range;

use super::MAX_TEXT;
use crate::simplified::simplified;

pub(super) struct Folded {
    pub(super) text: String,
}

impl Folded {
    /// Folds the first [`MAX_TEXT`] characters of a text.
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.chars().take(MAX_TEXT).map(fold).collect() }
    }

    /// How many characters a part has.
    pub(super) fn characters(&self, part: Range<usize>) -> usize {
        self.text[part].chars().count()
    }

    /// Whether neither end of a part is inside a word.
    pub(super) fn at_boundaries(&self, start: usize, end: usize) -> bool {
        at_boundaries(&self.text, start, end)
    }
}

/// Whether neither end of a part is inside a word. Scripts that are written without spaces have no such words.
pub(super) fn at_boundaries(text: &str, start: usize, end: usize) -> bool {
    let joined = |before: Option<char>, after: Option<char>| before.is_some_and(in_word) && after.is_some_and(in_word);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let (before, part, after) = (part(0..start), part(start..end), part(end..text.len()));
    !joined(before.chars().next_back(), part.chars().next()) && !joined(part.chars().next_back(), after.chars().next())
}

/// An ordinary form for a full-width character.
pub(super) fn narrow(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        '\u{FFE5}' => '¥',
        other => other,
    }
}

/// A character's lower case, where that is one character; an ordinary form for a full-width one, the simplified one for a
/// traditional one.
fn fold(c: char) -> char {
    let c = match c {
        '\0'..='\x7f' => return c.to_ascii_lowercase(),
        // Nothing here has a case, which is quicker to know than to look up.
        '\u{3001}'..='\u{9FFF}' => return simplified(c),
        other => narrow(other),
    };
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Whether a character belongs to a word that its neighbours may belong to as well.
fn in_word(c: char) -> bool {
    let without_spaces = matches!(c,
        '\u{0E00}'..='\u{0EFF}' // Thai, Lao
        | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' // Burmese, Khmer
        | '\u{3000}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' // kana
        | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'); // Chinese characters
    c.is_alphanumeric() && !without_spaces
}
