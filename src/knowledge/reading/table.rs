//! Tables of questions and answers, or of texts: the first row names the columns.

use std::sync::Arc;

use super::{
    super::Passage,
    records::{Columns, Record, missing},
};
use crate::corpus::{Broken, Faults, Notes, Row, Rows, SEPARATORS, told_separator, wrong_width};

/// Reads a table's passages.
///
/// # Errors
/// The line that makes it unreadable, and why.
pub(super) fn read(
    text: &str,
    path: &Arc<str>,
    notes: &mut Notes,
    faults: &mut Faults,
) -> Result<Vec<Passage>, (usize, String)> {
    let (header, columns, rows) = header(text)?;
    let names: Vec<&str> = header.cells.iter().map(String::as_str).collect();
    columns.note(&names, "column", notes);
    let mut passages = Vec::new();
    for row in rows {
        match row {
            Ok(row) if is_empty(&row) => {}
            Ok(row) => match wrong_width(&row, &header) {
                Some(reason) => faults.add(row.line, reason),
                None => {
                    let mut record = Record::default();
                    for (at, cell) in row.cells.iter().enumerate() {
                        if let Some(field) = columns.field(at) {
                            record.set(field, cell);
                        }
                    }
                    record.add_to(&mut passages, path, row.line, notes);
                }
            },
            Err(Broken { line, reason, is_last: true }) => return Err((line, reason)),
            Err(Broken { line, reason, .. }) => faults.add(line, reason),
        }
    }
    Ok(passages)
}

fn is_empty(row: &Row) -> bool {
    row.cells.iter().all(|cell| cell.trim().is_empty())
}

/// The row that names the columns, what they hold, and the rows after it: by the separator that makes most of it.
fn header(text: &str) -> Result<(Row, Columns, Rows<'_>), (usize, String)> {
    let (told, text, first_line) = told_separator(text);
    let candidates = SEPARATORS.iter().chain(&told).filter(|&separator| told.is_none_or(|told| told == *separator));
    let mut best: Option<(Row, Columns, Rows<'_>)> = None;
    let mut broken = None;
    for &separator in candidates {
        let mut rows = Rows::new(text, separator, first_line);
        let header = rows.by_ref().find(|row| !row.as_ref().is_ok_and(is_empty));
        match header {
            Some(Ok(row)) => {
                let columns = Columns::of(&row.cells.iter().map(String::as_str).collect::<Vec<_>>());
                let rank = |row: &Row, columns: &Columns| (columns.are_enough(), row.cells.len());
                if best.as_ref().is_none_or(|(other, known, _)| rank(&row, &columns) > rank(other, known)) {
                    best = Some((row, columns, rows));
                }
            }
            Some(Err(error)) => broken = broken.or(Some((error.line, error.reason))),
            None => {}
        }
    }
    match (best, broken) {
        (Some((row, columns, rows)), _) if columns.are_enough() => Ok((row, columns, rows)),
        (_, Some(broken)) => Err(broken),
        (Some((row, ..)), None) => {
            let names: Vec<&str> = row.cells.iter().map(String::as_str).collect();
            Err((row.line, format!("the first row has to name the columns, and {}", missing(&names, "column"))))
        }
        (None, None) => Err((1, "there is no row in it".to_owned())),
    }
}
