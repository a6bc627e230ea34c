//! Where sentences end, in English and in Chinese.

/// The sentences of a text, with what ends them; a line break ends one too. None is only white space.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (sentence, after) = rest.split_at(end(rest));
            rest = after;
            if !sentence.trim().is_empty() {
                return Some(sentence.trim());
            }
        }
        None
    })
}

/// Where the first sentence ends.
fn end(text: &str) -> usize {
    let mut word_start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '。' | '！' | '？' | '；' | '\n' => return after_closing(text, at + c.len_utf8()),
            '.' | '!' | '?' => {
                let end = after_closing(text, at + 1);
                let mut next = text[end..].chars();
                let is_spaced = next.next().is_none_or(char::is_whitespace);
                // 'e.g. this', 'J. Smith' and 'No. 5' go on.
                let begins = next.find(|c| !c.is_whitespace()).is_none_or(|c| !c.is_lowercase());
                let is_short =
                    c == '.' && is_abbreviation(text[word_start..at].trim_start_matches(['(', '"', '“', '[']));
                if is_spaced && begins && !is_short {
                    return end;
                }
            }
            c if c.is_whitespace() => word_start = at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Whether a point after this is of an abbreviation: an initial, or a word that is seldom written out.
fn is_abbreviation(word: &str) -> bool {
    const KNOWN: [&str; 18] = [
        "mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "jr", "sr", "inc", "ltd", "co", "fig", "e.g", "i.e", "cf",
        "vol",
    ];
    let is_no = word.eq_ignore_ascii_case("no") && !word.starts_with('N');
    word.chars().count() <= 1 || KNOWN.iter().any(|known| word.eq_ignore_ascii_case(known)) && !is_no
}

/// Past the brackets and quotes that close after a sentence.
fn after_closing(text: &str, end: usize) -> usize {
    let closing = |c: &char| matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '」' | '』' | '）' | '】' | '》');
    end + text[end..].chars().take_while(closing).map(char::len_utf8).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sentences_end_where_they_do() {
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(sentences(text).collect::<Vec<_>>(), expected, "{text}");
        }
        check("One. Two! Three?", &["One.", "Two!", "Three?"]);
        check("He said \"no.\" Then he left.", &["He said \"no.\"", "Then he left."]);
        check("It costs 3.50 at J. Smith's, e.g. today. Yes.", &["It costs 3.50 at J. Smith's, e.g. today.", "Yes."]);
        check("Ask us. We say no. Call Dr. No.", &["Ask us.", "We say no.", "Call Dr. No."]);
        check("一。二！”三", &["一。", "二！”", "三"]);
        check("- a\n- b\n\n", &["- a", "- b"]);
        check(" ", &[]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "[a。.!? \"”\n]{0,30}") {
            let kept: String = sentences(&text).collect();
            let all = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(all(&kept), all(&text));
        }
    }
}
