//! A YAML file as a tree whose nodes know their lines. Scalars stay as they are written, since `01067`, `yes` and `null`
//! are texts here.
//!
//! **Invariant:** nesting and aliases cost no more than [`MAX_DEPTH`] and [`MAX_COPIED`] allow, whatever the file.

use std::{borrow::Cow, collections::HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::super::{CorpusError, rows::excerpt};

/// How deep lists and tables may be nested; Rasa's own files need about ten.
const MAX_DEPTH: usize = 64;
/// What all aliases together may copy, in nodes and bytes of text: a few of them can stand for more than any memory.
const MAX_COPIED: usize = 4 << 20;

/// The furthest that a quoted text's lines are moved to the right, in characters.
const MAX_INDENTATION: usize = 1000;
/// How much is read, in bytes, where a file has to be read again and again.
const MAX_PARSED: usize = 64 << 20;

/// A list, a table or a scalar.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it begins, from 1.
    pub(super) line: usize,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    Scalar(String, ScalarStyle),
    List(Vec<Node>),
    Table(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar, as written.
    pub(super) fn scalar(&self) -> Option<&str> {
        if let Data::Scalar(text, _) = &self.data { Some(text) } else { None }
    }

    /// The text of a scalar without white space around it; none where there is nothing else.
    pub(super) fn word(&self) -> Option<&str> {
        self.scalar().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn style(&self) -> Option<ScalarStyle> {
        if let Data::Scalar(_, style) = self.data { Some(style) } else { None }
    }

    /// Whether it is a key without a value.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.data, Data::Scalar(text, ScalarStyle::Plain) if ["", "~", "null"].contains(&text.as_str()))
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        if let Data::List(items) = &self.data { Some(items) } else { None }
    }

    pub(super) fn table(&self) -> Option<&[(Self, Self)]> {
        if let Data::Table(entries) = &self.data { Some(entries) } else { None }
    }

    /// The value of a table's key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.table()?.iter().find(|(name, _)| name.scalar() == Some(key)).map(|(_, value)| value)
    }

    /// A table's keys that are scalars.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.table().unwrap_or_default().iter().filter_map(|(key, _)| key.scalar())
    }

    /// An error at this node.
    pub(super) fn error(&self, reason: impl ToString) -> CorpusError {
        CorpusError::at(self.line, reason)
    }

    /// What copying it costs.
    fn size(&self) -> usize {
        1 + match &self.data {
            Data::Scalar(text, _) => text.len(),
            Data::List(items) => items.iter().map(Self::size).sum(),
            Data::Table(entries) => entries.iter().map(|(key, value)| key.size() + value.size()).sum(),
        }
    }
}

/// The documents of a file; none where it holds only comments.
pub(super) fn load(text: &str) -> Result<Vec<Node>, CorpusError> {
    let mut text = Cow::Borrowed(text);
    let mut parsed = 0;
    loop {
        let error = match documents(&text) {
            Ok(documents) => return Ok(documents),
            Err(Unreadable::Told(error)) => return Err(error),
            Err(Unreadable::Scan(error)) => error,
        };
        // Each scalar that is indented costs reading all again.
        parsed += text.len();
        let indented = if parsed > MAX_PARSED { None } else { indented(&text, &error) };
        text = Cow::Owned(indented.ok_or_else(|| invalid(&text, &error))?);
    }
}

enum Unreadable {
    Scan(ScanError),
    Told(CorpusError),
}

fn documents(text: &str) -> Result<Vec<Node>, Unreadable> {
    let mut loader = Loader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(Unreadable::Scan)?;
        loader.event(event, span).map_err(Unreadable::Told)?;
    }
    Ok(loader.documents)
}

