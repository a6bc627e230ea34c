//! Rows of cells, as RFC 4180 has them, with any separator; and the line of each that isn't so.
//!
//! A lenient reader makes some other row of what is broken, and a bot learns it. So nothing is guessed here: a quote that
//! doesn't close ends the reading, and a row with text after a closing quote is none.

/// A row of cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line that it begins on, from 1.
    pub(crate) line: usize,
    /// Its cells, without the quotes around them.
    pub(crate) cells: Vec<String>,
}

/// A row that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The line that shows it, from 1.
    pub(crate) line: usize,
    /// What is wrong, and what to do.
    pub(crate) reason: String,
    /// Whether nothing can be read after it.
    pub(crate) is_last: bool,
}

/// The rows of a text, the empty lines among them as rows of one empty cell.
pub(crate) struct Rows<'t> {
    rest: &'t str,
    line: usize,
    separator: char,
    /// What ends a line: a carriage return in files of old, where there is nothing else.
    end: char,
}

/// How a cell ended.
enum End {
    Cell,
    Row,
}

impl<'t> Rows<'t> {
    /// The rows of `text`, which begins on line `line`.
    pub(crate) fn new(text: &'t str, separator: char, line: usize) -> Self {
        let end = if text.contains('\n') { '\n' } else { '\r' };
        Self { rest: text, line, separator, end }
    }

    fn row(&mut self) -> Result<Row, Broken> {
        let mut row = Row { line: self.line, cells: Vec::new() };
        loop {
            let quoted = self.rest.strip_prefix('"');
            let (cell, end) = match quoted {
                Some(inside) => self.quoted(inside)?,
                None => self.plain()?,
            };
            row.cells.push(cell);
            if let End::Row = end {
                return Ok(row);
            }
        }
    }

    fn plain(&mut self) -> Result<(String, End), Broken> {
        let stop = self.rest.find([self.separator, self.end]).unwrap_or(self.rest.len());
        let cell = &self.rest[..stop];
        if cell.trim_start().starts_with('"') {
            let reason = format!("there is white space before the quote in '{}': take it out", excerpt(cell));
            return Err(self.broken(reason));
        }
        let cell = cell.to_owned();
        self.rest = &self.rest[stop..];
        let end = self.ended();
        Ok((cell, end))
    }

    /// A cell in quotes, of which the first was read.
    fn quoted(&mut self, inside: &'t str) -> Result<(String, End), Broken> {
        let (mut cell, mut rest) = (String::new(), inside);
        loop {
            let Some((part, after)) = rest.split_once('"') else {
                let reason = format!(
                    "the quote before '{}' isn't closed: close it, or take it out; a quote within quotes is written twice",
                    excerpt(inside)
                );
                let line = self.line;
                self.rest = "";
                return Err(Broken { line, reason, is_last: true });
            };
            cell.push_str(part);
            self.line += part.matches(self.end).count();
            match after.strip_prefix('"') {
                Some(more) => {
                    cell.push('"');
                    rest = more;
                }
                None => {
                    rest = after;
                    break;
                }
            }
        }
        self.rest = rest.strip_prefix('\r').filter(|after| after.starts_with(self.end)).unwrap_or(rest);
        if !self.rest.is_empty() && !self.rest.starts_with([self.separator, self.end]) {
            let reason = format!(
                "after a closing quote stands '{}': a quote within quotes is written twice, \"\"",
                excerpt(self.rest.split([self.separator, self.end]).next().unwrap_or_default())
            );
            return Err(self.broken(reason));
        }
        let end = self.ended();
        Ok((cell, end))
    }

    /// Passes what ends a cell.
    fn ended(&mut self) -> End {
        let mut characters = self.rest.chars();
        let ended = characters.next();
        self.rest = characters.as_str();
        if ended == Some(self.separator) {
            return End::Cell;
        }
        self.line += 1;
        End::Row
    }

    /// A broken row, the rest of whose line is passed over.
    fn broken(&mut self, reason: String) -> Broken {
        let line = self.line;
        self.rest = self.rest.split_once(self.end).map_or("", |(_, after)| after);
        self.line += 1;
        Broken { line, reason, is_last: false }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.row())
    }
}

/// What stands there, for an error: the first characters of it, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    let text = text.trim();
    let mut excerpt: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str, separator: char) -> Vec<Result<Row, Broken>> {
        Rows::new(text, separator, 1).collect()
    }

    #[test]
    fn rows_are_read() {
        fn check(text: &str, separator: char, expected: &[(usize, &[&str])]) {
            let row = |&(line, cells): &(usize, &[&str])| {
                Ok(Row { line, cells: cells.iter().map(|&cell| cell.to_owned()).collect() })
            };
            assert_eq!(rows(text, separator), expected.iter().map(row).collect::<Vec<_>>(), "{text:?}");
        }
        check("a,b\nc,d", ',', &[(1, &["a", "b"]), (2, &["c", "d"])]);
        check("a\tb\n\"x\ty\"\t\n", '\t', &[(1, &["a", "b"]), (2, &["x\ty", ""])]);
        check("\"a\nb\",\"c\"\"d\"\r\n\ne", ',', &[(1, &["a\nb", "c\"d"]), (3, &[""]), (4, &["e"])]);
        check("5\" screen,x\n", ',', &[(1, &["5\" screen", "x"])]);
        check("a;b\rc;\"d\re\"\rf;g\r", ';', &[(1, &["a", "b"]), (2, &["c", "d\re"]), (4, &["f", "g"])]);
        check("退，货\n", '，', &[(1, &["退", "货"])]);
        check("\"\"", ',', &[(1, &[""])]);
        check("a,", ',', &[(1, &["a", ""])]);
        check("", ',', &[]);
    }

    #[test]
    fn what_is_broken_has_its_line_and_takes_no_other_row_with_it() {
        fn check(text: &str, line: usize, said: &str, after: usize) {
            let rows = rows(text, ',');
            let at = rows.iter().position(Result::is_err);
            let Some(Err(broken)) = at.and_then(|at| rows.get(at)) else { unreachable!("{rows:?}") };
            assert!(broken.line == line && broken.reason.contains(said), "{broken:?}");
            assert_eq!(rows.len() - at.unwrap_or_default() - 1, after, "{rows:?}");
        }
        check("a,b\n\"he said \"hi\"\",x\nc,d\n", 2, "stands 'hi\"\"'", 1);
        check("a,b\n\"x\"y,z\nc,d\n", 2, "'y'", 1);
        check("a,b\n\"x\n\"y,z\nc,d\n", 3, "'y'", 1);
        check("a,b\nx, \"y, z\"\nc,d\n", 2, "white space before the quote", 1);
        check("a,b\n\"x,y\nc,d\n", 2, "isn't closed", 0);
    }

    proptest! {
        #[test]
        fn what_is_quoted_by_the_rules_reads_back(
            table in proptest::collection::vec(proptest::collection::vec("[a\",\r\n 退]{0,6}", 2), 1..5),
        ) {
            let quoted = |row: &Vec<String>| {
                row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>().join(",") + "\n"
            };
            let text: String = table.iter().map(quoted).collect();
            let read: Vec<Vec<String>> = rows(&text, ',').into_iter().flatten().map(|row| row.cells).collect();
            prop_assert_eq!(read, table);
        }

        #[test]
        fn any_text_is_survived(text in "[a\",\r\n]{0,40}") {
            prop_assert!(rows(&text, ',').len() <= text.len());
        }
    }
}
