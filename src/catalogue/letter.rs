//! Values of one letter, such as the sizes S, M and L: a text names one only beside a word for size ("size M", 「M码」), or in
//! upper case where nothing else is meant ("in M", 「我要M」).

use std::ops::Range;

use super::why::is_han;

/// Words for size, folded.
const ENGLISH: [&str; 2] = ["sizes", "size"];
const CHINESE: [&str; 4] = ["尺码", "尺寸", "码", "号"];
/// What joins a letter to one that is named: "size S or M".
const JOINERS: [&str; 8] = ["or", "and", "/", ",", "、", "和", "或", "或者"];
/// Right behind these a letter in upper case is named.
const VERBS: [&str; 2] = ["要", "穿"];

/// The letter that a value, as it is compared, is.
pub(super) fn of(value: &str) -> Option<char> {
    let mut characters = value.chars();
    let first = characters.next().filter(char::is_ascii_lowercase)?;
    characters.next().is_none().then_some(first)
}

/// Which of some letters a text names, in its order, and where, with the word for size; `folded` is the text, folded.
pub(super) fn said(text: &str, folded: &str, letters: &[char]) -> Vec<(Range<usize>, String)> {
    let mut said: Vec<(Range<usize>, String)> = Vec::new();
    for ((at, letter), written) in folded.char_indices().zip(text.chars()) {
        let end = at + letter.len_utf8();
        let (Some(before), Some(after)) = (folded.get(..at), folded.get(end..)) else { continue };
        if !letters.contains(&letter) || !is_alone(before, after) {
            continue;
        }
        // These are words as well.
        let is_word = matches!(letter, 'a' | 'i');
        let is_upper = written.is_uppercase();
        let joint = said.last().and_then(|(last, _)| folded.get(last.end..at)).map(str::trim);
        let is_joined = !is_word && joint.is_some_and(|joint| JOINERS.contains(&joint));
        let with_before = |words: &[&str]| size_before(before, words).map(|start| start..end);
        let with_behind = |words: &[&str]| size_behind(after, words).map(|length| at..end + length);
        let range = with_behind(&CHINESE)
            .or_else(|| with_before(&CHINESE))
            .or_else(|| with_before(&ENGLISH).filter(|_| !is_word || (letter == 'a' && is_upper)))
            .or_else(|| with_behind(&ENGLISH).filter(|_| !is_word))
            .or_else(|| (is_upper && (is_joined || is_chosen(before, is_word))).then_some(at..end));
        said.extend(range.map(|range| (range, letter.to_string())));
    }
    said
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && !is_han(c)
}

/// Whether a letter between these is no part of a word, such as "I'm", "T-shirt" or "L.A.".
fn is_alone(before: &str, after: &str) -> bool {
    let joins = |c: char| is_letter(c) || matches!(c, '\'' | '’' | '-' | '&');
    let is_abbreviated = after.strip_prefix('.').is_some_and(|rest| rest.starts_with(is_letter));
    !before.ends_with(joins) && !before.ends_with('.') && !after.starts_with(joins) && !is_abbreviated
}

/// Where the word for size begins that stands right before.
fn size_before(before: &str, words: &[&str]) -> Option<usize> {
    let before = before.trim_end_matches([' ', ':']);
    let mut rests = words.iter().filter_map(|word| Some((word, before.strip_suffix(*word)?)));
    rests.find(|(word, rest)| !word.is_ascii() || !rest.ends_with(is_letter)).map(|(_, rest)| rest.len())
}

/// How far the word for size reaches that stands right behind.
fn size_behind(after: &str, words: &[&str]) -> Option<usize> {
    let trimmed = after.trim_start_matches(' ');
    let mut rests = words.iter().filter_map(|word| Some((word, trimmed.strip_prefix(*word)?)));
    rests
        .find(|(word, rest)| !word.is_ascii() || !rest.starts_with(is_letter))
        .map(|(_, rest)| after.len() - rest.len())
}

/// Whether what stands before chooses a letter in upper case.
fn is_chosen(before: &str, is_word: bool) -> bool {
    let trimmed = before.trim_end_matches(' ');
    let is_in = || trimmed.strip_suffix("in").is_some_and(|rest| !rest.ends_with(is_letter));
    VERBS.iter().any(|verb| trimmed.ends_with(verb)) || (!is_word && trimmed.len() < before.len() && is_in())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::super::Catalogue;

    const SHOP: &str = "id,title,size,price\n1,Tee,S|M|L,20\n2,Polo,M|L|XL,25\n3,Cap,A|I,9\n4,Shirt,S,30\n";

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let (catalogue, _) = Catalogue::read(SHOP.as_bytes()).unwrap();
        let wish = catalogue.wish(text, &[]);
        let found: Vec<&str> = catalogue.passing(&wish).into_iter().map(|at| &*catalogue.items()[at].id).collect();
        assert_eq!(found, expected, "{text}: {wish:?}");
    }

    #[test]
    fn a_size_of_one_letter_is_named_beside_a_word_for_size() {
        check("size L", &["1", "2"]);
        check("a tee, size: l", &["1", "2"]);
        check("an L size please", &["1", "2"]);
        check("size A", &["3"]);
        check("size S or L", &["1", "2", "4"]);
        check("not size S", &["2", "3"]);
        check("not size S or L", &["3"]);
        check("M码的T恤", &["1", "2"]);
        check("尺码 l", &["1", "2"]);
        check("S号的", &["1", "4"]);
        check("不要M码", &["3", "4"]);
        check("a size XL", &["2"]);
    }

    #[test]
    fn or_in_upper_case_where_it_is_chosen() {
        check("a tee in M under 22", &["1"]);
        check("in S, please", &["1", "4"]);
        check("not in M", &["3", "4"]);
        check("我要M的", &["1", "2"]);
        check("我穿 S", &["1", "4"]);
        let (catalogue, _) = Catalogue::read(SHOP.as_bytes()).unwrap();
        assert_eq!(catalogue.wish("M码的", &[]).why(&catalogue, &catalogue.items()[0], true), ["M"]);
    }

    #[test]
    fn and_never_elsewhere() {
        for text in [
            "a tee",
            "I'm after a tee",
            "what a size",
            "what size I need",
            "which size a man needs",
            "it's in s",
            "m tees",
            "made in L.A.",
            "as in M&S",
            "T恤",
            "我要m",
        ] {
            check(text, &["1", "2", "3", "4"]);
        }
    }
}
