//! JSON: a list of objects, an object a line, or an object that holds one list of them. An object may be a chat, whose
//! last question and answer are read.

use std::sync::Arc;

use super::{
    super::Passage,
    records::{Columns, Field, Record, missing},
};
use crate::corpus::{Document, Faults, Notes, Value, excerpt, no_json};

type Members<'t> = Vec<(String, Value<'t>)>;

/// Reads the passages of a file.
///
/// # Errors
/// The line that makes it unreadable, and why.
pub(super) fn read(
    text: &str,
    path: &Arc<str>,
    notes: &mut Notes,
    faults: &mut Faults,
) -> Result<Vec<Passage>, (usize, String)> {
    let document = Document::new(text);
    let mut passages = Vec::new();
    let first = text.lines().find(|line| !line.trim().is_empty());
    if first.is_some_and(|line| Value::of(line).is_ok_and(Value::is_object) && line.trim() != text.trim()) {
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            match Value::of(line).map(Value::members) {
                Ok(Some(members)) => add(members, number, path, &mut passages, notes, faults),
                Ok(None) => faults.add(number, "each line has to be an object, {…}, and this one isn't"),
                Err(error) => faults.add(number, no_json(&error)),
            }
        }
        return Ok(passages);
    }
    let value = Value::of(text).map_err(|error| (error.line(), no_json(&error)))?;
    let (items, line) = items(&document, value)?;
    if items.is_empty() {
        return Err((line, "the list is empty: write {\"question\": \"…\", \"answer\": \"…\"} into it".to_owned()));
    }
    for item in items {
        let line = document.line(item);
        match item.members() {
            Some(members) => add(members, line, path, &mut passages, notes, faults),
            None => faults.add(line, format!("an object was expected, {{…}}, and this is {}", item.kind())),
        }
    }
    Ok(passages)
}

/// Whether a file is an object that holds no records, such as a program's settings.
pub(super) fn is_other(text: &str) -> bool {
    let Some(members) = Value::of(text).ok().and_then(Value::members) else { return false };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    !Columns::of(&names).are_enough() && !members.iter().any(|(_, value)| is_objects(*value))
}

/// The objects of a document, and where their list begins.
fn items<'t>(document: &Document<'t>, value: Value<'t>) -> Result<(Vec<Value<'t>>, usize), (usize, String)> {
    let line = document.line(value);
    if let Some(items) = value.items() {
        return Ok((items, line));
    }
    let Some(members) = value.members() else {
        return Err((line, format!("a list of objects was expected, [{{…}}, …], and this is {}", value.kind())));
    };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    if messages(&members).is_some()
        || Columns::of(&names).are_enough() && !members.iter().any(|(_, value)| is_objects(*value))
    {
        return Ok((vec![value], line));
    }
    let lists: Vec<_> = members.iter().filter(|(_, value)| is_objects(*value)).collect();
    match lists.as_slice() {
        [(_, list)] => Ok((list.items().unwrap_or_default(), document.line(*list))),
        [] => Err((
            line,
            format!(
                "{}; known are [{{\"question\": \"…\", \"answer\": \"…\"}}, …] and an object a line",
                missing(&names, "key")
            ),
        )),
        several => {
            let names: Vec<_> = several.iter().map(|(name, _)| format!("'{}'", excerpt(name))).collect();
            Err((line, format!("several lists hold objects, {}: keep one of them in the file", names.join(", "))))
        }
    }
}

fn is_objects(value: Value<'_>) -> bool {
    value.items().is_some_and(|items| !items.is_empty() && items.iter().all(|item| item.is_object()))
}

/// The messages of a chat, as OpenAI has it: `{"messages": [{"role": "user", "content": "…"}, …]}`.
fn messages<'t>(members: &[(String, Value<'t>)]) -> Option<Vec<Value<'t>>> {
    let (_, list) = members.iter().find(|(name, value)| name == "messages" && is_objects(*value))?;
    let messages = list.items()?;
    messages.iter().all(|message| word(*message, "role").is_some()).then_some(messages)
}

fn word(object: Value<'_>, key: &str) -> Option<String> {
    object.members()?.into_iter().find(|(name, _)| name == key)?.1.word()
}

/// The last answer of a chat, and what was asked before it.
fn chat(messages: &[Value<'_>]) -> Option<Record> {
    let is_of = |role: &str, message: &Value<'_>| word(*message, "role").is_some_and(|found| found == role);
    let answered = messages.iter().rposition(|message| is_of("assistant", message))?;
    let (before, answer) = (messages.get(..answered)?, messages.get(answered)?);
    let asked = before.iter().rfind(|message| is_of("user", message))?;
    let mut record = Record::default();
    record.set(Field::Question, &word(*asked, "content")?);
    record.set(Field::Answer, &word(*answer, "content")?);
    Some(record)
}

fn add(
    members: Members<'_>,
    line: usize,
    path: &Arc<str>,
    passages: &mut Vec<Passage>,
    notes: &mut Notes,
    faults: &mut Faults,
) {
    if let Some(messages) = messages(&members) {
        return match chat(&messages) {
            Some(record) => record.add_to(passages, path, line, notes),
            None => faults.add(line, "a chat has to hold a text of role 'user', and one of role 'assistant' after it"),
        };
    }
    // As help centres export what isn't published.
    let is_draft = |(name, value): &(String, Value<'_>)| name == "draft" && value.word().is_some_and(|it| it == "true");
    if members.iter().any(is_draft) {
        return notes.add("a draft was passed over", Some(line));
    }
    let members: Members<'_> = members.into_iter().filter(|(name, _)| name != "draft").collect();
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let columns = Columns::of(&names);
    if !columns.are_enough() {
        return faults.add(line, missing(&names, "key"));
    }
    columns.note(&names, "key", notes);
    let mut record = Record::default();
    for (at, (name, value)) in members.iter().enumerate() {
        let Some(field) = columns.field(at) else { continue };
        let items = value.items();
        let texts = items.as_ref().map(|items| items.iter().filter_map(|item| item.word()).collect::<Vec<_>>());
        match (field, texts, value.word()) {
            (Field::Questions, Some(texts), _) => texts.iter().for_each(|text| record.add_question(text)),
            (_, Some(texts), _) => record.set(field, &texts.join("\n")),
            (_, None, Some(word)) => record.set(field, &word),
            (_, None, None) if value.is_null() => {}
            (_, None, None) => {
                notes.add(format!("the key '{}' holds {}, and wasn't read", excerpt(name), value.kind()), Some(line));
            }
        }
        if items.is_some_and(|items| items.iter().any(|item| item.word().is_none())) {
            notes.add(format!("of the list '{}', what is no text wasn't read", excerpt(name)), Some(line));
        }
    }
    record.add_to(passages, path, line, notes);
}