/// The text with the lines of a quoted scalar indented. Rasa's reader takes them at any indentation, the parser here only
/// deeper than their key; white space there means nothing.
fn indented(text: &str, error: &ScanError) -> Option<String> {
    if error.info() != "invalid indentation in quoted scalar" {
        return None;
    }
    let line = text.split_inclusive('\n').take(error.marker().line().checked_sub(1)?).map(str::len).sum::<usize>();
    let column = text.get(line..)?.char_indices().nth(error.marker().col())?.0;
    let (before, scalar) = text.split_at_checked(line + column)?;
    let quote = scalar.chars().next()?;
    // No list or table begins further to the right, and each line gets as much white space.
    let spaces = " ".repeat(Some(error.marker().col() + 1).filter(|&spaces| spaces <= MAX_INDENTATION)?);
    let mut indented = String::with_capacity(text.len() + spaces.len());
    indented.push_str(before);
    let mut characters = scalar.char_indices().skip(1).peekable();
    indented.push(quote);
    while let Some((place, character)) = characters.next() {
        indented.push(character);
        while character == '\n' && characters.next_if(|(_, next)| [' ', '\t'].contains(next)).is_some() {}
        let next = characters.peek().map(|&(_, next)| next);
        match character {
            '\\' if quote == '"' => {
                indented.extend(characters.next_if(|&(_, next)| next != '\n').map(|(_, next)| next))
            }
            '\'' if quote == '\'' && next == Some('\'') => indented.extend(characters.next().map(|(_, next)| next)),
            '\n' if !matches!(next, Some('\n' | '\r')) => indented.push_str(&spaces),
            _ if character == quote => {
                indented.push_str(scalar.get(place + 1..)?);
                return Some(indented);
            }
            _ => {}
        }
    }
    None
}

/// A list or a table that isn't complete yet.
struct Open {
    node: Node,
    anchor: usize,
    /// A table's key that waits for its value.
    key: Option<Node>,
    /// The lines of a table's keys.
    keys: HashMap<String, usize>,
}

#[derive(Default)]
struct Loader {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    copied: usize,
}

