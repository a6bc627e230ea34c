//! An intent's replies: texts by language, each of which compiles.

use std::ops::Range;

use toml::de::DeTable;

use super::{
    super::{Position, Problem},
    Reader,
};
use crate::handler::template::{ReplyText, ReplyTextError};

impl Reader<'_> {
    /// An intent's replies, the default language first.
    pub(super) fn replies(&mut self, table: &DeTable<'_>) -> Vec<(String, String)> {
        let Some(value) = table.get("reply") else { return Vec::new() };
        let Some(replies) = value.get_ref().as_table() else {
            self.wrong_type("reply", value, "told by language, such as reply.en = \"…\"");
            return Vec::new();
        };
        self.languages("reply", replies);
        let mut read = Vec::new();
        for (language, value) in replies {
            let language = &**language.get_ref();
            if let Some(source) = self.string(&format!("reply.{language}"), value) {
                match ReplyText::compile(source) {
                    Ok(text) => self.reads(&format!("reply.{language}"), value.span().start, &text, false),
                    Err(error) => self.reply_fault(language, value.span(), error),
                }
                read.push((language.to_owned(), source.to_owned()));
            }
        }
        read
    }

    /// Adds a reply's fault, on the very line of the text where that can be told.
    fn reply_fault(&mut self, language: &str, span: Range<usize>, error: ReplyTextError) {
        let language = language.to_owned();
        let ReplyTextError::Invalid { line, reason } = error else {
            return self.add(span, Problem::Reply { language, error });
        };
        let raw = self.text.get(span.clone()).unwrap_or_default();
        let start = self.lines.position(span.start);
        let position = match raw.get(..3) {
            // An escape may add lines to a text, or take some away.
            Some("\"\"\"") if raw.contains('\\') => {
                let error = ReplyTextError::Invalid { line, reason };
                return self.add(span, Problem::Reply { language, error });
            }
            Some("\"\"\"" | "'''") => {
                let skipped = usize::from(raw[3..].starts_with(['\n', '\r']));
                match skipped + line {
                    0 | 1 => start,
                    lines => Position { line: start.line + lines - 1, column: 1 },
                }
            }
            _ => start,
        };
        self.put(Some(position), Problem::Template { language, reason });
    }
}
