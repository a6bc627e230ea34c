//! What MkDocs, Docusaurus and their like write into Markdown besides it: admonitions, tabs, comments and imports.
//!
//! **Invariant:** each line stays the line that it is, and what stands in a code block stays as it is.

use std::borrow::Cow;

/// The text in which marks are left out, titles are lines of their own, and what is indented below them isn't.
pub(super) fn as_markdown(text: &str) -> Cow<'_, str> {
    let marks = ["!!!", "???", "===", ":::", "{/*", "import ", "export "];
    if !marks.iter().any(|mark| text.contains(mark)) {
        return Cow::Borrowed(text);
    }
    let front = text.lines().next().map(str::trim_end).filter(|line| ["---", "+++"].contains(line));
    let mut writer = Writer { front, ..Writer::default() };
    let lines: Vec<String> = text.lines().enumerate().map(|(at, line)| writer.line(line, at == 0)).collect();
    Cow::Owned(lines.join("\n"))
}

#[derive(Default)]
struct Writer<'t> {
    /// What ends the front matter, while that lasts.
    front: Option<&'t str>,
    /// What ends the code block, while that lasts.
    fence: Option<&'static str>,
    in_comment: bool,
    /// Whether the line belongs to what a program imports or exports.
    in_code: bool,
    /// Whether there was text before.
    has_begun: bool,
    /// Where the blocks begin whose indented text this is, in columns.
    blocks: Vec<usize>,
}

impl<'t> Writer<'t> {
    fn line(&mut self, line: &'t str, is_first: bool) -> String {
        if let Some(end) = self.front {
            if !is_first && line.trim_end() == end {
                self.front = None;
            }
            return line.to_owned();
        }
        let column = column(line);
        if !line.trim().is_empty() && self.fence.is_none() {
            while self.blocks.last().is_some_and(|begin| column < begin + INDENT.len()) {
                self.blocks.pop();
            }
        }
        // Within blocks, what is indented for them isn't code.
        let dedented = |line: &'t str| line.strip_prefix(INDENT).or_else(|| line.strip_prefix('\t')).unwrap_or(line);
        let line = (0..self.blocks.len()).fold(line, |line, _| dedented(line));
        if let Some(fence) = fence(line) {
            match self.fence {
                None => self.fence = Some(fence),
                Some(open) if open == fence => self.fence = None,
                Some(_) => {}
            }
            self.has_begun = true;
            return line.to_owned();
        }
        if self.fence.is_some() {
            return line.to_owned();
        }
        self.outside_code(line, column)
    }

    fn outside_code(&mut self, line: &str, column: usize) -> String {
        let said = line.trim();
        if self.in_comment || said.starts_with("{/*") {
            let end = line.find("*/}").map(|at| at + 3);
            self.in_comment = end.is_none();
            return end.and_then(|end| line.get(end..)).unwrap_or_default().to_owned();
        }
        self.in_code = !said.is_empty() && (self.in_code || !self.has_begun && is_program(line));
        if self.in_code {
            return String::new();
        }
        self.has_begun |= !said.is_empty();
        if let Some(title) = container(said) {
            return titled(line, title);
        }
        if let Some(title) = block(said) {
            self.blocks.push(column);
            return titled(line, title);
        }
        line.to_owned()
    }
}

/// How what belongs to a block is indented; a tab is as much.
const INDENT: &str = "    ";

/// How far a line is indented.
fn column(line: &str) -> usize {
    let indent = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    indent.map(|c| if c == '\t' { INDENT.len() } else { 1 }).sum()
}

/// What a line begins or ends a code block with.
fn fence(line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    let fence = ["```", "~~~"].into_iter().find(|fence| line.starts_with(fence))?;
    // Code within a line may stand between as many.
    (!line.trim_start_matches(['`', '~']).contains('`')).then_some(fence)
}

/// A title, as it is indented; what stands below it is on a line of its own.
fn titled(line: &str, title: &str) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    if title.is_empty() { String::new() } else { format!("{}{title}  ", " ".repeat(indent)) }
}

