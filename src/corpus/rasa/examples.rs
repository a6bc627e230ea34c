//! The examples of an entry of `nlu`: a block of text with `- ` before each, or a list.

use saphyr_parser::ScalarStyle;

use super::{
    super::{CorpusError, Notes},
    NO_DASH,
    yaml::Node,
};

/// One example, as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Example {
    /// The text; not only white space.
    pub(super) text: String,
    /// Where it begins, from 1.
    pub(super) line: usize,
}

/// The examples of an entry.
pub(super) fn read(node: &Node, notes: &mut Notes) -> Result<Vec<Example>, CorpusError> {
    if let Some(text) = node.scalar() {
        if node.style() == Some(ScalarStyle::Folded) && text.contains("- ") {
            return Err(node.error("`>` makes one line of the examples: write `examples: |`"));
        }
        return Ok(listed(node, text, notes));
    }
    let list = node.list().ok_or_else(|| node.error("examples has to be a list, or a text after `|`"))?;
    let mut examples = Vec::with_capacity(list.len());
    for item in list.iter().filter(|item| item.scalar() != Some("")) {
        let node = item.get("text").unwrap_or(item);
        let text = node.scalar().ok_or_else(|| {
            let keys = item.keys().collect::<Vec<_>>().join(", ");
            let there = if keys.is_empty() { String::new() } else { format!(", and here stands {keys}") };
            item.error(format!("an example is a text, or has one after `text:`{there}"))
        })?;
        // Rasa 2 wrote the dash of a list within the text, too.
        if node.style() == Some(ScalarStyle::Literal) && text.trim_start().starts_with("- ") {
            examples.extend(listed(node, text, notes));
        } else if let Some(text) = Some(one_line(text)).filter(|text| !text.is_empty()) {
            examples.push(Example { text, line: node.line });
        }
    }
    Ok(examples)
}

/// The examples of a block. Its lines are the file's, so that each example knows its own.
fn listed(node: &Node, text: &str, notes: &mut Notes) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (offset, line) in text.lines().enumerate() {
        let number = if node.style() == Some(ScalarStyle::Literal) { node.line + offset } else { node.line };
        let indented = line.starts_with([' ', '\t']);
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let item = content.strip_prefix('-').filter(|rest| !indented || rest.is_empty() || rest.starts_with(' '));
        match (item, examples.last_mut()) {
            (Some(text), _) => examples.push(Example { text: text.trim().to_owned(), line: number }),
            (None, Some(before)) if indented => {
                before.text = format!("{} {content}", before.text).trim().to_owned();
                notes.add("a text that goes on in the next line is joined with it", Some(number));
            }
            (None, _) => notes.add(NO_DASH, Some(number)),
        }
    }
    examples.retain(|example| !example.text.is_empty());
    examples
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::{super::yaml, *};

    fn check(yaml: &str, expected: &[(&str, usize)], told: &[&str]) {
        let documents = yaml::load(yaml).unwrap();
        let mut notes = Notes::default();
        let examples = read(documents[0].get("examples").unwrap(), &mut notes).unwrap();
        let found: Vec<_> = examples.iter().map(|example| (example.text.as_str(), example.line)).collect();
        assert_eq!(found, expected, "{yaml}");
        notes.found_in("f");
        let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, told, "{yaml}");
    }

    #[test]
    fn a_block_has_an_example_a_line() {
        check(
            "examples: |\n\n  - #1 complaint: late\n  # - not this\n  - a: b\n\n  -c\n  -\n  - - d\n   - e\n",
            &[("#1 complaint: late", 3), ("a: b", 5), ("c", 7), ("- d", 9), ("e", 10)],
            &[],
        );
        check("examples: \"- a\\n- b\\n\"\n", &[("a", 1), ("b", 1)], &[]);
        check("examples: |\r\n  - a\r\n  - b\r\n", &[("a", 2), ("b", 3)], &[]);
        check("examples: |\n  - a\n", &[("a", 2)], &[]);
    }

    #[test]
    fn a_text_over_two_lines_is_one_example() {
        check(
            "examples: |\n  - I'd like\n    to pay\n  - -5\n  no dash\n",
            &[("I'd like to pay", 2), ("-5", 4)],
            &[
                "a text that goes on in the next line is joined with it (f:3)",
                "a line without `- ` before it isn't an example, and is left out (f:5)",
            ],
        );
    }

    #[test]
    fn a_list_has_texts_as_written() {
        check(
            "examples:\n- 01067\n- 2.5\n- yes\n- true\n- null\n- 2024-01-01\n- ''\n-\n- \"- 5 degrees\"\n",
            &[("01067", 2), ("2.5", 3), ("yes", 4), ("true", 5), ("null", 6), ("2024-01-01", 7), ("- 5 degrees", 10)],
            &[],
        );
        check(
            "examples:\n- text: |\n    who are\n    you\n  metadata:\n    sentiment: neutral\n- text: |\n    - a\n- text: 1.50\n",
            &[("who are you", 3), ("a", 8), ("1.50", 9)],
            &[],
        );
    }

    #[test]
    fn what_holds_no_examples_is_refused_with_its_line() {
        for (yaml, line, said) in [
            ("examples: >\n  - a\n  - b\n", 2, "write `examples: |`"),
            ("examples: {}\n", 1, "a list, or a text"),
            ("examples:\n- a\n- txt: b\n", 3, "here stands txt"),
        ] {
            let documents = yaml::load(yaml).unwrap();
            let error = read(documents[0].get("examples").unwrap(), &mut Notes::default()).unwrap_err();
            assert!(
                matches!(&error, CorpusError::Line { line: at, reason } if *at == line && reason.contains(said)),
                "{error}"
            );
        }
    }
}
