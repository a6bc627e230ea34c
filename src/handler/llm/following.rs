//! What of an answer may be told while it is being written.
//!
//! **Invariant:** nothing is told that wouldn't pass as a whole answer: of an answer from passages whole sentences, each
//! with its citation, of any other whole words.

use super::{LlmHandler, Verdict};
use crate::{
    domain::Source,
    handler::{
        Job,
        claims::{is_han, is_kana_or_hangul},
    },
    listener::Listener,
    outbound::chat::Follower,
};

/// Tells a listener what a model says, as far as that passes.
pub(super) struct Following<'a> {
    pub(super) listener: &'a Listener,
    pub(super) handler: &'a LlmHandler,
    pub(super) author: &'a str,
    pub(super) language: &'a str,
    pub(super) found: Option<&'a [Source]>,
    pub(super) job: &'a Job<'a>,
}

impl Follower for Following<'_> {
    fn is_due(&self) -> bool {
        self.listener.is_due()
    }

    fn so_far(&self, said: &str) {
        let Self { handler, author, language, found, job, .. } = *self;
        let whole = if found.is_some() { sentences(said) } else { words(said) };
        if whole.is_empty() {
            return;
        }
        if let Verdict::Said(text, sources) = handler.verdict_of(whole, author, language, found, job) {
            self.listener.so_far(text, sources);
        }
    }
}

/// The words of a text that are whole: one that is being written may yet become another. In Chinese and its like each
/// character stands for itself.
fn words(text: &str) -> &str {
    let is_mark = |c: char| matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff01}'..='\u{ff1f}');
    let is_apart = |c: char| is_han(c) || is_kana_or_hangul(c) || is_mark(c) || c.is_whitespace();
    let Some((at, last)) = text.char_indices().rfind(|(_, c)| is_apart(*c)) else { return "" };
    text[..at + last.len_utf8()].trim()
}

/// The sentences of a text that are whole, with their citations: the next has begun.
fn sentences(text: &str) -> &str {
    const ENDS: [char; 7] = ['.', '!', '?', '。', '！', '？', '\n'];
    let is_end = |c: char| ENDS.contains(&c) || matches!(c, ']' | '】' | '］');
    let Some((begun, _)) = text.char_indices().rfind(|(_, c)| !is_end(*c) && !c.is_whitespace()) else { return "" };
    // What was begun last may be a citation behind a sentence's end, or a number with a point in it.
    let mut ends = text[..begun].char_indices().rev().filter(|(at, c)| {
        let behind = text[at + c.len_utf8()..].trim_start();
        ENDS.contains(c) && !behind.starts_with(['[', '【', '［']) && (*c != '.' || text[at + 1..].starts_with(' '))
            || matches!(c, ']' | '】' | '］') && !behind.starts_with(ENDS)
    });
    ends.next().map_or("", |(at, c)| text[..at + c.len_utf8()].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_once_the_next_begins() {
        for (text, whole) in [
            ("", ""),
            ("Hel", ""),
            ("Hello ", "Hello"),
            ("Hello wor", "Hello"),
            ("NO_ANS", ""),
            ("你好", "你好"),
            ("你好ok", "你好"),
            ("你好，wor", "你好，"),
            ("See http://exa", "See"),
            ("line\nnext", "line"),
        ] {
            assert_eq!(words(text), whole, "{text:?}");
        }
    }

    #[test]
    fn sentences_are_whole_once_the_next_begins() {
        for (text, whole) in [
            ("", ""),
            ("Returns are free", ""),
            ("Returns are free.", ""),
            ("Returns are free. [1", ""),
            ("Returns are free. [1] It", "Returns are free. [1]"),
            ("Returns are free [1]. It", "Returns are free [1]."),
            ("It costs 4.99 euros", ""),
            ("It costs 4.99 euros [1]. Then", "It costs 4.99 euros [1]."),
            ("退货免费[1]。可以", "退货免费[1]。"),
            ("退货免费。[1]可以", "退货免费。[1]"),
            ("A [1]. B [2]. C", "A [1]. B [2]."),
        ] {
            assert_eq!(sentences(text), whole, "{text:?}");
        }
    }
}
