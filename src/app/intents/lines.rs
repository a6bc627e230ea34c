//! Where in a text something stands, as its author's editor counts.

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
}

/// Finds positions in a text, whatever its size, in logarithmic time.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// The offset of each line's first byte.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        Self { text, starts: std::iter::once(0).chain(breaks.map(|(offset, _)| offset + 1)).collect() }
    }

    /// The position of a byte's offset.
    pub(super) fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Position { line, column: column + 1 }
    }
}

/// The position right after `before`, which begins its text.
pub(super) fn position_after(before: &[u8]) -> Position {
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |offset| offset + 1);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
    Position { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        fn check(text: &str, offset: usize, line: usize, column: usize) {
            let expected = Position { line, column };
            assert_eq!(Lines::new(text).position(offset), expected, "{text:?} at {offset}");
            if let Some(before) = text.as_bytes().get(..offset) {
                assert_eq!(position_after(before), expected, "after {offset} bytes of {text:?}");
            }
        }
        check("", 0, 1, 1);
        check("ab\ncd", 1, 1, 2);
        check("ab\ncd", 2, 1, 3);
        check("ab\ncd", 3, 2, 1);
        check("ab\ncd", 5, 2, 3);
        check("ab\r\ncd", 4, 2, 1);
        check("ab\n", 3, 2, 1);
        check("中文 = 1", 7, 1, 4);
        check("\n\n中x", 5, 3, 2);
    }
}
