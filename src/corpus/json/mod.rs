//! JSON: a list of objects, an object a line, or one of the shapes that data sets and chatbots have. What isn't plainly
//! one of them is refused. Brackets in a text are text: nothing there is a mark.

mod clu;
mod dialogflow;
mod foreign;
mod luis;
mod rasa_nlu;
mod records;
pub(super) mod value;
mod vocabulary;
mod watson;

use self::{
    records::{Keys, Record, unknown},
    value::{Document, Value},
};
use super::{Corpus, CorpusError, Part, Reading, columns, rows::excerpt};

pub use dialogflow::Agent;

/// The parts of a data set, by the words in their keys.
const PARTS: [(Part, &[&str]); 3] = [
    (Part::Train, &["train", "training", "oos_train", "train_oos"]),
    (Part::Valid, &["val", "valid", "validation", "dev", "oos_val", "oos_valid", "val_oos"]),
    (Part::Test, &["test", "testing", "oos_test", "test_oos"]),
];

/// The label of texts out of scope, where their list's key says so as well.
const OUT_OF_SCOPE: &str = "oos";

/// Keys around an object of intents.
const WRAPPERS: [&str; 3] = ["intents", "data", "nlu"];

pub(super) fn parse(text: &str, reading: &Reading) -> Result<Corpus, CorpusError> {
    let mut corpus = Corpus::default();
    let document = Document::new(text);
    let first = text.lines().find(|line| !line.trim().is_empty());
    let is_lines = first.is_some_and(|line| Value::of(line).is_ok_and(Value::is_object) && line.trim() != text.trim());
    if is_lines {
        lines(&document, text, reading, &mut corpus)?;
    } else {
        let value = Value::of(text).map_err(|error| CorpusError::at(error.line(), no_json(&error)))?;
        if !export(&document, value, reading, &mut corpus)? {
            read(&document, value, reading, &mut corpus)?;
        }
    }
    Ok(corpus)
}

/// Reads a document that is another program's export; `false` where it isn't one that is known.
fn export<'t>(
    document: &Document<'t>,
    value: Value<'t>,
    reading: &Reading,
    corpus: &mut Corpus,
) -> Result<bool, CorpusError> {
    let members = value.members().unwrap_or_default();
    if let Some(told) = foreign::told(value, &members) {
        return Err(CorpusError::at(document.line(value), told));
    }
    Ok(luis::read(document, &members, corpus)
        || clu::read(document, &members, reading.part, corpus)
        || watson::read(document, &members, corpus)
        || dialogflow::read(document, value, &members, corpus)?)
}

/// The value of the first member of this name.
fn member<'t>(members: &[(String, Value<'t>)], key: &str) -> Option<Value<'t>> {
    members.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
}

fn lines<'t>(
    document: &Document<'t>,
    text: &'t str,
    reading: &Reading,
    corpus: &mut Corpus,
) -> Result<(), CorpusError> {
    let mut records = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match Value::of(line).map(|value| (value, value.members())) {
            Ok((value, Some(members))) => records.push(Record { value, members }),
            Ok((value, None)) => {
                corpus.faults.add(number, format!("a line is an object, and this is {}", value.kind()))
            }
            Err(error) => corpus.faults.add(number, no_json(&error)),
        }
    }
    let keys = Keys::of(&records, reading).map_err(|reason| no_records(document, &records, &reason))?;
    keys.note(corpus);
    records::add(document, &records, &keys, corpus);
    Ok(())
}

/// What is wrong with a text that isn't JSON; the line is told beside it.
pub(crate) fn no_json(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let told = told.rsplit_once(" at line ").map_or(told.as_str(), |(told, _)| told);
    if error.is_eof() {
        return "this isn't valid JSON: it ends before all that it opened is closed".to_owned();
    }
    format!("this isn't valid JSON at column {}: {told}", error.column())
}

fn no_records(document: &Document<'_>, records: &[Record<'_>], reason: &str) -> CorpusError {
    let line = records.first().map_or(1, |record| document.line(record.value));
    let names: Vec<&str> = records.first().iter().flat_map(|it| &it.members).map(|(name, _)| name.as_str()).collect();
    match columns::are_known(&names) {
        true => CorpusError::at(line, format!("of the objects' keys, {reason}").replace("column ", "key ")),
        false => unknown(line, &format!("of the objects' keys, {reason}").replace("column ", "key ")),
    }
}

