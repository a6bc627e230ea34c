//! Standard output and standard error, as commands write to them.
//!
//! **Invariant:** the reader of the output may stop at any time, as `| head -1` does; that ends a command in silence, and
//! never by a panic.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::{Exit, Failure};

/// Writes to standard output as it is, at once.
///
/// # Errors
/// A [`Failure`] that ends the command: without a message where nobody reads any more.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::new(Exit::Ok, ""),
        _ => Failure::new(Exit::Os, format!("can't write to standard output: {error}")),
    })
}

/// Tells a person who watches something beside the output, on standard error. If nobody does, nothing is lost.
pub(super) fn tell(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// A value as JSON for programs, laid out over lines.
///
/// # Errors
/// A [`Failure`], where the value has no form in JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|json| json + "\n").map_err(|error| Failure::new(Exit::Os, error))
}

/// A value as JSON on one line.
///
/// # Errors
/// As [`json`].
pub(super) fn json_line(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map(|json| json + "\n").map_err(|error| Failure::new(Exit::Os, error))
}

/// A text from elsewhere, safe to show: control characters, which could play with a terminal, are escaped; line breaks
/// and tabs stay.
pub(super) fn printable(text: &str) -> String {
    let escaped = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars().flat_map(|c| if escaped(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// A text from elsewhere on one line, safe to show.
pub(super) fn one_line(text: &str) -> String {
    printable(&text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

/// A text with spaces behind it, so that what follows begins at column `width` of a terminal, in which a Chinese
/// character takes two.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(text.width()))
}

/// Rows whose columns begin below one another, with two spaces between them.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0));
    let mut lines = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| padded(cell, width));
        lines.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_play_with_a_terminal_is_escaped() {
        fn check(text: &str, expected: &str, on_one_line: &str) {
            assert_eq!(printable(text), expected, "{text:?}");
            assert_eq!(one_line(text), on_one_line, "{text:?}");
        }
        check("退货很简单 👋", "退货很简单 👋", "退货很简单 👋");
        check("a\tb\n\n c\r\n", "a\tb\n\n c\\r\n", "a\tb c");
        check(
            "\u{1b}[2Jgone\u{7}\u{9b}1m\0",
            "\\u{1b}[2Jgone\\u{7}\\u{9b}1m\\u{0}",
            "\\u{1b}[2Jgone\\u{7}\\u{9b}1m\\u{0}",
        );
    }

    #[test]
    fn columns_begin_below_one_another() {
        let rows = [["a", "bbb", ""], ["问候", "b", "c"], ["aaaa", "", "c"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a     bbb\n问候  b    c\naaaa       c\n");
        // As a terminal shows them: é of two characters is one wide, an emoji and full-width letters are two each.
        let rows = [["e\u{301}", "|"], ["👋", "|"], ["Ａ", "|"], ["ab", "|"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "e\u{301}   |\n👋  |\nＡ  |\nab  |\n");
        assert_eq!(table::<2>(&[]), "");
    }
}
