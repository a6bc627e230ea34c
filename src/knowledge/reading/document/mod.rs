//! A document as its headings and paragraphs, whatever its format; and how it becomes passages.
//!
//! A passage is 80 to 200 words, or twice as many characters of Chinese: short neighbours are joined, long paragraphs split
//! at the ends of sentences. **Invariant:** no word is lost, and none is in two passages, but for headings.

use std::{collections::HashMap, sync::Arc};

use super::super::{Passage, sentences::sentences, terms::Script};

/// A text under its headings.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// The title that the document gives itself.
    pub(super) title: Option<String>,
    sections: Vec<Section>,
    /// The headings that what comes next stands under, with their levels.
    headings: Vec<(u8, Arc<str>)>,
}

#[derive(Debug)]
struct Section {
    headings: Vec<Arc<str>>,
    /// The question that it answers, of a list of questions; such a one stays by itself.
    question: Option<Arc<str>>,
    /// The last headings of the sections that are in it and no longer stand by themselves.
    merged: Vec<Arc<str>>,
    paragraphs: Vec<Paragraph>,
}

#[derive(Debug)]
struct Paragraph {
    text: String,
    line: usize,
}

/// The size that a passage has at least, where its neighbours allow; in words of English, or two characters of Chinese.
const LEAST: usize = 80;
/// At most, where sentences allow.
const MOST: usize = 200;

impl Document {
    /// A heading of that level, 1 to 6.
    pub(super) fn heading(&mut self, level: u8, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.headings.retain(|(above, _)| *above < level);
        self.headings.push((level, text.into()));
        self.begin();
    }

    /// A paragraph, or whatever stays together like one.
    pub(super) fn paragraph(&mut self, text: &str, line: usize) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if self.sections.is_empty() {
            self.begin();
        }
        if let Some(section) = self.sections.last_mut() {
            section.paragraphs.push(Paragraph { text: text.to_owned(), line });
        }
    }

    /// A question and the begin of its answer: what comes next belongs to it, up to a heading or another.
    pub(super) fn question(&mut self, question: &str, answer: &str, line: usize) {
        self.begin();
        if let Some(section) = self.sections.last_mut() {
            section.question = Some(question.trim().into());
        }
        self.paragraph(answer, line);
    }

    /// How much text there is, in words.
    pub(super) fn size(&self) -> usize {
        self.sections.iter().flat_map(|section| &section.paragraphs).map(|paragraph| size(&paragraph.text)).sum()
    }

    /// All of it as one text.
    pub(super) fn text(self) -> String {
        let mut blocks = Vec::new();
        for section in self.sections {
            let mut heading = section.headings.last().map(|heading| format!("{heading}\n")).unwrap_or_default();
            if section.paragraphs.is_empty() {
                blocks.push(heading.trim_end().to_owned());
            }
            for paragraph in section.paragraphs {
                blocks.push(std::mem::take(&mut heading) + &paragraph.text);
            }
        }
        blocks.retain(|block| !block.is_empty());
        blocks.join("\n\n")
    }

    fn begin(&mut self) {
        let headings = self.headings.iter().map(|(_, text)| Arc::clone(text)).collect();
        self.sections.push(Section { headings, question: None, merged: Vec::new(), paragraphs: Vec::new() });
    }

    /// Its passages. `path` is its file's; the title is that, where it has none.
    pub(super) fn passages(mut self, path: &Arc<str>) -> Vec<Passage> {
        let only = |level: u8| {
            let mut of_level = self.sections.iter().filter(|it| it.headings.len() == usize::from(level));
            of_level.next().and_then(|it| it.headings.first()).map(|it| it.to_string())
        };
        let title = self.title.take().or_else(|| only(1)).unwrap_or_else(|| file_name(path).to_owned());
        let title: Arc<str> = title.trim().into();
        let mut ids = Ids { path: Arc::clone(path), used: HashMap::new() };
        let mut passages = Vec::new();
        for section in joined(self.sections) {
            // The title stands in front of every passage as it is.
            let mut headings: Vec<Arc<str>> = section.headings.iter().filter(|it| **it != title).cloned().collect();
            if let Some(question) = section.question {
                let line = section.paragraphs.first().map_or(1, |paragraph| paragraph.line);
                let texts: Vec<String> = section.paragraphs.into_iter().map(|paragraph| paragraph.text).collect();
                headings.push(Arc::clone(&question));
                passages.push(Passage {
                    id: ids.next(Some(&question)),
                    merged: Vec::new(),
                    title: Arc::clone(&title),
                    headings,
                    text: texts.join("\n"),
                    questions: vec![question.to_string()],
                    path: Arc::clone(path),
                    line,
                });
                continue;
            }
            let slugs = section.merged.iter().map(|heading| slug(heading)).filter(|slug| !slug.is_empty());
            let mut merged: Vec<Arc<str>> = slugs.map(|slug| format!("{path}#{slug}").into()).collect();
            for part in parts(section.paragraphs) {
                passages.push(Passage {
                    id: ids.next(section.headings.last()),
                    merged: std::mem::take(&mut merged),
                    title: Arc::clone(&title),
                    headings: headings.clone(),
                    text: part.text,
                    questions: Vec::new(),
                    path: Arc::clone(path),
                    line: part.line,
                });
            }
        }
        passages
    }
}