/// Whether a line of an MDX file's head is the program's: `import Tabs from '@theme/Tabs';`.
fn is_program(line: &str) -> bool {
    let exports = ["export const ", "export let ", "export default ", "export function "];
    let ends = line.trim_end().trim_end_matches(';').ends_with(['\'', '"']);
    line.starts_with("import ") && ends || exports.iter().any(|export| line.starts_with(export))
}

/// The title of `:::tip Pro tip`, `:::tip[Pro tip]` or of the `:::` that ends it.
fn container(line: &str) -> Option<&str> {
    let after = line.strip_prefix(":::")?.trim_start_matches(':').trim();
    let title = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    // "::: {.note}" has attributes, and no title.
    let title = title.split('{').next().unwrap_or_default().trim();
    Some(title.strip_prefix('[').and_then(|title| title.strip_suffix(']')).unwrap_or(title))
}

/// The title of `!!! note "Title"`, `??? question "Title"` or `=== "Tab"`.
fn block(line: &str) -> Option<&str> {
    let (mark, after) = ["!!!", "???", "==="].iter().find_map(|mark| Some((*mark, line.strip_prefix(mark)?)))?;
    let after = after.strip_prefix(['+', '!']).unwrap_or(after);
    let (kind, title) = after.split_once('"').map_or((after, ""), |(kind, title)| (kind, title));
    // A kind and where it stands, "info inline end"; anything else is a text.
    let is_kind = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | ' ');
    let has_kind =
        kind.starts_with(' ') && kind.chars().all(is_kind) && (1..=3).contains(&kind.split_whitespace().count());
    let is_tab = mark == "===" && kind.trim().is_empty() && !title.is_empty();
    let is_note = mark != "===" && has_kind;
    let closed = title.is_empty() && !after.contains('"') || title.trim_end().ends_with('"');
    (closed && (is_tab || is_note)).then(|| title.trim_end().trim_end_matches('"').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_write_into_markdown_becomes_markdown() {
        fn check(text: &str, expected: &str) {
            assert_eq!(as_markdown(text), expected, "{text}");
        }
        check(":::tip Pro tip\n\nPaused.\n\n:::", "Pro tip  \n\nPaused.\n\n");
        check("!!! tip \"A\"\n\tx\n```js run```\n\ny", "A  \nx\n```js run```\n\ny");
        check(":::退货\nx", "退货  \nx");
        check(":::note[退货]\nx\n:::\ny", "退货  \nx\n\ny");
        check("::: {.warning}\nx\n:::", "\nx\n");
        check("!!! note \"Holidays\"\n    Nothing.\n\n    More.\nAfter.", "Holidays  \nNothing.\n\nMore.\nAfter.");
        check("??? question \"Why?\"\n    So.\n???+ tip\n    x", "Why?  \nSo.\n\nx");
        check(
            "=== \"Standard\"\n\n    3 days.\n\n=== \"Express\"\n\n    1 day.",
            "Standard  \n\n3 days.\n\nExpress  \n\n1 day.",
        );
        check("!!! note \"A\"\n    ??? tip \"B\"\n        x\n    y\nz", "A  \nB  \nx\ny\nz");
        check("!!! note \"A\"\n    ```\n    !!! x\n    ```", "A  \n```\n!!! x\n```");
        check("{/* TODO */}\nSee.\n{/* one\ntwo */} three", "\nSee.\n\n three");
        check("---\na: :::\n---\n\nimport T from '@theme/T';\n\nText.", "---\na: :::\n---\n\n\n\nText.");
        check("export const x = {\n  y: 1\n};\n\n# A", "\n\n\n\n# A");
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "Title\n=====\n\n    code",
            "Wow!!! Really???\n\n    code",
            "!!! Don't do that, whatever they tell you to do !!!",
            "!!! New arrivals !!!",
            "!!! 注意",
            "```\n:::tip x\n{/* x */}\n```",
            "Text.\n\nimport T from 'x';",
            "import licences come from \"the ministry\" and take a week.\n\n:: x",
        ] {
            assert_eq!(as_markdown(text), text, "{text}");
        }
    }
}
