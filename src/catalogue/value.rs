//! Values that a text names.

use std::ops::Range;

use crate::entity::at_boundaries;

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

/// The ways in which a value is said: 「红色」 is also 「红」, before 的.
pub(super) fn said(value: &str) -> impl Iterator<Item = String> {
    let short = value.strip_suffix('色').filter(|stem| !stem.is_empty()).map(|stem| format!("{stem}的"));
    let spaced = value.contains(['_', '-']).then(|| value.replace(['_', '-'], " "));
    std::iter::once(value.to_owned()).chain(short).chain(spaced)
}
