//! Markdown (CommonMark, with tables and front matter): its headings and paragraphs, its questions and their answers.

use pulldown_cmark::{Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};

use super::{dialects, document::Document, faq, html, lines::Lines};
use crate::knowledge::terms::Script;

/// Reads a document.
pub(super) fn read(text: &str) -> Document {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let text = dialects::as_markdown(text);
    let lines = Lines::of(&text);
    let mut reader = Reader::default();
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        reader.take(event, lines.line(range.start));
    }
    reader.end_block();
    reader.end_question();
    reader.document
}

/// A question whose answer may be the next paragraph.
struct Asked {
    question: String,
    /// As it is written.
    text: String,
    line: usize,
}

#[derive(Default)]
struct Reader {
    document: Document,
    /// What is being read, and where it began.
    text: String,
    line: usize,
    /// Where a line of the source begins in it.
    breaks: Vec<usize>,
    asked: Option<Asked>,
    /// How deep in lists, and tables.
    depth: usize,
    /// Within front matter.
    is_front: bool,
    html: String,
    /// The cells of a table's head, and of the row that is read.
    head: Vec<String>,
    row: Vec<String>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, line: usize) {
        if self.text.is_empty() && self.html.is_empty() {
            self.line = line;
        }
        match event {
            Event::Start(tag) => self.start(&tag, line),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.is_front => self.front(&text),
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text.push_str(&text);
            }
            Event::SoftBreak => {
                // Chinese that is broken into lines has no spaces between them.
                if !self.text.ends_with(|c| Script::of(c) == Script::Ideographs || matches!(c, '，' | '。' | '、')) {
                    self.text.push(' ');
                }
                self.breaks.push(self.text.len());
            }
            Event::HardBreak => self.text.push('\n'),
            Event::Html(html) => self.html.push_str(&html),
            Event::InlineHtml(tag) => {
                if tag.to_ascii_lowercase().starts_with("<br") {
                    self.text.push('\n');
                }
            }
            Event::FootnoteReference(_) | Event::TaskListMarker(_) | Event::Rule => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, line: usize) {
        match tag {
            Tag::Heading { .. } | Tag::CodeBlock(_) | Tag::HtmlBlock if self.depth == 0 => {
                self.end_block();
                self.line = line;
            }
            Tag::Paragraph if self.depth == 0 => self.end_block(),
            Tag::List(_) | Tag::DefinitionList => {
                if self.depth == 0 && !self.text.trim_end().ends_with([':', '：']) {
                    self.end_block();
                } else {
                    self.new_line();
                }
                self.depth += 1;
            }
            Tag::Item => {
                self.new_line();
                self.text.push_str("- ");
            }
            Tag::DefinitionListTitle | Tag::DefinitionListDefinition => self.new_line(),
            Tag::Table(_) => {
                self.end_block();
                self.depth += 1;
            }
            Tag::TableCell => self.row.push(std::mem::take(&mut self.text)),
            Tag::MetadataBlock(MetadataBlockKind::YamlStyle | MetadataBlockKind::PlusesStyle) => self.is_front = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) if self.depth == 0 => {
                let heading = std::mem::take(&mut self.text);
                self.breaks.clear();
                self.end_question();
                self.document.heading(level as u8, &heading.replace('\n', " "));
            }
            // What leads to a list stays with it.
            TagEnd::Paragraph if self.depth == 0 && !self.text.trim_end().ends_with([':', '：']) => self.end_block(),
            TagEnd::Paragraph | TagEnd::CodeBlock | TagEnd::Heading(_) if self.depth > 0 => self.new_line(),
            TagEnd::CodeBlock => self.end_block(),
            TagEnd::HtmlBlock => {
                let html = std::mem::take(&mut self.html);
                self.end_question();
                html::read_into(&html, &mut self.document, self.line);
            }
            TagEnd::List(_) | TagEnd::DefinitionList => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.end_block();
                }
            }
            TagEnd::TableCell => {
                if let Some(cell) = self.row.last_mut() {
                    *cell = std::mem::take(&mut self.text).trim().to_owned();
                }
            }
            TagEnd::TableHead => self.head = std::mem::take(&mut self.row),
            TagEnd::TableRow => {
                let row = std::mem::take(&mut self.row);
                let text = row_text(&self.head, &row);
                self.end_question();
                self.document.paragraph(&text, self.line);
            }
            TagEnd::Table => {
                self.depth = self.depth.saturating_sub(1);
                self.head.clear();
            }
            TagEnd::MetadataBlock(_) => self.is_front = false,
            _ => {}
        }
    }

    fn new_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn end_block(&mut self) {
        let text = std::mem::take(&mut self.text);
        let lines = lines_of(&text, &std::mem::take(&mut self.breaks));
        if text.trim().is_empty() {
            return;
        }
        if let Some(pairs) = faq::pairs(&lines) {
            self.end_question();
            for (question, answer) in pairs {
                match answer.is_empty() {
                    true => self.asked = Some(Asked { question, text: text.clone(), line: self.line }),
                    false => self.document.question(&question, &answer, self.line),
                }
            }
            return;
        }
        let answer = lines.first().and_then(|line| faq::answer(line));
        if let Some(begin) = answer
            && let Some(asked) = self.asked.take()
        {
            let lines: Vec<&str> = std::iter::once(begin).chain(lines[1..].iter().map(|line| line.trim())).collect();
            return self.document.question(&asked.question, &lines.join("\n"), asked.line);
        }
        self.end_question();
        self.document.paragraph(&text, self.line);
    }

    /// What looked like a question is a paragraph, where nothing that answers follows.
    fn end_question(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.document.paragraph(&asked.text, asked.line);
        }
    }

    /// The title, of all that a front matter may say.
    fn front(&mut self, text: &str) {
        for line in text.lines() {
            let value = line.split_once([':', '=']).filter(|(key, _)| key.trim() == "title").map(|(_, value)| value);
            if let Some(title) = value.map(|value| value.trim().trim_matches(['"', '\''])).filter(|it| !it.is_empty()) {
                self.document.title = Some(title.to_owned());
            }
        }
    }
}