/// Ids of a file's passages: its path and the heading, with a number from the second of a name on.
struct Ids {
    path: Arc<str>,
    used: HashMap<String, usize>,
}

impl Ids {
    fn next(&mut self, heading: Option<&Arc<str>>) -> Arc<str> {
        let slug = heading.map_or(String::new(), |heading| slug(heading));
        let count = self.used.entry(slug.clone()).or_default();
        *count += 1;
        let number = if *count > 1 { format!("~{count}") } else { String::new() };
        let hash = if slug.is_empty() { "" } else { "#" };
        format!("{}{hash}{slug}{number}", self.path).into()
    }
}

/// A heading as an address shows it: letters and digits, what is between them as a hyphen.
pub(in crate::knowledge) fn slug(heading: &str) -> String {
    const LONGEST: usize = 60;
    let mut slug = String::new();
    for c in heading.chars().flat_map(char::to_lowercase).take(LONGEST) {
        match c {
            c if c.is_alphanumeric() || c == '_' => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

fn file_name(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// How long a text is, in words; two characters of Chinese are as one.
pub(in crate::knowledge) fn size(text: &str) -> usize {
    let mut halves = 0;
    let mut before = Script::None;
    for c in text.chars() {
        let script = Script::of(c);
        halves += match script {
            Script::Ideographs => 1,
            Script::Letters if before != Script::Letters => 2,
            _ => 0,
        };
        before = script;
    }
    halves / 2
}

/// Sections, of which short ones are one with the next that stands under the same headings but for its own.
fn joined(sections: Vec<Section>) -> Vec<Section> {
    let mut all: Vec<(Section, usize)> = Vec::new();
    for section in sections.into_iter().filter(|section| !section.paragraphs.is_empty()) {
        let length: usize = section.paragraphs.iter().map(|paragraph| size(&paragraph.text)).sum();
        if let Some((last, before)) = all.last_mut()
            && *before + length <= LEAST
            && last.question.is_none()
            && section.question.is_none()
            && let Some(above) = common(&last.headings, &section.headings)
        {
            *before += length;
            // The headings that the two don't share go with their texts.
            if last.headings.len() > above {
                let own = own(&last.headings, above);
                if let Some(first) = last.paragraphs.first_mut() {
                    first.text = format!("{own}\n{}", first.text);
                }
                last.merged.extend(last.headings.last().cloned());
                last.headings.truncate(above);
            }
            if section.headings.len() > above {
                last.merged.extend(section.headings.last().cloned());
            }
            let own = own(&section.headings, above);
            for (at, paragraph) in section.paragraphs.into_iter().enumerate() {
                let text =
                    if at == 0 && !own.is_empty() { format!("{own}\n{}", paragraph.text) } else { paragraph.text };
                last.paragraphs.push(Paragraph { text, line: paragraph.line });
            }
            continue;
        }
        all.push((section, length));
    }
    all.into_iter().map(|(section, _)| section).collect()
}

fn own(headings: &[Arc<str>], above: usize) -> String {
    headings.iter().skip(above).map(|it| &**it).collect::<Vec<_>>().join(" / ")
}

/// How many headings two sections share, where they share all but their last ones.
fn common(a: &[Arc<str>], b: &[Arc<str>]) -> Option<usize> {
    let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    (shared + 1 >= a.len() && shared + 1 >= b.len() && (shared > 0 || a.is_empty() && b.is_empty())).then_some(shared)
}

/// Paragraphs as parts of a passage's size.
fn parts(paragraphs: Vec<Paragraph>) -> Vec<Paragraph> {
    let mut parts: Vec<(Paragraph, usize)> = Vec::new();
    for paragraph in paragraphs {
        for (text, length) in pieces(&paragraph.text) {
            match parts.last_mut() {
                Some((last, before)) if *before < LEAST && *before + length <= MOST => {
                    last.text.push('\n');
                    last.text.push_str(&text);
                    *before += length;
                }
                _ => parts.push((Paragraph { text, line: paragraph.line }, length)),
            }
        }
    }
    // What is left over at the end is better with what stands before it.
    if let [.., (_, before), (_, length)] = &parts[..]
        && *length < LEAST / 2
        && before + length <= MOST
        && let Some((last, _)) = parts.pop()
        && let Some((before, _)) = parts.last_mut()
    {
        before.text.push('\n');
        before.text.push_str(&last.text);
    }
    parts.into_iter().map(|(part, _)| part).collect()
}

/// A sentence; or, where it is as long as no sentence is, parts that end between words.
fn cut(sentence: &str) -> impl Iterator<Item = &str> {
    /// In characters.
    const LONGEST: usize = 1_000;
    let mut rest = sentence;
    std::iter::from_fn(move || {
        let long = rest.char_indices().nth(LONGEST).map(|(at, _)| at);
        let end = long.and_then(|at| {
            let between = |c: char| c.is_whitespace() || Script::of(c) != Script::Letters;
            rest[at..].find(between).map(|after| at + after)
        });
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!part.is_empty()).then(|| part.trim())
    })
}

/// A paragraph, or, where it is too long, pieces of whole sentences.
fn pieces(text: &str) -> Vec<(String, usize)> {
    let length = size(text);
    if length <= MOST {
        return vec![(text.to_owned(), length)];
    }
    // As many pieces as it takes, of about one size.
    let wanted = length / length.div_ceil(MOST);
    let mut pieces: Vec<(String, usize)> = Vec::new();
    for sentence in sentences(text).flat_map(cut) {
        let length = size(sentence);
        match pieces.last_mut() {
            Some((last, before)) if *before + length / 2 <= wanted && *before + length <= MOST => {
                if !last.ends_with(|c| Script::of(c) == Script::Ideographs || matches!(c, '。' | '！' | '？' | '；'))
                {
                    last.push(' ');
                }
                last.push_str(sentence);
                *before += length;
            }
            _ => pieces.push((sentence.to_owned(), length)),
        }
    }
    pieces
}

/// A text as parts of a passage's size.
pub(super) fn split(text: &str) -> Vec<String> {
    let paragraphs = text.split("\n\n").filter(|it| !it.trim().is_empty());
    parts(paragraphs.map(|it| Paragraph { text: it.trim().to_owned(), line: 0 }).collect())
        .into_iter()
        .map(|part| part.text)
        .collect()
}

#[cfg(test)]
mod tests;
