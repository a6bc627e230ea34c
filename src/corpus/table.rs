//! CSV and TSV: a first row that names the columns `text` and `intent`, in any order, among others. An empty intent is
//! out of scope.

use super::{Corpus, CorpusError, Reading, Utterance};

/// What the column of texts is called, and …
const TEXT: [&str; 5] = ["text", "utterance", "sentence", "query", "文本"];
/// … the column of intents.
const INTENT: [&str; 5] = ["intent", "label", "category", "class", "意图"];

pub(super) fn parse(text: &str, _: &Reading) -> Result<Corpus, CorpusError> {
    let delimiter = if text.lines().next().unwrap_or_default().contains('\t') { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| CorpusError::at(1, error))?.clone();
    let column = |names: [&str; 5]| {
        header.iter().position(|cell| names.contains(&cell.trim().to_lowercase().as_str())).ok_or_else(|| {
            CorpusError::at(
                1,
                format!("the first row has to name the columns, and none is called {}", names.join(" or ")),
            )
        })
    };
    let (texts, intents) = (column(TEXT)?, column(INTENT)?);
    let mut utterances = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| {
            let line = error.position().map_or(1, csv::Position::line);
            CorpusError::at(usize::try_from(line).unwrap_or(usize::MAX), error)
        })?;
        let line = row.position().map_or(1, csv::Position::line);
        let fault = |reason: &str| CorpusError::at(usize::try_from(line).unwrap_or(usize::MAX), reason);
        let text = row.get(texts).map(str::trim).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| fault("it has no text: write what a user would say, or take the row out"))?;
        let intent =
            row.get(intents).ok_or_else(|| fault("it has no cell for the intent; leave it empty for out of scope"))?;
        let label = Some(intent.trim()).filter(|intent| !intent.is_empty());
        utterances.push(Utterance { text: text.to_owned(), label: label.map(str::to_owned) });
    }
    Ok(Corpus { utterances, ..Corpus::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_utterances() {
        fn check(text: &str, delimiter: u8, expected: &[(&str, Option<&str>)]) {
            let utterances = expected
                .iter()
                .map(|&(text, label)| Utterance { text: text.into(), label: label.map(Into::into) })
                .collect();
            assert_eq!(parse(text, &Reading::default()), Ok(Corpus { utterances, ..Corpus::default() }), "{text}");
        }
        let two = [("hi, there", Some("greeting")), ("几点了", None)];
        check("text,intent\n\"hi, there\",greeting\n几点了,\n", b',', &two);
        check("id\tIntent\tText\r\n1\tgreeting\thi, there\r\n2\t\t几点了\r\n", b'\t', &two);
        check("text,category\n\"two\nlines\",a\n", b',', &[("two\nlines", Some("a"))]);
        check("文本,意图\n退货,退货\n", b',', &[("退货", Some("退货"))]);
    }

    #[test]
    fn the_row_at_fault_is_told() {
        fn check(text: &str, line: usize, said: &str) {
            match parse(text, &Reading::default()) {
                Err(CorpusError::Line { line: at, reason }) => {
                    assert!(at == line && reason.contains(said), "{at}: {reason}");
                }
                other => unreachable!("{other:?}"),
            }
        }
        check("hi,greeting\n", 1, "none is called text");
        check("text,x\nhi,greeting\n", 1, "none is called intent");
        check("text,intent\nhi,a\n ,a\n", 3, "no text");
        check("text,intent\n\"a\nb\",a\nhi\n", 4, "no cell for the intent");
    }
}
