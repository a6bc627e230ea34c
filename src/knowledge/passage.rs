//! A passage: the part of a document that is found and shown.

use std::sync::Arc;

/// A part of a document, or a question and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passage {
    /// Stays the same while its place does: given, or its file and heading. The parts of one given id share it.
    pub id: Arc<str>,
    /// The ids that the short sections in it would have had as passages of their own. They name it, too.
    pub merged: Vec<Arc<str>>,
    /// The document's title, or the question that it answers.
    pub title: Arc<str>,
    /// The headings above it, the outermost first.
    pub headings: Vec<Arc<str>>,
    /// What answers.
    pub text: String,
    /// Questions that it answers, in the author's words.
    pub questions: Vec<String>,
    /// Its file, as it was named.
    pub path: Arc<str>,
    /// The line where it begins, from 1.
    pub line: usize,
}

impl Passage {
    /// All that is said in it: title, headings, questions and text, a line each.
    pub fn all(&self) -> String {
        let mut all = String::with_capacity(self.text.len() + 64);
        for part in std::iter::once(&*self.title).chain(self.headings.iter().map(|it| &**it)) {
            all.push_str(part);
            all.push('\n');
        }
        for part in self.questions.iter().map(|it| &**it).chain([&*self.text]) {
            all.push_str(part);
            all.push('\n');
        }
        all
    }
}
