//! An answer shown as it is being written.

use std::cell::RefCell;

use crate::{
    cli::{Failure, Format, answer, output},
    domain::{Part, codec::encode_part},
};

/// What is on the terminal of an answer that is being written.
#[derive(Debug, Default)]
pub(super) struct Shown(RefCell<Text>);

#[derive(Debug, Default)]
struct Text {
    run: String,
    text: String,
    failed: Option<Failure>,
}

impl Shown {
    /// Shows a part. One of a new run begins on a new line, as what was shown is no longer so. Whether anybody reads it.
    pub(super) fn add(&self, part: &Part, format: Format) -> bool {
        let mut shown = self.0.borrow_mut();
        if format == Format::Json {
            let printed = output::print(&answer::json_line(&encode_part(part, None)));
            shown.failed = shown.failed.take().or(printed.err());
            return shown.failed.is_none();
        }
        let mut begins = "";
        if shown.run != part.run {
            begins = if shown.text.is_empty() { "" } else { "\n" };
            (shown.run, shown.text) = (part.run.clone(), String::new());
        }
        shown.text.push_str(&part.delta);
        if let Err(failure) = output::print(&format!("{begins}{}", output::printable(&part.delta))) {
            shown.failed.get_or_insert(failure);
        }
        shown.failed.is_none()
    }

    /// Ends the line that was begun, before something else is told.
    pub(super) fn end_line(&self) {
        if !self.0.borrow().text.is_empty() {
            output::tell("\n");
        }
    }

    /// What of the whole answer, as it is shown to people, is still to be printed: all, where another text is there.
    ///
    /// # Errors
    /// Where a part couldn't be written.
    pub(super) fn rest<'a>(&self, text: &str, whole: &'a str) -> Result<(&'static str, &'a str), Failure> {
        let mut shown = self.0.borrow_mut();
        if let Some(failure) = shown.failed.take() {
            return Err(failure);
        }
        let there = output::printable(&shown.text);
        Ok(match whole.strip_prefix(there.as_str()) {
            Some(rest) if text.starts_with(&shown.text) => ("", rest),
            _ => ("\n", whole),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn what_is_shown_is_not_shown_again_unless_it_was_another() {
        let part = |run: &str, seq, delta: &str| Part { run: run.into(), seq, delta: delta.into() };
        let shown = Shown::default();
        assert_eq!(shown.rest("All.", "All.\n  intent a\n").unwrap(), ("", "All.\n  intent a\n"));
        assert!(shown.add(&part("1", 0, "It "), Format::Text));
        assert!(shown.add(&part("1", 1, "is"), Format::Text));
        assert_eq!(shown.rest("It is open.", "It is open.\n").unwrap(), ("", " open.\n"));
        assert_eq!(shown.rest("No.", "No.\n").unwrap(), ("\n", "No.\n"));
        assert!(shown.add(&part("2", 0, "No"), Format::Text));
        assert_eq!(shown.rest("No.", "No.\n").unwrap(), ("", ".\n"));
    }
}