fn read<'t>(
    document: &Document<'t>,
    value: Value<'t>,
    reading: &Reading,
    corpus: &mut Corpus,
) -> Result<(), CorpusError> {
    if let Some(items) = value.items() {
        return list(document, value, &items, reading, corpus);
    }
    let line = document.line(value);
    let members = value.members().ok_or_else(|| unknown(line, &format!("the file is {}", value.kind())))?;
    if let Some((_, data)) = members.iter().find(|(key, _)| key == "rasa_nlu_data") {
        return rasa_nlu::read(document, *data, corpus);
    }
    let holds_rows = |value: &Value<'_>| {
        value.items().is_some_and(|items| items.iter().all(|item| item.is_list() || item.is_object()))
    };
    let has_parts = |members: &[(String, Value<'_>)]| {
        members.iter().any(|(key, value)| part_of(key).is_some() && holds_rows(value))
    };
    let wrapped = members.iter().find(|(key, value)| WRAPPERS.contains(&key.as_str()) && value.is_object());
    let wrapped = wrapped.and_then(|(_, value)| value.members()).filter(|members| has_parts(members));
    if let Some(members) = wrapped.as_deref().or_else(|| has_parts(&members).then_some(&members[..])) {
        return parts(document, line, members, reading, corpus);
    }
    // The file is one object of a list.
    let record = [Record { value, members }];
    if let Ok(keys) = Keys::of(&record, reading)
        && record[0].members.iter().any(|(_, value)| value.string().is_some())
    {
        keys.note(corpus);
        records::add(document, &record, &keys, corpus);
        return Ok(());
    }
    let [Record { members, .. }] = record;
    if let Some((records, keys)) = only_list(&members, reading, line)? {
        keys.note(corpus);
        records::add(document, &records, &keys, corpus);
        return Ok(());
    }
    let inside = members.iter().find(|(key, value)| WRAPPERS.contains(&key.as_str()) && value.is_object());
    let inside = inside.and_then(|(_, value)| value.members());
    if by_intent(document, inside.as_ref().unwrap_or(&members), corpus) {
        return Ok(());
    }
    Err(unknown(line, &format!("it isn't plain what the file is: an object with {}", keys_of(&members))))
}

fn list<'t>(
    document: &Document<'t>,
    value: Value<'t>,
    items: &[Value<'t>],
    reading: &Reading,
    corpus: &mut Corpus,
) -> Result<(), CorpusError> {
    let line = document.line(value);
    let Some(first) = items.first() else { return Err(unknown(line, "the file is an empty list")) };
    let kind = |item: &Value<'_>| if item.is_object() { "objects" } else { item.kind() };
    if !first.is_object() {
        let mut reason = format!("it isn't plain what the file is: a list of {}", kind(first));
        if first.is_list() {
            reason += "s, of which nothing tells which is the text";
        }
        return Err(unknown(line, &reason));
    }
    let mut objects = items.to_vec();
    objects.retain(|item| {
        if !item.is_object() {
            corpus.faults.add(document.line(*item), format!("an object was expected, and this is {}", item.kind()));
        }
        item.is_object()
    });
    let records = Record::all(&objects).unwrap_or_default();
    let keys = Keys::of(&records, reading).map_err(|reason| no_records(document, &records, &reason))?;
    keys.note(corpus);
    records::add(document, &records, &keys, corpus);
    Ok(())
}

/// Which part of a data set a key names.
fn part_of(key: &str) -> Option<Part> {
    PARTS.iter().find(|(_, keys)| keys.contains(&key)).map(|(part, _)| *part)
}