/// The lines of a text as they were written: those that begin at these places, or behind a line's end.
fn lines_of<'t>(text: &'t str, breaks: &[usize]) -> Vec<&'t str> {
    let (mut from, mut lines) = (0, Vec::new());
    for at in breaks.iter().copied().chain([text.len()]) {
        lines.extend(text.get(from..at).unwrap_or_default().lines());
        from = at;
    }
    lines
}

/// A table's row, each cell after the name of its column.
pub(super) fn row_text(head: &[String], row: &[String]) -> String {
    let cells = row.iter().enumerate().filter(|(_, cell)| !cell.trim().is_empty());
    let named =
        |(at, cell): (usize, &String)| match head.get(at).map(|name| name.trim()).filter(|name| !name.is_empty()) {
            Some(name) => format!("{name}: {}", cell.trim()),
            None => cell.trim().to_owned(),
        };
    cells.map(named).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passages(text: &str) -> Vec<(String, String, usize)> {
        let document = read(text);
        let passages = document.passages(&"a.md".into());
        passages.into_iter().map(|it| (it.id.to_string(), it.text, it.line)).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        fn check(text: &str, expected: &str) {
            let read = passages(text).into_iter().map(|(id, text, line)| format!("{id}:{line}: {text}"));
            assert_eq!(read.collect::<Vec<_>>().join("\n\n"), expected, "{text}");
        }
        check("---\ntitle: T\ntags: [x]\n---\n\nHello *you*,\nwe `run`.\n", "a.md:6: Hello you, we run.");
        check("Title\n=====\n\nText [here](http://x).\n", "a.md#title:4: Text here.");
        check("# A\n\nSteps:\n\n1. one\n2. two\n   - three\n", "a.md#a:3: Steps:\n- one\n- two\n- three");
        check("# A\n\n```sh\n# no heading\nls -l\n```\n", "a.md#a:4: # no heading\nls -l");
        check(
            "# A\n\n| Size | Price |\n| --- | --- |\n| S | 5 |\n| L | 9 |\n",
            "a.md#a:5: Size: S; Price: 5\nSize: L; Price: 9",
        );
        check(
            "# A\n\n<details><summary>Why?</summary>\n<p>Because &amp; so.</p></details>\n",
            "a.md#a:3: Why?\nBecause & so.",
        );
        check("# 退货\n\n三十天内\n可以退货。\n", "a.md#退货:3: 三十天内可以退货。");
        check("# A\n\n> Quoted.\n\n![alt text](x.png)\n\n- [ ] task\n", "a.md#a:3: Quoted.\nalt text\n- task");
        check("!!! note \"Holidays\"\n    Nothing is shipped.\n", "a.md:1: Holidays\nNothing is shipped.");
        check(":::tip Pro tip\n\nPaused.\n\n:::\n", "a.md:1: Pro tip\nPaused.");
        check("# A #\n## B\n", "");
        check("", "");
    }

    #[test]
    fn a_list_of_questions_is_a_passage_each() {
        fn check(text: &str, expected: &[(&str, &[&str], &str)]) {
            let passages = read(text).passages(&"a.md".into());
            let found: Vec<(&str, Vec<&str>, &str)> = passages
                .iter()
                .map(|it| (&*it.id, it.questions.iter().map(String::as_str).collect(), it.text.as_str()))
                .collect();
            let expected: Vec<_> =
                expected.iter().map(|(id, questions, text)| (*id, questions.to_vec(), *text)).collect();
            assert_eq!(found, expected, "{text}");
        }
        check(
            "# FAQs\n\n**Q: How long?**\nA: Two days.\n\n**Q:** Why?\n\n**A:** So.\n\n- one\n\n## B\n\nText.\n",
            &[
                ("a.md#how-long", &["How long?"], "Two days."),
                ("a.md#why", &["Why?"], "So.\n- one"),
                ("a.md#b", &[], "Text."),
            ],
        );
        check(
            "**问：**多久？\n答：两天。\n\nQ1. Where?\nA1. Here.\nQ2. When?\nA2. Now.\n",
            &[
                ("a.md#多久", &["多久？"], "两天。"),
                ("a.md#where", &["Where?"], "Here."),
                ("a.md#when", &["When?"], "Now."),
            ],
        );
        check("Q1: five percent.\n\nMore.\n", &[("a.md", &[], "Q1: five percent.\nMore.")]);
        check("Vitamin\nA: healthy.\n", &[("a.md", &[], "Vitamin A: healthy.")]);
        check("Q: Why?\n", &[("a.md", &[], "Q: Why?")]);
    }
}
