//! Tables: a first row that names the columns of texts and intents, in any order, among others. An empty intent is out of
//! scope. Brackets in a cell are text: nothing there is a mark.

use super::{
    Corpus, CorpusError, Reading, Reply,
    columns::{self, Found},
    rows::{Broken, Row, Rows, excerpt},
};

/// What may stand between cells. The first row shows which it is, whatever the file is called.
pub(crate) const SEPARATORS: [char; 5] = [',', ';', '\t', '|', '，'];

pub(super) fn parse(text: &str, reading: &Reading) -> Result<Corpus, CorpusError> {
    let (header, found, rows) = header(text, reading)?;
    let mut corpus = Corpus::default();
    note_columns(&header, &found, &mut corpus);
    for row in rows {
        match row {
            Ok(row) if row.cells.iter().all(|cell| cell.trim().is_empty()) => {}
            Ok(row) => match wrong_width(&row, &header) {
                Some(reason) => corpus.faults.add(row.line, reason),
                None => add(&row, &found, &mut corpus),
            },
            Err(Broken { line, reason, is_last: true }) => return Err(CorpusError::at(line, reason)),
            Err(Broken { line, reason, .. }) => corpus.faults.add(line, reason),
        }
    }
    Ok(corpus)
}

/// The row that names the columns, where they are, and the rows after it.
fn header<'t>(text: &'t str, reading: &Reading) -> Result<(Row, Found, Rows<'t>), CorpusError> {
    let (told, text, first_line) = told_separator(text);
    let candidates = SEPARATORS.iter().chain(&told).filter(|&separator| told.is_none_or(|told| told == *separator));
    let mut best: Option<(bool, Row, Result<Found, String>, Rows<'t>)> = None;
    let mut broken = None;
    for &separator in candidates {
        let mut rows = Rows::new(text, separator, first_line);
        let header = loop {
            match rows.next() {
                Some(Ok(row)) if row.cells.iter().all(|cell| cell.trim().is_empty()) => {}
                other => break other,
            }
        };
        let header = match header {
            Some(Ok(row)) => row,
            Some(Err(error)) => {
                broken = broken.or(Some(error));
                continue;
            }
            None => continue,
        };
        let names: Vec<&str> = header.cells.iter().map(String::as_str).collect();
        let found = columns::find(&names, &reading.columns, &[]);
        let rank = |is_found: bool, row: &Row| (is_found, row.cells.len());
        let is_better =
            best.as_ref().is_none_or(|(is_found, row, ..)| rank(found.is_ok(), &header) > rank(*is_found, row));
        if is_better {
            best = Some((found.is_ok(), header, found, rows));
        }
    }
    match (best, broken) {
        (Some((_, header, Ok(found), rows)), _) => Ok((header, found, rows)),
        (_, Some(Broken { line, reason, .. })) => Err(CorpusError::at(line, reason)),
        (Some((_, header, Err(reason), _)), _) => {
            let names: Vec<&str> = header.cells.iter().map(String::as_str).collect();
            let reason = format!("the first row has to name the columns, and {reason}");
            // A file of which one column is known is meant to be read; in a folder, another one isn't.
            match columns::are_known(&names) {
                true => Err(CorpusError::at(header.line, reason)),
                false => Err(CorpusError::unknown(header.line, reason)),
            }
        }
        (None, None) => Err(CorpusError::unknown(1, "there is no row in it")),
    }
}

/// What a line `sep=;` before the header tells, as spreadsheet programs write it; and the text after it, with its line.
pub(crate) fn told_separator(text: &str) -> (Option<char>, &str, usize) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut told = first.trim_end_matches('\r').trim_matches('"').strip_prefix("sep=").unwrap_or_default().chars();
    match (told.next(), told.next()) {
        (Some(separator), None) => (Some(separator), rest, 2),
        _ => (None, text, 1),
    }
}

fn note_columns(header: &Row, found: &Found, corpus: &mut Corpus) {
    let name = |at: usize| excerpt(&header.cells[at]);
    if let Some(split) = header.cells.iter().find(|cell| columns::is_split(cell)) {
        let kind = format!("the column '{}' wasn't read: rows of all parts count alike", excerpt(split));
        corpus.notes.add(kind, Some(header.line));
    }
    let replies = found.reply.map_or(String::new(), |at| format!(", the replies in '{}'", name(at)));
    let (text, intent) = (name(found.text), name(found.intent));
    if found.reply.is_some() || !columns::are_plain(&text, &intent) {
        let kind = format!("the texts were taken from the column '{text}', the intents from '{intent}'{replies}");
        corpus.notes.add(kind, None);
    }
    if let Some(at) = found.maybe_reply {
        let name = name(at);
        corpus
            .notes
            .add(format!("the column '{name}' was left out: import --reply-column {name} takes replies from it"), None);
    }
}

/// What is wrong with a row that has another number of cells than the header.
pub(crate) fn wrong_width(row: &Row, header: &Row) -> Option<String> {
    let (found, expected) = (row.cells.len(), header.cells.len());
    if found == expected {
        return None;
    }
    let cells = if found == 1 { "1 cell".to_owned() } else { format!("{found} cells") };
    let mend = match found > expected {
        true => "put a text that has a separator in it in quotes",
        false => "write all of them; a cell may be empty",
    };
    let shown: Vec<_> = row.cells.iter().take(4).map(|cell| format!("'{}'", excerpt(cell))).collect();
    let more = if found > 4 { ", …" } else { "" };
    Some(format!("there are {cells} where the header has {expected}, {}{more}: {mend}", shown.join(", ")))
}