/// A data set that is in parts: the part that is read, pairs of a text and a label, or objects.
fn parts<'t>(
    document: &Document<'t>,
    line: usize,
    members: &[(String, Value<'t>)],
    reading: &Reading,
    corpus: &mut Corpus,
) -> Result<(), CorpusError> {
    let mut read_any = false;
    for (key, value) in members {
        let Some(items) = value.items().filter(|_| part_of(key) == Some(reading.part)) else {
            let kind = match part_of(key) {
                Some(_) => format!("the part '{key}' was passed over"),
                None => format!("'{}' was passed over, as it is no part of a data set", excerpt(key)),
            };
            corpus.notes.add(kind, Some(document.line(*value)));
            continue;
        };
        read_any = true;
        if items.iter().all(|item| item.is_object()) && !items.is_empty() {
            list(document, *value, &items, reading, corpus)?;
        } else {
            items.into_iter().for_each(|item| pair(document, key, item, corpus));
        }
    }
    if !read_any {
        let wanted = PARTS.iter().find(|(part, _)| *part == reading.part).map_or("", |(_, keys)| keys[0]);
        let reason = format!("the file has no part '{wanted}', but {}", keys_of(members));
        return Err(CorpusError::at(line, reason));
    }
    Ok(())
}

/// Adds a text and its label; what a list of texts out of scope calls `oos` has none.
fn pair<'t>(document: &Document<'t>, key: &str, item: Value<'t>, corpus: &mut Corpus) {
    let line = document.line(item);
    let words: Option<Vec<String>> = item.items().and_then(|items| items.into_iter().map(Value::word).collect());
    match words.as_deref() {
        Some([text, label]) if !text.trim().is_empty() && !label.trim().is_empty() => {
            let is_outside = key.contains(OUT_OF_SCOPE) && label.trim() == OUT_OF_SCOPE;
            corpus.add_plain(text.trim(), Some(label.trim()).filter(|_| !is_outside), line);
        }
        _ => corpus.faults.add(line, "a pair of a text and a label was expected, [\"…\", \"…\"]"),
    }
}

/// The one list of objects with a text and an intent, among an object's members.
fn only_list<'t>(
    members: &[(String, Value<'t>)],
    reading: &Reading,
    line: usize,
) -> Result<Option<(Vec<Record<'t>>, Keys)>, CorpusError> {
    let records = |value: &Value<'t>| {
        let records = Record::all(&value.items()?).filter(|records| !records.is_empty())?;
        let keys = Keys::of(&records, reading).ok()?;
        Some((records, keys))
    };
    let others = members.iter().filter(|(key, _)| key != "entities");
    let mut lists: Vec<_> = others.filter_map(|(key, value)| Some((key, records(value)?))).collect();
    match lists.len() {
        0 | 1 => Ok(lists.pop().map(|(_, list)| list)),
        _ => {
            let names: Vec<_> = lists.iter().map(|(key, _)| format!("'{}'", excerpt(key))).collect();
            let reason =
                format!("several lists hold texts with intents, {}: keep one of them in the file", names.join(", "));
            Err(CorpusError::at(line, reason))
        }
    }
}

/// An object of intents: each key is one, and its value the list of its texts, or an object that has that list. False
/// where it is something else.
fn by_intent<'t>(document: &Document<'t>, members: &[(String, Value<'t>)], corpus: &mut Corpus) -> bool {
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    // Columns, each with a list of its cells, aren't intents.
    if members.is_empty() || columns::are_known(&names) {
        return false;
    }
    let Some(lists) = members.iter().map(|(_, value)| texts_of(*value)).collect::<Option<Vec<_>>>() else {
        return false;
    };
    corpus.notes.add("each key was taken for an intent, and the texts in its list for what users say", None);
    for ((name, _), (texts, replies)) in members.iter().zip(lists) {
        records::add_texts(document, texts, Some(name.trim()).filter(|name| !name.is_empty()), None, corpus);
        if let Some(replies) = replies {
            records::add_replies(name.trim(), replies, corpus);
        }
    }
    true
}

/// An intent's list of texts, and its replies where there are any; none where the value is something else.
fn texts_of(value: Value<'_>) -> Option<(Value<'_>, Option<Value<'_>>)> {
    let (list, replies) = match value.members() {
        None => (value, None),
        Some(members) => {
            let find =
                |known: &dyn Fn(&str) -> bool| members.iter().find(|(key, _)| known(key)).map(|(_, value)| *value);
            (find(&|key| columns::is_text(key))?, find(&|key| records::REPLIES.contains(&key)))
        }
    };
    let is_text = |item: &Value<'_>| {
        let members = item.members().unwrap_or_default();
        let has = |key: &str| members.iter().any(|(name, _)| name == key);
        // What says its own intent isn't one of those that the key is for.
        let has_intent = members.iter().any(|(name, _)| columns::is_intent(name));
        item.string().is_some() || (has("data") || has("text")) && !has_intent
    };
    list.items()?.iter().all(is_text).then_some((list, replies))
}

fn keys_of(members: &[(String, Value<'_>)]) -> String {
    const MOST: usize = 12;
    if members.is_empty() {
        return "no keys".to_owned();
    }
    let names: Vec<_> = members.iter().take(MOST).map(|(key, _)| format!("'{}'", excerpt(key))).collect();
    names.join(", ") + if members.len() > MOST { ", …" } else { "" }
}

#[cfg(test)]
mod tests;
