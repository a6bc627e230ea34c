//! A layer from TOML text: sections with keys, and nothing deeper.
//!
//! The text is parsed here rather than by the `config` crate, whose error shows the line that it couldn't parse; a
//! password may stand there. Besides, this way every key's line is known.

use toml::de::{DeTable, DeValue};

use super::{
    Key, Origin, Problem,
    layer::{Entry, Layer, Raw},
};

/// The layer in `text`, and what is wrong with it; `origin` is that of a line, counted from 1.
pub(super) fn parse(text: &str, origin: impl Fn(usize) -> Origin) -> (Layer, Vec<Problem>) {
    let origin = |offset: usize| origin(1 + text.bytes().take(offset).filter(|&b| b == b'\n').count());
    let mut layer = Layer::default();
    let mut problems = Vec::new();

    let document = match DeTable::parse(text) {
        Ok(document) => document.into_inner(),
        Err(error) => {
            let at = origin(error.span().map_or(0, |span| span.start));
            let message = format!("not valid TOML: {} (a setting looks like: key = \"value\")", error.message());
            return (layer, vec![Problem::new(at, None, message)]);
        }
    };
    for (section, content) in document {
        let at = origin(section.span().start);
        let DeValue::Table(table) = content.into_inner() else {
            let name = section.into_inner().into_owned();
            let message = "a setting belongs in a section: put it beneath a line such as [log]";
            problems.push(Problem::new(at, Some(name), message));
            continue;
        };
        for (name, value) in table {
            let key = Key::new(section.get_ref().as_ref(), name.get_ref().as_ref());
            let at = origin(name.span().start);
            if !key.is_well_formed() {
                let message = "unknown: sections and settings have names of a-z, 0-9 and _";
                problems.push(Problem::new(at, Some(key.to_string()), message));
                continue;
            }
            match raw(value.into_inner()) {
                Some(raw) => layer.insert(key, Entry { raw, origin: at }),
                None => {
                    let message =
                        "neither one value nor a list of values: write key = \"value\" or key = [\"a\", \"b\"]";
                    problems.push(Problem::new(at, Some(key.to_string()), message));
                }
            }
        }
    }
    (layer, problems)
}

/// The value as text, or a list of texts; `None` if it holds a table, or a list within a list.
fn raw(value: DeValue<'_>) -> Option<Raw> {
    match value {
        DeValue::Array(items) => {
            items.into_iter().map(|item| text(item.into_inner())).collect::<Option<_>>().map(Raw::List)
        }
        other => text(other).map(Raw::Text),
    }
}

fn text(value: DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.into_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let (layer, problems) = parse(text, |line| Origin::File { path: "f.toml".into(), line });
        let entries = layer.iter().map(|(key, entry)| {
            let Origin::File { line, .. } = &entry.origin else { return String::from("not from the file") };
            match &entry.raw {
                Raw::Text(text) => format!("{line} {key}={text}"),
                Raw::List(items) => format!("{line} {key}={items:?}"),
            }
        });
        (entries.collect(), problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn values_keep_their_text_and_their_line() {
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(read(text), (expected.iter().map(|&e| e.to_owned()).collect(), vec![]), "{text}");
        }
        check("", &[]);
        check("[a]\n[b]", &[]);
        check("# c\n[a]\nb = \"x\"\n\nc = 5", &["3 a.b=x", "5 a.c=5"]);
        check("[a]\nb = 0.50\nc = true\nd = 0x1f", &["2 a.b=0.50", "3 a.c=true", "4 a.d=0x1f"]);
        check("a.b = [1, \"x\"]", &["1 a.b=[\"1\", \"x\"]"]);
        check("[a]\nb = \"\"\nc = \" \"\nd = []", &["4 a.d=[]"]);
    }

    #[test]
    fn what_is_no_setting_is_named_with_its_line_and_without_its_value() {
        fn check(text: &str, expected: &str) {
            let (_, problems) = read(text);
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(problems[0].starts_with(expected), "{text}: {problems:?}");
            assert!(!problems[0].contains("s3cret"), "{text}: {problems:?}");
            assert!(!problems[0].contains('\n'), "{text}: {problems:?}");
        }
        check("[a]\nurl = \"amqp://u:s3cret@h\nb = 1", "f.toml:2: not valid TOML: ");
        check("[a]\nurl = amqp://u:s3cret@h", "f.toml:2: not valid TOML: ");
        check("[a]\nb = 1\nb = 's3cret'", "f.toml:3: not valid TOML: duplicate key");
        check("\nurl = 's3cret'", "f.toml:2: url: a setting belongs in a section");
        check("[a.b]\nc = 's3cret'", "f.toml:1: a.b: neither one value nor a list");
        check("[a]\nb = [['s3cret']]", "f.toml:2: a.b: neither one value nor a list");
        check("[a]\n\"b[0]\" = 's3cret'", "f.toml:2: a.b[0]: unknown");
        check("[a]\n\"b\\nc\" = 's3cret'", "f.toml:2: a.b\\nc: unknown");
    }
}
