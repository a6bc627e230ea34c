//! Follow-ups: texts that rest on what was said before, as "and in red?" and 那红色的呢.
//!
//! **Invariant:** pure. A text is a follow-up by its form alone; whether it is taken so is for whoever can't make it out alone.

use super::ellipsis::is_elliptical;
use crate::{
    domain::{Role, Turn},
    entity::folded,
};

/// The longest follow-up, in characters: who says more says what they mean.
const LONGEST: usize = 60;
/// The most texts before it that are told along.
const MOST_BEFORE: usize = 5;

/// How follow-ups begin in English, each a whole word or more.
const BEGINNINGS: [&str; 15] = [
    "and",
    "or",
    "but",
    "also",
    "then",
    "what about",
    "how about",
    "what if",
    "same",
    "in",
    "for",
    "with",
    "without",
    "from",
    "to",
];
/// Of these only short texts are: "for my kettle?", but not "from Monday on I want my parcels at work".
const SHORT: [&str; 6] = ["in", "for", "with", "without", "from", "to"];
/// The most words of those.
const MOST_WORDS: usize = 5;
/// The same in Chinese.
const CHINESE: [&str; 9] = ["那", "还有", "换成", "换个", "如果", "要是", "或者", "再", "跟"];

/// What the user said before a follow-up: back to the last text that stands alone. None where this one does.
pub fn before(history: &[Turn], text: &str) -> Option<String> {
    if !is_follow_up(text) {
        return None;
    }
    let said = history.iter().rev().filter(|turn| turn.role == Role::User).map(|turn| turn.text.trim());
    let mut texts = Vec::new();
    for said in said.take(MOST_BEFORE) {
        texts.push(said);
        if !is_follow_up(said) {
            texts.reverse();
            return Some(texts.join("\n"));
        }
    }
    None
}

/// Whether a text has the form of a follow-up.
pub fn is_follow_up(text: &str) -> bool {
    let text = text.trim().trim_end_matches(['?', '？', '.', '。', '!', '！', ' ']);
    let text = folded(text);
    let is_long = text.chars().nth(LONGEST).is_some();
    if text.is_empty() || is_long {
        return false;
    }
    if is_elliptical(&text) || text.ends_with('呢') || CHINESE.iter().any(|it| text.starts_with(it)) {
        return true;
    }
    let words = text.split_whitespace().count();
    BEGINNINGS.iter().any(|beginning| {
        let is_whole = |rest: &str| !rest.starts_with(char::is_alphanumeric);
        let begins = text.strip_prefix(beginning).is_some_and(is_whole);
        begins && (words <= MOST_WORDS || !SHORT.contains(beginning))
    })
}

/// Whether a text speaks to the bot of the bot: "and who are you?" is about nothing that was said before.
pub fn is_to_the_bot(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    text.contains(['你', '您']) || words.any(|word| ["you", "your", "yourself"].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follow_up_is_known_by_its_form() {
        for text in [
            "and in red?",
            "What about Sundays",
            "in blue",
            "那红色的呢",
            "台湾呢？",
            "要是坏了呢",
            "How about tomorrow?",
            "under 150",
            "the cheapest one",
            "what about white",
            "两百以内的",
            "有红色的吗",
            "換成塑料的",
            "還有藍色的水壺",
        ] {
            assert!(is_follow_up(text), "{text}");
        }
        let alone = ["android phones", "where is my order", "红色的水壶", "", "?", "Indigo kettles", "orders"];
        for text in alone {
            assert!(!is_follow_up(text), "{text}");
        }
        assert!(!is_follow_up("from Monday on I want my parcels at work"));
        assert!(!is_follow_up(&format!("and {}", "so on ".repeat(20))));
    }

    #[test]
    fn who_speaks_to_the_bot_is_known() {
        assert!(is_to_the_bot("And who are you?") && is_to_the_bot("那你喜欢听什么歌呢"));
        assert!(!is_to_the_bot("what about Japan?") && !is_to_the_bot("for youths") && !is_to_the_bot("日本呢"));
    }

    #[test]
    fn what_goes_before_begins_with_a_text_that_stands_alone() {
        let turn = |role, text: &str| Turn { role, text: text.into() };
        let history = [
            turn(Role::User, "red kettles"),
            turn(Role::Assistant, "These."),
            turn(Role::User, "and in blue?"),
            turn(Role::Assistant, "Those."),
        ];
        assert_eq!(before(&history, "and cheaper?").as_deref(), Some("red kettles\nand in blue?"));
        assert_eq!(before(&history[..2], "那蓝色的呢").as_deref(), Some("red kettles"));
        assert_eq!(before(&history, "the cheapest one").as_deref(), Some("red kettles\nand in blue?"));
        assert_eq!(before(&history, "where is my order"), None);
        assert_eq!(before(&history[2..], "and cheaper?"), None);
        assert_eq!(before(&[], "and cheaper?"), None);
    }
}
