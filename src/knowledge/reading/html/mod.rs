//! The text of HTML: title, headings, paragraphs, lists and tables. No scripts, styles, menus or forms; of a page with a
//! `<main>`, or one `<article>`, no more than what is in it.
//!
//! **Invariant:** any bytes are HTML: the tokenizer is the WHATWG's, which has no errors that end it.

use html5gum::{DefaultEmitter, HtmlString, StartTag, State, Token, Tokenizer};

use super::{document::Document, lines::Lines, markdown::row_text};

/// Elements whose text is no part of what a page says.
const SKIPPED: [&str; 16] = [
    "script", "style", "nav", "header", "footer", "aside", "noscript", "template", "svg", "form", "button", "select",
    "textarea", "iframe", "object", "canvas",
];
/// Elements that are passed over where their role or class says that they only lead about the site.
const LEADING: [&str; 6] = ["div", "ol", "ul", "section", "a", "span"];
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
    let read = |within| {
        let mut document = Document::default();
        let begun = read_within(text, within, &mut document, 1);
        (document, begun)
    };
    let (main, _) = read(Some("main"));
    if main.size() > 0 {
        return main;
    }
    // Several are parts of a list, and a short one stands beside what the page says.
    let (article, articles) = read(Some("article"));
    let (whole, _) = read(None);
    if articles == 1 && article.size() * 2 >= whole.size() { article } else { whole }
}

/// The text of a cell or a value that is HTML: it begins with a tag, and one ends. None where it isn't.
pub(super) fn text_of(value: &str) -> Option<String> {
    const BEGIN: [&str; 18] = [
        "p", "div", "span", "ul", "ol", "table", "h1", "h2", "h3", "h4", "b", "strong", "em", "i", "a", "section",
        "article", "html",
    ];
    let tag = value.trim_start().strip_prefix('<')?;
    let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next()?.to_ascii_lowercase();
    if !BEGIN.contains(&name.as_str()) || !value.contains("</") {
        return None;
    }
    let mut document = Document::default();
    read_into(value, &mut document, 1);
    Some(document.text())
}

/// Adds what a part of a page says, that begins on that line.
pub(super) fn read_into(text: &str, document: &mut Document, line: usize) {
    read_within(text, None, document, line);
}

/// The same of what is within elements of a name. How many of these there are.
fn read_within(text: &str, within: Option<&'static str>, document: &mut Document, line: usize) -> usize {
    let lines = Lines::of(text);
    let mut reader = Reader {
        document,
        text: String::new(),
        line,
        line_now: line,
        within,
        depth: 0,
        begun: 0,
        skipped: Vec::new(),
        heading: None,
        in_name: false,
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
                if !tag.self_closing || !SKIPPED.contains(&name.as_str()) && reader.skipped.is_empty() {
                    reader.start(&name, leads(&tag, &name));
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
    reader.begun
}

fn name(name: &HtmlString) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// Whether an element only leads about the site: navigation, breadcrumbs, or a link that skips them.
fn leads(tag: &StartTag<usize>, name: &str) -> bool {
    const CLASSES: [&str; 10] = [
        "breadcrumb",
        "breadcrumbs",
        "skip-link",
        "skip-links",
        "skip-nav",
        "skip-navigation",
        "skip-to-content",
        "skip-to-main-content",
        "skiplink",
        "skipnav",
    ];
    let of = |key: &str| tag.attributes.get(key.as_bytes()).map(|it| self::name(&it.value)).unwrap_or_default();
    LEADING.contains(&name)
        && (of("role") == "navigation" || of("class").split_whitespace().any(|class| CLASSES.contains(&class)))
}

struct Reader<'d> {
    document: &'d mut Document,
    text: String,
    line: usize,
    line_now: usize,
    /// Elements of which alone the text is read; how many of them are open, and how many were.
    within: Option<&'static str>,
    depth: usize,
    begun: usize,
    /// The elements that are passed over, and have yet to end.
    skipped: Vec<String>,
    heading: Option<u8>,
    /// Within what names that which stands below it: a summary, or a term.
    in_name: bool,
    in_title: bool,
    in_pre: bool,
    head: Vec<String>,
    row: Option<Vec<String>>,
    row_is_head: bool,
}

impl Reader<'_> {
    fn start(&mut self, name: &str, leads: bool) {
        // A button that a heading consists of opens what stands below it, and is its text.
        let is_text = name == "button" && (self.heading.is_some() || self.in_name);
        let is_skipped = SKIPPED.contains(&name) && !is_text || leads;
        if !self.skipped.is_empty() || is_skipped {
            // One of the same name ends before the one that is passed over does.
            if is_skipped || self.skipped.iter().any(|skipped| skipped == name) {
                self.skipped.push(name.to_owned());
            }
            return;
        }
        if self.within == Some(name) {
            self.depth += 1;
            self.begun += 1;
        }
        if self.is_outside() && name != "title" {
            return;
        }
        if BLOCKS.contains(&name) {
            self.in_name = matches!(name, "summary" | "dt");
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
        if !self.skipped.is_empty() || self.is_outside() && name != "title" {
            return;
        }
        if self.within == Some(name) {
            self.end_block();
            self.depth = self.depth.saturating_sub(1);
        }
        self.in_name &= !matches!(name, "summary" | "dt");
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

    fn is_outside(&self) -> bool {
        self.within.is_some() && self.depth == 0
    }

    fn text(&mut self, text: &str) {
        if !self.skipped.is_empty() || self.is_outside() && !self.in_title {
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
mod tests;
