//! Version 1's training data, `nlu.md`: `## intent:greet`, and under it an example after each `- `.

use super::{
    super::{Corpus, CorpusError},
    NO_DASH,
    nlu::{self, KINDS},
};

pub(in crate::corpus) fn parse(text: &str) -> Result<Corpus, CorpusError> {
    let mut corpus = Corpus::default();
    let mut section = None;
    let mut known = false;
    for (number, line) in (1..).zip(without_comments(text).lines()) {
        let line = line.trim();
        if line.starts_with('#') {
            section = heading(line);
            known |= section.is_some();
        } else if let Some((kind, name)) = section.filter(|_| !line.is_empty()) {
            match line.strip_prefix(['-', '*', '+']).map(str::trim) {
                Some("") => {}
                Some(example) => nlu::add(kind, name, example.to_owned(), number, &mut corpus),
                None if kind == "lookup" => {
                    corpus.notes.add("a lookup table in a file of its own isn't read: list its words", Some(number));
                }
                None => {
                    corpus.notes.add(NO_DASH, Some(number));
                }
            }
        }
    }
    if known {
        Ok(corpus)
    } else {
        let first = text.lines().next().unwrap_or_default();
        let first: String = first.chars().take(60).collect();
        let reason =
            "this is no training data of Rasa's: a heading such as '## intent:greet' isn't in it, and it begins with";
        Err(CorpusError::unknown(1, format!("{reason} '{first}'")))
    }
}

/// The kind and the name of `## intent:greet`.
fn heading(line: &str) -> Option<(&'static str, &str)> {
    let (kind, name) = line.strip_prefix("##")?.split_once(':')?;
    let kind = KINDS.into_iter().find(|known| *known == kind.trim())?;
    Some((kind, name.trim())).filter(|(_, name)| !name.is_empty())
}

/// The text without `<!-- … -->`, line by line as before.
fn without_comments(text: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, comment)) = rest.split_once("<!--") {
        kept.push_str(before);
        let (inside, after) = comment.split_once("-->").unwrap_or((comment, ""));
        kept.extend(inside.matches('\n'));
        rest = after;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;

    #[test]
    fn headings_have_examples_under_them() {
        let corpus = parse(
            "<!-- two\nlines -->\n## intent:greet\n- hey <!-- you -->\n-hello\n\n##intent: faq/ask_name\n* who are [you](person:bot)?\n+ who\n\
             no dash\n## synonym:bot\n- robot\n## regex:zip\n- \\d{5}\n## lookup:city\ndata/cities.txt\n- Rome\n## story\n- x\n",
        )
        .unwrap();
        let said: Vec<_> = corpus.utterances.iter().map(|it| (&*it.text, it.label.as_deref().unwrap())).collect();
        let expected =
            [("hey", "greet"), ("hello", "greet"), ("who are you?", "faq/ask_name"), ("who", "faq/ask_name")];
        assert_eq!(said, expected);
        let first = |words: &[crate::corpus::Word]| {
            words.iter().map(|it| format!("{}: {}", it.of, it.text)).collect::<Vec<_>>()
        };
        assert_eq!(first(&corpus.synonyms), ["bot: robot"]);
        assert_eq!(first(&corpus.patterns), ["zip: \\d{5}"]);
        assert_eq!(first(&corpus.lookups), ["city: Rome"]);
        let told: Vec<_> = corpus.notes.iter().map(|note| (note.kind.as_str(), note.line)).collect();
        let expected = [
            ("a line without `- ` before it isn't an example, and is left out", Some(10)),
            ("a lookup table in a file of its own isn't read: list its words", Some(16)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn other_markdown_is_refused_with_how_it_begins() {
        let error = parse("# My bot\n\n## Install\n- x\n").unwrap_err();
        assert!(matches!(&error, CorpusError::Unknown { line: 1, reason } if reason.contains("'# My bot'")), "{error}");
    }
}