impl Loader {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), CorpusError> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, _) => {
                // What a block's span begins with is its first line that isn't empty.
                let empty =
                    if style == ScalarStyle::Literal { text.bytes().take_while(|&b| b == b'\n').count() } else { 0 };
                let line = line.saturating_sub(empty).max(1);
                self.complete(Node { line, data: Data::Scalar(text.into_owned(), style) }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(line, Data::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.begin(line, Data::Table(Vec::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.complete(open.node, open.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| CorpusError::at(line, "this alias stands within what it stands for"))?;
                let node = Node { line, ..node };
                self.count_copy(&node)?;
                self.complete(node, 0)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    /// Counts a copy, of what an anchor names or an alias stands for.
    fn count_copy(&mut self, node: &Node) -> Result<(), CorpusError> {
        self.copied += node.size();
        if self.copied > MAX_COPIED {
            return Err(CorpusError::at(node.line, "anchors and aliases stand for more than 4 MiB: write it out"));
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, data: Data, anchor: usize) -> Result<(), CorpusError> {
        if self.open.len() == MAX_DEPTH {
            return Err(CorpusError::at(line, format!("lists and tables are nested more than {MAX_DEPTH} deep here")));
        }
        self.open.push(Open { node: Node { line, data }, anchor, key: None, keys: HashMap::new() });
        Ok(())
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), CorpusError> {
        if anchor != 0 {
            self.count_copy(&node)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match (&mut open.node.data, open.key.take()) {
            (Data::List(items), _) => items.push(node),
            (Data::Table(entries), Some(key)) => entries.push((key, node)),
            (Data::Table(_), None) => {
                let line = node.line;
                let first = node.scalar().and_then(|key| open.keys.insert(key.to_owned(), line));
                if let Some(first) = first {
                    let key = node.scalar().unwrap_or_default();
                    let reason =
                        format!("'{key}' is there twice, first on line {first}: make one of the two, or rename it");
                    return Err(CorpusError::at(line, reason));
                }
                open.key = Some(node);
            }
            (Data::Scalar(..), _) => {}
        }
        Ok(())
    }
}

/// What is wrong, what stands there, and what would mend it.
fn invalid(text: &str, error: &ScanError) -> CorpusError {
    let line = error.marker().line().max(1);
    let found = text.lines().nth(line - 1).unwrap_or_default();
    let info = error.info();
    let mend = if info.contains("tab") || found.starts_with('\t') {
        "indent with spaces, not with tabs"
    } else if info.contains("mapping values") || info.contains("unexpected character") {
        "put a text that holds `: ` or begins with a sign into quotes"
    } else {
        "look at the indentation and the quotes, there and above"
    };
    CorpusError::at(line, format!("this isn't valid YAML: {info}, at '{}': {mend}", excerpt(found)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;

    #[test]
    fn scalars_stay_as_written_and_know_their_line() {
        let documents =
            load("# a\nx: 007\ny:\n- null\n- ~\n-\n- 2024-01-01\n- !!str 1.50\nz: |  # b\n\n  a\n\n  b\n").unwrap();
        let node = &documents[0];
        assert_eq!(node.get("x").and_then(Node::scalar), Some("007"));
        let items = node.get("y").unwrap().list().unwrap();
        let told: Vec<_> = items.iter().map(|item| (item.line, item.scalar().unwrap(), item.is_empty())).collect();
        let expected = [(4, "null", true), (5, "~", true), (6, "", true), (7, "2024-01-01", false), (8, "1.50", false)];
        assert_eq!(told, expected);
        assert_eq!((node.get("z").unwrap().line, node.get("z").unwrap().scalar()), (10, Some("\na\n\nb\n")));
        assert!(load("# only\n").unwrap().is_empty());
    }

    #[test]
    fn a_quoted_text_goes_on_at_any_indentation() {
        fn check(yaml: &str, expected: &str, line: usize) {
            let documents = load(yaml).unwrap_or_else(|error| unreachable!("{error}"));
            let list = documents[0].get("a").unwrap();
            assert_eq!(list.list().unwrap()[0].get("text").unwrap().scalar(), Some(expected));
            assert_eq!(documents[0].get("z").unwrap().line, line);
        }
        check("a:\n  - text: \"b \n    c\"\nz: 1\n", "b c", 4);
        check("a:\n- text: \"b \\\"\nc\n\nd\"\n  other: 'e\n''f'\nz: 1\n", "b \" c\nd", 8);
        check("a:\n- text: '你好\n  \n 你'\nz: \"b\nc\"\n", "你好\n你", 5);
    }

    #[test]
    fn an_alias_stands_for_its_anchor() {
        let documents = load("a: &x\n- b\nc: *x\n").unwrap();
        assert_eq!(documents[0].get("c").unwrap().list().unwrap()[0].scalar(), Some("b"));
    }

    #[test]
    fn faults_tell_what_stands_there_and_what_to_do() {
        fn check(text: &str, line: usize, said: &[&str]) {
            match load(text).map(|_| ()) {
                Err(CorpusError::Line { line: at, reason }) => {
                    assert!(at == line && said.iter().all(|said| reason.contains(said)), "{at}: {reason}");
                }
                other => unreachable!("{text}: {other:?}"),
            }
        }
        check("a:\n  - b: c: d\n", 2, &["- b: c: d", "into quotes"]);
        check("a:\n\t- b\n", 2, &["indent with spaces"]);
        check("a: [\n", 2, &["isn't valid YAML"]);
        check("a:\n  b: \"c\nd", 2, &["isn't valid YAML"]);
        check("a: 1\nb: 2\na: 3\n", 3, &["'a' is there twice, first on line 1"]);
        check("a: &a [*a]\n", 1, &["within what it stands for"]);
        check(&"- ".repeat(100_000), 1, &["nested more than 64 deep"]);
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..12 {
            let before = format!("*a{}", n - 1);
            bomb += &format!("a{n}: &a{n} [{}]\n", [before.as_str(); 10].join(","));
        }
        check(&bomb, 6, &["aliases"]);
        let anchors: String = (0..60).map(|n| format!("&a{n} [")).collect();
        check(&format!("{anchors}{}{}\n", "x".repeat(100_000), "]".repeat(60)), 1, &["anchors"]);
    }
}
