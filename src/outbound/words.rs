//! What may leave the house, and what a service's own words may bring back.
//!
//! **Invariant:** what a service says reaches the operator in one short line, without what a user wrote and without a
//! secret, also where the service quotes the request.

use std::collections::HashSet;

/// The longest text that is sent: what comes after can't change what a text is about, and has its price.
const MAX_TEXT: usize = 4096;

/// The longest quotation of a service, in characters.
const MAX_WORDS: usize = 200;

/// How many of its characters are looked at.
const MAX_LOOKED_AT: usize = 8192;

/// A text as it may leave the house: its first 4,096 characters.
pub fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_TEXT).map_or(text, |(end, _)| &text[..end])
}

/// What a service says, in one line: what is private is cut out, and what is too long.
pub(super) fn quotation(said: &str, private: &[String]) -> Option<String> {
    let said = without(said, private);
    let short: String = match said.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    };
    (!short.trim_matches(['…', ' ']).is_empty()).then_some(short)
}

/// The same as far as it is looked at, for finding words in it.
pub(super) fn without(said: &str, private: &[String]) -> String {
    let said: Vec<char> = line(said).chars().take(MAX_LOOKED_AT).collect();
    let lower: Vec<char> = said.iter().map(|&c| folded(c)).collect();
    let mut hidden = vec![false; said.len()];
    for text in private {
        hide(&mut hidden, &lower, text);
    }
    let mut shown = String::new();
    for (character, hidden) in said.into_iter().zip(hidden) {
        match hidden {
            false => shown.push(character),
            true if shown.ends_with('…') => {}
            true => shown.push('…'),
        }
    }
    shown
}

/// Marks each run that a private text holds as well: eight characters, or three where none is ASCII, as three characters
/// of Chinese say what eight letters do; or the text itself where it is shorter.
fn hide(hidden: &mut [bool], said: &[char], private: &str) {
    let private: Vec<char> = line(private).chars().map(folded).collect();
    for width in [8, 3] {
        let dense = width == 3;
        let counts = |run: &&[char]| !dense || !run.iter().any(char::is_ascii);
        let runs: HashSet<&[char]> = private.windows(width).filter(counts).collect();
        for (at, run) in said.windows(width).enumerate() {
            if runs.contains(run) {
                hidden[at..at + width].fill(true);
            }
        }
    }
    if !private.is_empty() && private.len() < 8 {
        let is_end = |c: Option<&char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        for (at, run) in said.windows(private.len()).enumerate() {
            let end = at + private.len();
            let whole = is_end(at.checked_sub(1).and_then(|before| said.get(before))) && is_end(said.get(end));
            if run == private && (whole || !private[0].is_ascii()) {
                hidden[at..end].fill(true);
            }
        }
    }
}

fn folded(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// Everything in one line, escapes as what they stand for, as a service may quote the request's JSON.
fn line(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let character = match c {
            '\\' => match rest.next() {
                Some('u') => {
                    let digits: String = rest.clone().take(4).collect();
                    let unescaped = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    unescaped.inspect(|_| _ = rest.nth(3)).unwrap_or('u')
                }
                Some('n' | 'r' | 't') | None => ' ',
                Some(other) => other,
            },
            other => other,
        };
        let blank = character.is_whitespace() || character.is_control();
        if !blank {
            shown.push(character);
        } else if !shown.is_empty() && !shown.ends_with(' ') {
            shown.push(' ');
        }
    }
    shown.truncate(shown.trim_end().len());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_leaves_the_house_up_to_its_bound() {
        assert_eq!(cut("你好"), "你好");
        assert_eq!(cut(&"好".repeat(5000)), "好".repeat(4096));
    }

    #[test]
    fn a_quotation_holds_nothing_that_a_user_wrote() {
        fn check(said: &str, private: &str, expected: Option<&str>) {
            let found = quotation(said, &[private.to_owned()]);
            assert_eq!(found.as_deref(), expected, "{said}");
        }
        check("Rate limit reached for qwen-plus", "where is my order", Some("Rate limit reached for qwen-plus"));
        check(
            "invalid input: 'Where is my ORDER 4711, please?'",
            "where is my order 4711, please?",
            Some("invalid input: '…'"),
        );
        // Of the whole text, or of a part of it; as it is, or as JSON has it.
        check("at \"…is my order 47\"", "where is my order 4711", Some("at \"…\""));
        check(r#"bad: {"text": "\u6211\u8981\u9000\u6b3e"}"#, "我要退款", Some(r#"bad: {"text": "…"}"#));
        check("输入“我要退掉昨天的水壶”不合规", "我要退掉昨天的水壶", Some("输入“…”不合规"));
        check("bad: hello \\\"world\\\" again", "hello \"world\" again", Some("bad: …"));
        check("the word hi is in this", "hi", Some("the word … is in this"));
        check("“你好”有误", "你好", Some("“…”有误"));
        check("hello world, my friend", "hello world, my friend", None);
        check("", "hello", None);
        check("one\ntwo\u{0}\u{1b}[31m three\r\n", "x", Some("one two [31m three"));
        check(&"long ".repeat(100), "x", Some(&format!("{}…", "long ".repeat(40))));
    }
}
