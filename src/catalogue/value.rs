//! Values that a text names, and those that it doesn't want.

use std::ops::Range;

use crate::entity::at_boundaries;

/// What right before a value says that it isn't wanted; folded.
const NOT: [&str; 26] = [
    "not ",
    "no ",
    "non-",
    "non ",
    "without ",
    "except ",
    "but not ",
    "isn't ",
    "aren't ",
    "don't want ",
    "not in ",
    "not made of ",
    "anything but ",
    "不要",
    "不想要",
    "不是",
    "不含",
    "不带",
    "别",
    "非",
    "除了",
    "没有",
    "无",
    "不用",
    "不能是",
    "不喜欢",
];

/// Where a folded text names a value: whole words, or a plural of one.
pub(super) fn find(text: &str, value: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find(value).map(|at| from + at) {
        let end = start + value.len();
        let plural = ["es", "s"].iter().map(|ending| end + ending.len()).find(|&to| {
            value.ends_with(|c: char| c.is_ascii_alphabetic())
                && text.get(end..to).is_some_and(|ending| ending == "s" || ending == "es")
                && at_boundaries(text, start, to)
        });
        match plural {
            Some(end) => return Some(start..end),
            None if at_boundaries(text, start, end) => return Some(start..end),
            None => from = start + value.chars().next().map_or(1, char::len_utf8),
        }
    }
    None
}

/// Whether what stands before a value says that it isn't wanted.
pub(super) fn is_unwanted(before: &str) -> bool {
    let before = before.trim_end_matches("a ").trim_end_matches("an ").trim_end_matches("any ");
    NOT.iter().any(|not| {
        before.strip_suffix(not).is_some_and(|rest| {
            // "piano red" isn't "no red".
            !not.is_ascii() || !rest.ends_with(|c: char| c.is_ascii_alphanumeric())
        })
    })
}

/// The ways in which a value is said: 「红色」 is also 「红」, before 的.
pub(super) fn said(value: &str) -> impl Iterator<Item = String> {
    let short = value.strip_suffix('色').filter(|stem| !stem.is_empty()).map(|stem| format!("{stem}的"));
    let spaced = value.contains(['_', '-']).then(|| value.replace(['_', '-'], " "));
    std::iter::once(value.to_owned()).chain(short).chain(spaced)
}
