//! JSON lines: `{"text": …, "intent": … | null}`, where null is out of scope.

use serde::{Deserialize, Deserializer};

use super::{Corpus, CorpusError, Reading, Utterance};

#[derive(Deserialize)]
struct Line {
    text: String,
    #[serde(deserialize_with = "there")]
    intent: Option<String>,
}

/// An intent that may be null, but not left out: serde takes the one for the other unless it is told.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

pub(super) fn parse(text: &str, _: &Reading) -> Result<Corpus, CorpusError> {
    let mut utterances = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let Line { text, intent } = serde_json::from_str(line).map_err(|error| {
            CorpusError::at(
                number,
                format!("{error}; a line is {{\"text\": \"…\", \"intent\": \"…\"}}, or null for out of scope"),
            )
        })?;
        if text.trim().is_empty() {
            return Err(CorpusError::at(
                number,
                "the text is empty: write what a user would say, or take the line out",
            ));
        }
        if intent.as_ref().is_some_and(|intent| intent.trim().is_empty()) {
            return Err(CorpusError::at(number, "the intent is empty: name it, or write null for out of scope"));
        }
        utterances.push(Utterance { text, label: intent });
    }
    Ok(Corpus { utterances, ..Corpus::default() })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Corpus, CorpusError, Format, Utterance},
        *,
    };

    #[test]
    fn a_line_is_an_utterance() {
        let text = "\u{feff}{\"text\": \"where is it\", \"intent\": \"order\"}\r\n\n{\"intent\":null,\"text\":\"几点了\",\"x\":1}\n";
        let utterance = |text: &str, label: Option<&str>| Utterance { text: text.into(), label: label.map(Into::into) };
        let expected = vec![utterance("where is it", Some("order")), utterance("几点了", None)];
        assert_eq!(
            Corpus::parse(Format::Json, text, &Reading::default()),
            Ok(Corpus { utterances: expected, ..Corpus::default() })
        );
    }

    #[test]
    fn the_line_at_fault_is_told() {
        fn check(text: &str, line: usize, said: &str) {
            match parse(text, &Reading::default()) {
                Err(CorpusError::Line { line: at, reason }) => assert!(at == line && reason.contains(said), "{reason}"),
                other => unreachable!("{other:?}"),
            }
        }
        check("{\"text\":\"a\",\"intent\":null}\n\n[]", 3, "a line is");
        check("{\"text\":\"a\"}", 1, "missing field `intent`");
        check("{\"text\":\" \",\"intent\":null}", 1, "the text is empty");
        check("{\"text\":\"a\",\"intent\":\"\"}", 1, "the intent is empty");
    }
}