fn add(row: &Row, found: &Found, corpus: &mut Corpus) {
    let cell = |at: usize| row.cells[at].trim();
    let (text, label) = (cell(found.text), Some(cell(found.intent)).filter(|label| !label.is_empty()));
    if text.is_empty() {
        return corpus.faults.add(row.line, "it has no text: write what a user would say, or take the row out");
    }
    corpus.add_plain(text, label, row.line);
    if let (Some(reply), Some(label)) = (found.reply.map(cell).filter(|reply| !reply.is_empty()), label) {
        corpus.replies.push(Reply::new(label, reply));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;
    use crate::corpus::{Columns, Utterance};

    fn read(text: &str) -> Result<Corpus, CorpusError> {
        parse(text, &Reading::default())
    }

    #[test]
    fn rows_are_utterances_whatever_stands_between_their_cells() {
        fn check(text: &str, expected: &[(&str, Option<&str>)]) {
            let utterance =
                |&(text, label): &(&str, Option<&str>)| Utterance { text: text.into(), label: label.map(Into::into) };
            let corpus =
                read(text).and_then(|corpus| corpus.strict().map_err(|fault| CorpusError::at(fault.line, fault)));
            assert_eq!(corpus.unwrap().utterances, expected.iter().map(utterance).collect::<Vec<_>>(), "{text}");
        }
        let two = [("hi, there", Some("greeting")), ("几点了", None)];
        check("text,intent\n\"hi, there\",greeting\n几点了,\n", &two);
        check("id\tIntent\tText\r\n1\tgreeting\thi, there\r\n2\t\t几点了\r\n", &two);
        check("text;intent\nhi, there;greeting\n几点了;\n", &two);
        check("Text | Intent\nhi, there | greeting\n几点了 |\n", &two);
        check("sep=;\r\ntext;intent\r\nhi, there;greeting\r\n几点了;\r\n", &two);
        check("文本，意图\nhi, there，greeting\n几点了，\n", &two);
        check("\n\ntext,intent\n,\n\"hi, there\",greeting\n\n几点了,\n,\n,,\n", &two);
        check("text,category\n\"two\nlines\",a\n", &[("two\nlines", Some("a"))]);
        check("text,intent,\"a;b\"\nx;y,a,\n", &[("x;y", Some("a"))]);
    }

    #[test]
    fn the_row_at_fault_is_told_and_the_others_are_read() {
        fn check(text: &str, line: usize, said: &str, others: usize) {
            let corpus = read(text).unwrap();
            let fault = corpus.faults.first().unwrap();
            assert!(fault.line == line && fault.reason.contains(said), "{fault:?}");
            assert_eq!((corpus.faults.count(), corpus.utterances.len()), (1, others), "{text}");
        }
        let told = "there are 3 cells where the header has 2, 'I want to cancel', 'please', 'cancel_order': put a text";
        check("text,intent\nhi,a\nI want to cancel, please,cancel_order\n", 3, told, 1);
        check("text,intent\nhi,a\n ,a\n", 3, "no text", 1);
        check("text,intent\n\"a\nb\",a\nhi\n", 4, "1 cell where the header has 2, 'hi'", 1);
        check("text,intent\n\"he said \"hi\"\",a\nhi,a\n", 2, "after a closing quote", 1);
        check("text,intent\nhi,a,\n", 2, "3 cells", 0);
    }

    #[test]
    fn a_file_that_cant_be_read_is_told_with_its_line() {
        fn check(text: &str, line: usize, said: &str) {
            match read(text) {
                Err(CorpusError::Line { line: at, reason }) => {
                    assert!(at == line && reason.contains(said), "{at}: {reason}");
                }
                other => unreachable!("{other:?}"),
            }
        }
        check("\ntext;x\nhi;greeting\n", 2, "there are 'text', 'x'");
        check("text,intent\nhi,a\n\"open,a\nhi,a\n", 3, "isn't closed");
        check("\"text,intent\nhi,a\n", 1, "isn't closed");
        for other in ["", "\n", "hi,greeting\n", "requests==2.0\n"] {
            assert!(matches!(read(other), Err(CorpusError::Unknown { .. })), "{other}");
        }
    }

    #[test]
    fn replies_are_taken_from_the_column_that_is_chosen() {
        let reply = Some("response".to_owned());
        let reading = Reading { columns: Columns { reply, ..Columns::default() }, ..Reading::default() };
        let corpus = parse("text,intent,response\nhi,greet,\"Hello {{Name}}\"\nyo,greet,\nx,,y\n", &reading).unwrap();
        assert_eq!(corpus.replies, [Reply::new("greet", "Hello {{Name}}")]);
        let told: Vec<_> = corpus.notes.iter().map(|note| note.kind.as_str()).collect();
        assert_eq!(
            told,
            ["the texts were taken from the column 'text', the intents from 'intent', the replies in 'response'"]
        );
    }

    #[test]
    fn brackets_are_text_and_what_looks_like_a_mark_is_noted_once() {
        let corpus = read("text,intent\n[kettle](product),a\nx [y],a\n[b](c),a\n").unwrap();
        assert_eq!((corpus.utterances[0].text.as_str(), corpus.mentions.len()), ("[kettle](product)", 0));
        let note = corpus.notes.iter().last().unwrap();
        assert!(note.kind.contains("looks like a mark"), "{note}");
        assert_eq!((note.count, note.line), (2, Some(2)));
    }
}
