//! The text of HTML: title, headings, paragraphs, lists and tables. No scripts, styles, menus or forms.
//!
//! **Invariant:** any bytes are HTML: the tokenizer is the WHATWG's, which has no errors that end it.

use html5gum::{DefaultEmitter, HtmlString, State, Token, Tokenizer};

use super::{document::Document, lines::Lines, markdown::row_text};

/// Elements whose text is no part of what a page says.
const SKIPPED: [&str; 16] = [
    "script", "style", "nav", "header", "footer", "aside", "noscript", "template", "svg", "form", "button", "select",
    "textarea", "iframe", "object", "canvas",
];
/// Elements that stand by themselves.
const BLOCKS: [&str; 26] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "body",
    "html",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "blockquote",
    "pre",
    "figure",
    "figcaption",
    "details",
    "summary",
    "address",
    "hr",
    "fieldset",
    "center",
];

/// Reads a page.
pub(super) fn read(text: &str) -> Document {
    let mut document = Document::default();
    read_into(text, &mut document, 1);
    document
}

/// Adds what a part of a page says, that begins on that line.
pub(super) fn read_into(text: &str, document: &mut Document, line: usize) {
    let lines = Lines::of(text);
    let mut reader = Reader {
        document,
        text: String::new(),
        line,
        line_now: line,
        skipped: Vec::new(),
        heading: None,
        in_title: false,
        in_pre: false,
        head: Vec::new(),
        row: None,
        row_is_head: false,
    };
    let mut tokens = Tokenizer::new_with_emitter(text, DefaultEmitter::<usize>::new_with_span());
    while let Some(Ok(token)) = tokens.next() {
        match token {
            Token::StartTag(tag) => {
                let name = name(&tag.name);
                reader.line_now = line + lines.line(tag.span.start) - 1;
                // In these, what looks like a tag is text.
                match name.as_str() {
                    "title" | "textarea" => tokens.set_state(State::RcData),
                    "style" | "iframe" | "noscript" | "xmp" => tokens.set_state(State::RawText),
                    "script" => tokens.set_state(State::ScriptData),
                    _ => {}
                }
                if !tag.self_closing || !SKIPPED.contains(&name.as_str()) {
                    reader.start(&name);
                }
            }
            Token::EndTag(tag) => reader.end(&name(&tag.name)),
            Token::String(text) => {
                reader.line_now = line + lines.line(text.span.start) - 1;
                reader.text(&String::from_utf8_lossy(&text.value));
            }
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    reader.end_block();
}

fn name(name: &HtmlString) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

struct Reader<'d> {
    document: &'d mut Document,
    text: String,
    line: usize,
    line_now: usize,
    /// The elements that are passed over, and have yet to end.
    skipped: Vec<String>,
    heading: Option<u8>,
    in_title: bool,
    in_pre: bool,
    head: Vec<String>,
    row: Option<Vec<String>>,
    row_is_head: bool,
}

impl Reader<'_> {
    fn start(&mut self, name: &str) {
        if !self.skipped.is_empty() || SKIPPED.contains(&name) {
            if SKIPPED.contains(&name) {
                self.skipped.push(name.to_owned());
            }
            return;
        }
        match (name, level(name)) {
            (_, Some(level)) => {
                self.end_block();
                self.heading = Some(level);
            }
            ("title", _) => {
                self.end_block();
                self.in_title = true;
            }
            ("br", _) => self.text.push('\n'),
            ("li", _) => {
                self.new_line();
                self.text.push_str("- ");
            }
            ("tr", _) => {
                self.end_block();
                self.row = Some(Vec::new());
                self.row_is_head = true;
            }
            ("td" | "th", _) => {
                self.end_cell();
                self.row_is_head &= name == "th";
            }
            ("table", _) => {
                self.end_block();
                self.head.clear();
            }
            ("ul" | "ol", _) => self.new_line(),
            ("p" | "div", _) if self.text.ends_with("- ") => {}
            _ if BLOCKS.contains(&name) => {
                self.end_block();
                self.in_pre = name == "pre";
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if let Some(at) = self.skipped.iter().rposition(|skipped| skipped == name) {
            self.skipped.truncate(at);
            return;
        }
        if !self.skipped.is_empty() {
            return;
        }
        match (name, level(name)) {
            (_, Some(_)) => {
                let heading = std::mem::take(&mut self.text);
                if let Some(level) = self.heading.take() {
                    self.document.heading(level, &spaced(&heading));
                }
            }
            ("title", _) => {
                let title = spaced(&std::mem::take(&mut self.text));
                if self.in_title && self.document.title.is_none() && !title.is_empty() {
                    self.document.title = Some(title);
                }
                self.in_title = false;
            }
            ("td" | "th", _) => self.end_cell(),
            ("tr" | "table", _) => self.end_row(),
            ("li", _) => self.new_line(),
            _ if BLOCKS.contains(&name) && self.row.is_none() => self.end_block(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if !self.skipped.is_empty() {
            return;
        }
        if self.text.is_empty() {
            self.line = self.line_now + text.chars().take_while(|c| c.is_whitespace()).filter(|c| *c == '\n').count();
        }
        if self.in_pre {
            self.text.push_str(text);
            return;
        }
        for c in text.chars() {
            match c {
                c if c.is_whitespace() => {
                    if !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
                        self.text.push(' ');
                    }
                }
                c => self.text.push(c),
            }
        }
    }

    fn new_line(&mut self) {
        let length = self.text.trim_end().len();
        self.text.truncate(length);
        if length > 0 {
            self.text.push('\n');
        }
    }

    /// Ends a cell of a table's row, where there is one.
    fn end_cell(&mut self) {
        if let Some(row) = &mut self.row
            && !self.text.trim().is_empty()
        {
            row.push(spaced(&std::mem::take(&mut self.text)));
        }
    }

    fn end_row(&mut self) {
        self.end_cell();
        let Some(row) = self.row.take() else { return };
        if self.row_is_head && self.head.is_empty() && row.len() > 1 {
            self.head = row;
        } else {
            self.document.paragraph(&row_text(&self.head, &row), self.line);
        }
    }

    fn end_block(&mut self) {
        if self.row.is_some() {
            // Within a cell, paragraphs are its lines.
            if !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
                self.text.push(' ');
            }
            return;
        }
        self.in_pre = false;
        let text = std::mem::take(&mut self.text);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        self.document.paragraph(&lines.join("\n"), self.line);
    }
}

fn level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', level @ b'1'..=b'6'] => Some(level - b'0'),
        _ => None,
    }
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let passages = read(text).passages(&"a.html".into());
        let shown = passages.iter().map(|it| format!("{}:{}: {}", it.title, it.line, it.text));
        shown.collect::<Vec<_>>().join("\n\n")
    }

    #[test]
    fn a_page_is_what_it_says() {
        fn check(text: &str, expected: &str) {
            assert_eq!(shown(text), expected, "{text}");
        }
        check(
            "<title>T &amp; U</title>\n<nav>Menu</nav>\n<p>One\n two&nbsp;<b>three</b>.</p>",
            "T & U:3: One two three.",
        );
        check("<h1>A</h1><script>if (1<2) { '</p>' }</script><style>p{}</style><p>x", "A:1: x");
        check("<h1>A</h1><ul><li><p>one</p><li>two</ul>", "A:1: - one\n- two");
        check(
            "<h1>A</h1><table><tr><th>Size</th><th>Price</th></tr><tr><td>S</td><td>5</td></tr></table>",
            "A:1: Size: S; Price: 5",
        );
        check("<h1>A</h1><pre>a\n  b</pre>", "A:1: a\n  b");
        check("<h1>A</h1><form><select><option>x</select></form><p>y<br>z", "A:1: y\nz");
        check("<h1>退货</h1><div>三十天<span>内</span></div>", "退货:1: 三十天内");
        check("a < b", "a:1: a < b");
        check("", "");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(<(/?)(p|h1|td|tr|li|script|title|table|nav|pre)>|a| |<|&lt;|\n){0,40}") {
            let _ = shown(&text);
        }
    }
}
