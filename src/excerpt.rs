//! What errors quote of a file that somebody wrote: short, and on one line.

/// The most characters that are quoted.
const LONGEST: usize = 40;

/// The author's own words, short enough to quote and on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_short_and_on_one_line() {
        assert_eq!(excerpt("a\nb\u{1b}"), "a b ");
        assert_eq!(excerpt(&"问".repeat(LONGEST)), "问".repeat(LONGEST));
        assert_eq!(excerpt(&"x".repeat(LONGEST + 1)), format!("{}…", "x".repeat(LONGEST)));
    }
}
