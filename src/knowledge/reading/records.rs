//! Records of questions and answers, or of texts: which of a table's columns, or of an object's keys, hold what, and what
//! becomes of a record.
//!
//! **Invariant:** a record that makes no passage is told.

use std::sync::Arc;

use super::{super::Passage, document, html};
use crate::corpus::{Notes, excerpt};

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Title,
    Text,
    Question,
    Answer,
    Questions,
    Section,
}

/// What other people call each, the likelier names first.
const NAMES: &[(Field, &[&str])] = &[
    (Field::Id, &["id", "_id", "uuid", "doc_id", "document_id", "passage_id", "编号", "序号"]),
    (Field::Title, &["title", "heading", "headline", "subject", "name", "标题", "名称", "主题"]),
    (
        Field::Text,
        &[
            "text",
            "content",
            "contents",
            "body",
            "passage",
            "context",
            "document",
            "article",
            "description",
            "内容",
            "正文",
            "文本",
            "描述",
        ],
    ),
    (
        Field::Question,
        &[
            "question",
            "q",
            "prompt",
            "query",
            "instruction",
            "faq",
            "faq_question",
            "user_question",
            "input",
            "问题",
            "问",
            "提问",
            "问句",
            "标准问题",
            "标准问",
            "用户问题",
        ],
    ),
    (
        Field::Answer,
        &[
            "answer",
            "answers",
            "a",
            "completion",
            "response",
            "reply",
            "output",
            "faq_answer",
            "bot_answer",
            "答案",
            "回答",
            "答",
            "答复",
            "回复",
            "解答",
            "标准答案",
        ],
    ),
    (
        Field::Questions,
        &[
            "questions",
            "variants",
            "alternatives",
            "alternative_questions",
            "other_questions",
            "further_questions",
            "similar_questions",
            "paraphrases",
            "utterances",
            "examples",
            "相似问题",
            "相似问",
            "相似问法",
            "扩展问",
            "扩展问题",
            "其他问法",
            "同义问",
            "更多问法",
        ],
    ),
    (Field::Section, &["section", "category", "topic", "group", "分类", "类别", "目录", "章节"]),
];

/// What the columns hold, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns(Vec<Option<Field>>);

impl Columns {
    /// What columns of these names hold: one column a field, the one whose name is likelier.
    pub(super) fn of(names: &[&str]) -> Self {
        let mut found: Vec<Option<Field>> = vec![None; names.len()];
        for (field, known) in NAMES {
            let place = known.iter().find_map(|known| names.iter().position(|name| normal(name) == *known));
            if let Some(free) = place.and_then(|place| found.get_mut(place)).filter(|it| it.is_none()) {
                *free = Some(*field);
            }
        }
        Self(found)
    }

    fn has(&self, field: Field) -> bool {
        self.0.contains(&Some(field))
    }

    /// Whether they make passages: a question and its answer, or a text.
    pub(super) fn are_enough(&self) -> bool {
        let asked = self.has(Field::Question) || self.has(Field::Questions) || self.has(Field::Title);
        self.has(Field::Text) || self.has(Field::Answer) && asked
    }

    pub(super) fn field(&self, at: usize) -> Option<Field> {
        self.0.get(at).copied().flatten()
    }

    /// Tells which columns aren't read.
    pub(super) fn note(&self, names: &[&str], what: &str, notes: &mut Notes) {
        for (name, field) in names.iter().zip(&self.0) {
            if field.is_none() && !name.trim().is_empty() {
                notes.add(format!("the {what} '{}' wasn't read", excerpt(name)), None);
            }
        }
    }
}

/// What is missing among columns of these names.
pub(super) fn missing(names: &[&str], what: &str) -> String {
    const MOST: usize = 20;
    let listed: Vec<_> = names.iter().take(MOST).map(|name| format!("'{}'", excerpt(name))).collect();
    format!(
        "there is no {what} of answers or of texts that is known, but {}: call it 'question' and 'answer', or 'title' and 'text'",
        if listed.is_empty() { "none".to_owned() } else { listed.join(", ") }
    )
}

/// A record, as it is read.
#[derive(Debug, Default)]
pub(super) struct Record {
    id: String,
    title: String,
    text: String,
    question: String,
    answer: String,
    questions: Vec<String>,
    section: String,
}

impl Record {
    pub(super) fn set(&mut self, field: Field, value: &str) {
        let text = if field == Field::Id { None } else { html::text_of(value) };
        let value = text.as_deref().unwrap_or(value).trim();
        match field {
            Field::Questions => self.questions.extend(several(value)),
            Field::Id => value.clone_into(&mut self.id),
            Field::Title => value.clone_into(&mut self.title),
            Field::Text => value.clone_into(&mut self.text),
            Field::Question => value.clone_into(&mut self.question),
            Field::Answer => value.clone_into(&mut self.answer),
            Field::Section => value.clone_into(&mut self.section),
        }
    }

    /// One question more; a bar in it is part of it.
    pub(super) fn add_question(&mut self, question: &str) {
        self.questions.push(question.trim().to_owned());
    }

    /// Adds the passages that it makes.
    pub(super) fn add_to(self, passages: &mut Vec<Passage>, path: &Arc<str>, line: usize, notes: &mut Notes) {
        let Self { id, title, text, question, answer, questions, section } = self;
        // A text with a question is its answer, where there is no other.
        let is_faq = !answer.is_empty() || !question.is_empty() || !questions.is_empty();
        let (answer, context) = if answer.is_empty() { (text, String::new()) } else { (answer, text) };
        if answer.is_empty() {
            let kind =
                if is_faq { "a question without an answer was passed over" } else { "an empty record was passed over" };
            return notes.add(kind, Some(line));
        }
        let id: Arc<str> = if id.is_empty() { format!("{path}:{line}").into() } else { id.into() };
        let headings: Vec<Arc<str>> = Some(section).filter(|it| !it.is_empty()).map(Into::into).into_iter().collect();
        if !is_faq {
            for part in document::split(&answer) {
                passages.push(Passage {
                    id: Arc::clone(&id),
                    merged: Vec::new(),
                    title: title.as_str().into(),
                    headings: headings.clone(),
                    text: part,
                    questions: Vec::new(),
                    path: Arc::clone(path),
                    line,
                });
            }
            return;
        }
        if !context.is_empty() {
            notes.add("a record has an answer and a text: the answer was taken", Some(line));
        }
        let mut all: Vec<String> = Vec::new();
        let first = if question.is_empty() { title } else { question };
        for question in std::iter::once(first).chain(questions).filter(|it| !it.is_empty()) {
            if !all.contains(&question) {
                all.push(question);
            }
        }
        let Some(title) = all.first().map(|first| first.as_str().into()) else {
            return notes.add("an answer without a question was passed over", Some(line));
        };
        passages.push(Passage {
            id,
            merged: Vec::new(),
            title,
            headings,
            text: answer,
            questions: all,
            path: Arc::clone(path),
            line,
        });
    }
}

/// The questions of one cell: a line each, or with bars between them.
fn several(cell: &str) -> impl Iterator<Item = String> {
    let cell = cell.trim();
    let separators: &[char] = if cell.contains('\n') { &['\n'] } else { &['|', '｜'] };
    let questions: Vec<String> =
        cell.split(separators).map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    questions.into_iter()
}

/// A name whose case, outer white space and way of joining words don't count.
fn normal(name: &str) -> String {
    name.trim().trim_end_matches([':', '：']).to_lowercase().replace([' ', '-'], "_")
}
