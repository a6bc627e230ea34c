//! Tables of any columns, for what isn't utterances: a catalogue, questions with answers, a glossary.

use super::{
    CorpusError, Encoding, Fault, Notes, encoding, mistaken,
    rows::{Broken, Row, Rows},
    table::{SEPARATORS, told_separator, wrong_width},
};
use crate::utf8;

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// The names of the columns, without white space at their ends.
    pub header: Vec<String>,
    /// The rows below it; each has as many cells as the header.
    pub rows: Vec<SheetRow>,
    /// Rows that can't be used.
    pub faults: Vec<Fault>,
    pub notes: Notes,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetRow {
    /// The line that it begins on, from 1.
    pub line: usize,
    /// Its cells, without white space at their ends.
    pub cells: Vec<String>,
}

impl Sheet {
    /// Reads a file's bytes. Any separator that the first row shows, and any encoding that is sure.
    ///
    /// # Errors
    /// [`CorpusError`] where it isn't sure what the file is encoded in, it has no row, or can't be read from a line on.
    pub fn read(bytes: &[u8], told: Option<&'static Encoding>) -> Result<Self, CorpusError> {
        let (text, note) = encoding::decode(bytes, told)?;
        mistaken::check(&text)?;
        let mut sheet = Self::parse(&text)?;
        if let Some(note) = note {
            sheet.notes.add(note, None);
        }
        Ok(sheet)
    }

    /// Reads a table's text.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str) -> Result<Self, CorpusError> {
        let (told, text, line) = told_separator(utf8::without_mark(text));
        let candidates = SEPARATORS.iter().chain(&told).filter(|&separator| told.is_none_or(|told| told == *separator));
        let mut best: Option<(Row, Rows<'_>)> = None;
        let mut broken = None;
        for &separator in candidates {
            let mut rows = Rows::new(text, separator, line);
            match rows.find(|row| !matches!(row, Ok(row) if is_blank(row))) {
                Some(Ok(row)) if best.as_ref().is_none_or(|(best, _)| row.cells.len() > best.cells.len()) => {
                    best = Some((row, rows));
                }
                Some(Err(error)) => broken = broken.or(Some(error)),
                _ => {}
            }
        }
        let (header, rows) = match (best, broken) {
            (Some(best), _) => best,
            (None, Some(Broken { line, reason, .. })) => return Err(CorpusError::at(line, reason)),
            (None, None) => return Err(CorpusError::unknown(1, "there is no row in it")),
        };
        let mut sheet = Self { header: trimmed(&header), ..Self::default() };
        let fault = |line, reason| Fault { file: String::new(), line, reason };
        for row in rows {
            match row {
                Ok(row) if is_blank(&row) => {}
                Ok(row) => match wrong_width(&row, &header) {
                    Some(reason) => sheet.faults.push(fault(row.line, reason)),
                    None => sheet.rows.push(SheetRow { line: row.line, cells: trimmed(&row) }),
                },
                Err(Broken { line, reason, is_last: true }) => return Err(CorpusError::at(line, reason)),
                Err(Broken { line, reason, .. }) => sheet.faults.push(fault(line, reason)),
            }
        }
        Ok(sheet)
    }

    /// The column of one of these names; case doesn't count.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|column| column.eq_ignore_ascii_case(name)))
    }
}

fn is_blank(row: &Row) -> bool {
    row.cells.iter().all(|cell| cell.trim().is_empty())
}

fn trimmed(row: &Row) -> Vec<String> {
    row.cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn any_columns_and_separators_are_read_and_what_is_broken_has_its_line() {
        for text in [
            "id,title\n1, \"a\"\n".replace(", \"a\"", ",\"a\""),
            "\n\nid;title\r\n1;a\r\n;\r\n".into(),
            "sep=|\nid|title\n1|a\n".into(),
        ] {
            let sheet = Sheet::parse(&text).unwrap();
            assert_eq!((sheet.header, sheet.rows.len(), sheet.faults.len()), (vec!["id".into(), "title".into()], 1, 0));
            assert_eq!(sheet.rows[0].cells, ["1", "a"]);
        }
        let sheet = Sheet::parse("id,title\n1,a\n2,b,c\n3,\"d\"e\n4,f\n").unwrap();
        assert_eq!(sheet.faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(sheet.rows.len(), 2);
        assert!(matches!(Sheet::parse("id,title\n1,\"a\n"), Err(CorpusError::Line { line: 2, .. })));
        assert!(Sheet::parse("\n").is_err());
        assert!(Sheet::read(b"PK\x03\x04\0\0", None).is_err());
    }
}
