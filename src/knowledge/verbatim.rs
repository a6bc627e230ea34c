//! The author's questions, word for word: whoever asks one gets the passage that it is of, whatever its words weigh. "Where are
//! you?" has none that says anything.
//!
//! Case, punctuation and white space make no difference. Headings that ask are questions, too. **Invariant:** where several
//! passages have one question it is the first one's, and an entry's before a heading's.

use std::hash::{DefaultHasher, Hasher};

use super::{Passage, reading::slug, terms::fold};
use crate::domain::is_question;

/// The longest question, in bytes.
const LONGEST: usize = 1_000;

/// Which passage has which question: 16 bytes each.
#[derive(Debug, Default)]
pub(super) struct Verbatim {
    /// Hashes of 64 bits, so that no two questions share one, ascending; and the passages' places.
    places: Box<[(u64, u32)]>,
}

impl Verbatim {
    pub(super) fn of(passages: &[Passage]) -> Self {
        let mut folded = Vec::new();
        let mut found: Vec<(u64, bool, u32)> = Vec::new();
        for (at, passage) in (0_u32..).zip(passages) {
            let mut add = |text: &str, is_heading: bool| {
                let Some(hash) = hash(text, &mut folded) else { return };
                if !is_heading || is_question(&folded.iter().collect::<String>()) {
                    found.push((hash, is_heading, at));
                }
            };
            passage.questions.iter().for_each(|question| add(question.as_str(), false));
            let heading: &str = passage.headings.last().unwrap_or(&passage.title);
            add(heading, true);
            headings_within(passage).for_each(|heading| add(heading, true));
        }
        found.sort_unstable();
        found.dedup_by_key(|(hash, ..)| *hash);
        Self { places: found.into_iter().map(|(hash, _, at)| (hash, at)).collect() }
    }

    /// The place of the passage that a text is a question of.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        let hash = hash(text, &mut Vec::new())?;
        let found = self.places.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        self.places.get(found).map(|(_, at)| *at as usize)
    }
}

/// The headings of the short sections that were joined to a passage: each a line of its text.
fn headings_within(passage: &Passage) -> impl Iterator<Item = &str> {
    let is_one = move |line: &&str| {
        let id = format!("{}#{}", passage.path, slug(line));
        passage.merged.iter().any(|merged| **merged == *id)
    };
    let text = if passage.merged.is_empty() { "" } else { passage.text.as_str() };
    text.lines().filter(move |line| is_one(line))
}

/// A text's hash, folded; none where it is longer than a question is, or nothing but punctuation.
fn hash(text: &str, folded: &mut Vec<char>) -> Option<u64> {
    if text.len() > LONGEST {
        return None;
    }
    fold(text, folded);
    let is_digit = |at: Option<usize>| at.and_then(|at| folded.get(at)).is_some_and(char::is_ascii_digit);
    let mut hasher = DefaultHasher::new();
    let mut is_empty = true;
    for (at, &c) in folded.iter().enumerate() {
        // 1.5 isn't 15.
        let is_in_number = matches!(c, '.' | ',') && is_digit(at.checked_sub(1)) && is_digit(at.checked_add(1));
        if is_in_number || !is_passed_over(c) {
            hasher.write_u32(c.into());
            is_empty = false;
        }
    }
    (!is_empty).then(|| hasher.finish())
}

/// White space and punctuation. Other signs tell questions apart: C, C++, C#.
fn is_passed_over(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '?' | '!' | '.' | ',' | ';' | ':' | '\'' | '"' | '(' | ')' | '[' | ']' | '-' | '¿' | '¡' | '·'
            | '\u{2010}'..='\u{2015}' // hyphens and dashes
            | '\u{201c}'..='\u{201f}' // quotation marks
            | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{301f}') // 、。「」 and the like
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(questions: &[&str]) -> Passage {
        Passage { questions: questions.iter().map(|&it| it.to_owned()).collect(), ..Passage::default() }
    }

    #[test]
    fn a_question_is_found_whatever_its_case_punctuation_and_white_space() {
        let under = |heading: &str| Passage { headings: vec!["Help".into(), heading.into()], ..Passage::default() };
        let joined = Passage {
            path: "help.md".into(),
            merged: vec!["help.md#is-it-free".into(), "help.md#prices".into()],
            text: "Is it free?\nYes.\nPrices\nNone.\nIs it new?\nNo.".to_owned(),
            ..Passage::default()
        };
        let passages = [
            entry(&["Where are you?", "你们在哪里？"]),
            under("How long can I return it"),
            under("Returns"),
            under("Where are you?"),
            joined,
            entry(&["What is C?", "Is 1.5 enough?", "??"]),
            entry(&["What is C++?", "where are you"]),
        ];
        let verbatim = Verbatim::of(&passages);
        for (text, expected) in [
            ("where are you", Some(0)),
            (" WHERE  are you ?!", Some(0)),
            ("Ｗｈｅｒｅ are you？", Some(0)),
            ("你們在哪裡", Some(0)),
            ("how long can I return it?", Some(1)),
            ("Returns", None),
            ("is it free", Some(4)),
            ("Prices", None),
            ("Is it new?", None),
            ("what is C", Some(5)),
            ("what is C++", Some(6)),
            ("is 1.5 enough", Some(5)),
            ("is 15 enough", None),
            ("where are you from", None),
            ("?", None),
            ("", None),
        ] {
            assert_eq!(verbatim.find(text), expected, "{text}");
        }
        assert_eq!(Verbatim::of(&[]).find("where are you"), None);
    }
}
