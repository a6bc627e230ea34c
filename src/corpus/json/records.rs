//! Objects that each have a text and an intent, under the names that columns of a table may have. The text may be a list
//! of texts, and beside it there may be replies.

use std::collections::HashSet;

use super::value::{Document, Value};
use crate::corpus::{Corpus, CorpusError, Mention, Reading, Reply, columns, rows::excerpt};

/// Names of the key of intents where objects have lists of texts, after those that tables have.
const NAMES: [&str; 2] = ["name", "title"];

/// What an intent's replies are called beside its list of texts.
pub(super) const REPLIES: [&str; 5] = ["responses", "response", "replies", "answers", "reply"];

/// An object, whose intent may stand outside.
pub(super) struct Record<'t> {
    pub(super) value: Value<'t>,
    pub(super) members: Vec<(String, Value<'t>)>,
}

/// The keys of objects that hold what.
pub(super) struct Keys {
    text: String,
    intent: String,
    reply: Option<String>,
    /// Another key that may hold replies, and isn't read.
    maybe_reply: Option<String>,
}

impl<'t> Record<'t> {
    /// The objects of a list; none where something else is in it.
    pub(super) fn all(items: &[Value<'t>]) -> Option<Vec<Self>> {
        items.iter().map(|&value| Some(Self { value, members: value.members()? })).collect()
    }

    fn get(&self, key: &str) -> Option<Value<'t>> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }
}

impl Keys {
    /// The keys by their names, as `reading` chooses or as they are known.
    ///
    /// # Errors
    /// What is missing, and which keys there are.
    pub(super) fn of(records: &[Record<'_>], reading: &Reading) -> Result<Self, String> {
        let mut seen = HashSet::new();
        let names: Vec<&str> = records
            .iter()
            .flat_map(|record| &record.members)
            .map(|(name, _)| name.as_str())
            .filter(|name| seen.insert(*name))
            .collect();
        let has_list = |name: &str| records.iter().filter_map(|record| record.get(name)).any(Value::is_list);
        let more_intents = if names.iter().any(|name| has_list(name)) { &NAMES[..] } else { &[] };
        let found = columns::find(&names, &reading.columns, more_intents)?;
        let name = |at: usize| names[at].to_owned();
        // Beside a list of texts, replies are the intent's; beside one text, they may be anything.
        let own = || REPLIES.iter().find(|reply| names.contains(reply) && has_list(names[found.text]));
        let reply = found.reply.map(name).or_else(|| own().map(|&reply| reply.to_owned()));
        let maybe_reply = found.maybe_reply.map(name).filter(|_| reply.is_none());
        Ok(Self { text: name(found.text), intent: name(found.intent), reply, maybe_reply })
    }

    /// Tells which they are.
    pub(super) fn note(&self, corpus: &mut Corpus) {
        let replies =
            self.reply.as_deref().map_or(String::new(), |key| format!(", the replies from '{}'", excerpt(key)));
        let (text, intent) = (excerpt(&self.text), excerpt(&self.intent));
        if self.reply.is_some() || !columns::are_plain(&text, &intent) {
            let kind = format!("the texts were taken from the key '{text}', the intents from '{intent}'{replies}");
            corpus.notes.add(kind, None);
        }
        if let Some(key) = self.maybe_reply.as_deref().map(excerpt) {
            let kind = format!("the key '{key}' was left out: import --reply-column {key} takes replies from it");
            corpus.notes.add(kind, None);
        }
    }
}

/// Adds what objects hold.
pub(super) fn add<'t>(document: &Document<'t>, records: &[Record<'t>], keys: &Keys, corpus: &mut Corpus) {
    for record in records {
        let line = document.line(record.value);
        let label = match record.get(&keys.intent).map(label) {
            Some(Ok(label)) => label,
            Some(Err(reason)) => {
                corpus.faults.add(line, format!("the key '{}' {reason}", excerpt(&keys.intent)));
                continue;
            }
            None => {
                let key = excerpt(&keys.intent);
                corpus.faults.add(line, format!("it has no '{key}': name the intent, or write null for out of scope"));
                continue;
            }
        };
        let replies = keys.reply.as_deref().and_then(|key| record.get(key));
        let entities = record.get("entities");
        match record.get(&keys.text) {
            Some(text) => add_texts(document, text, label.as_deref(), entities, corpus),
            None => corpus.faults.add(line, format!("it has no '{}'", excerpt(&keys.text))),
        }
        if let (Some(replies), Some(label)) = (replies, &label) {
            add_replies(label, replies, corpus);
        }
    }
}

/// The label that a value is; none for null. Rasa's own answers have it in an object, as the name.
fn label(value: Value<'_>) -> Result<Option<String>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let of_object = || value.members()?.into_iter().find(|(key, _)| key == "name")?.1.word();
    let of_list = || match value.items()?.as_slice() {
        [one] => one.word(),
        _ => None,
    };
    let label = value.word().or_else(of_object).or_else(of_list);
    let label = label.ok_or_else(|| format!("has to be a text or null, and this is {}", value.kind()))?;
    match label.trim() {
        "" => Err("is empty: name the intent, or write null for out of scope".to_owned()),
        label => Ok(Some(label.to_owned())),
    }
}

/// Adds a text, or those of a list: texts, objects that have one, or objects of parts, some of which are entities.
pub(super) fn add_texts<'t>(
    document: &Document<'t>,
    value: Value<'t>,
    label: Option<&str>,
    entities: Option<Value<'t>>,
    corpus: &mut Corpus,
) {
    if let Some(items) = value.items() {
        for item in items {
            match item.string() {
                // Tags that nobody is to say have a list of one empty text.
                Some(text) if text.trim().is_empty() => {
                    corpus.notes.add("an empty text in a list was passed over", Some(document.line(item)));
                }
                _ => add_text(document, item, label, None, corpus),
            }
        }
        return;
    }
    add_text(document, value, label, entities, corpus);
}

fn add_text<'t>(
    document: &Document<'t>,
    value: Value<'t>,
    label: Option<&str>,
    entities: Option<Value<'t>>,
    corpus: &mut Corpus,
) {
    let line = document.line(value);
    let members = value.members().unwrap_or_default();
    let get = |key: &str| members.iter().find(|(name, _)| name == key).map(|(_, value)| *value);
    let text = value.word().or_else(|| get("text")?.word()).or_else(|| parts(get("data")?, corpus));
    match text.as_deref().map(str::trim) {
        None => corpus.faults.add(line, format!("a text was expected, and this is {}", value.kind())),
        Some("") => {
            corpus.faults.add(line, "the text is empty: write what a user would say, or take it out");
        }
        Some(trimmed) => {
            if let Some(entities) = entities.or_else(|| get("entities")) {
                add_mentions(document, entities, text.as_deref().unwrap_or_default(), corpus);
            }
            corpus.add_plain(trimmed, label, line);
        }
    }
}

/// The text of parts, `[{"text": …}, {"text": …, "entity": …}]`, whose entities are added.
fn parts(data: Value<'_>, corpus: &mut Corpus) -> Option<String> {
    let mut text = String::new();
    let mut mentions = Vec::new();
    for part in data.items()? {
        let members = part.members()?;
        let get = |key: &str| members.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.word());
        let said = get("text")?;
        if let Some(entity) = get("entity") {
            mentions.push(Mention { entity, value: said.trim().to_owned(), text: said.trim().to_owned() });
        }
        text.push_str(&said);
    }
    corpus.mentions.extend(mentions.into_iter().filter(|mention| !mention.text.is_empty()));
    Some(text)
}

/// Adds the entities that stand beside a text, each by the characters where it begins and ends.
fn add_mentions<'t>(document: &Document<'t>, entities: Value<'t>, text: &str, corpus: &mut Corpus) {
    let characters: Vec<char> = text.chars().collect();
    for item in entities.items().unwrap_or_default() {
        let members = item.members().unwrap_or_default();
        let get =
            |keys: [&str; 2]| members.iter().find(|(name, _)| keys.contains(&name.as_str())).map(|(_, value)| *value);
        let number = |keys| get(keys).and_then(Value::number);
        let place = number(["start", "startPos"]).zip(match number(["end", "end"]) {
            Some(end) => Some(end),
            // Where the last character stands, in LUIS.
            None => number(["endPos", "endPos"]).and_then(|last| last.checked_add(1)),
        });
        let said =
            place.and_then(|(start, end)| characters.get(start..end)).map(|said| said.iter().collect::<String>());
        let said = said.map(|said| said.trim().to_owned()).filter(|said| !said.is_empty());
        let entity = get(["entity", "entity"]).and_then(Value::word).filter(|entity| !entity.trim().is_empty());
        match (entity, said) {
            (Some(entity), Some(said)) => {
                let value = get(["value", "value"]).and_then(Value::word);
                let value = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
                corpus.mentions.push(Mention { entity, value: value.unwrap_or_else(|| said.clone()), text: said });
            }
            _ => {
                let kind = "an entity that isn't named, or is beyond its text, was left out";
                corpus.notes.add(kind, Some(document.line(item)));
            }
        }
        if get(["role", "group"]).is_some_and(|role| !role.is_null()) {
            corpus.notes.add("roles and groups of entities aren't kept", Some(document.line(item)));
        }
    }
}

pub(super) fn add_replies(label: &str, replies: Value<'_>, corpus: &mut Corpus) {
    let texts = replies.items().unwrap_or_else(|| vec![replies]);
    let texts = texts.into_iter().filter_map(Value::string).filter(|text| !text.trim().is_empty());
    corpus.replies.extend(texts.map(|text| Reply::new(label, text.trim())));
}

/// The error of a document in which nothing tells what it is.
pub(super) fn unknown(line: usize, found: &str) -> CorpusError {
    CorpusError::unknown(
        line,
        format!(
            "{found}. Known are [{{\"text\": \"…\", \"intent\": \"…\"}}, …], also an object a line; \
             {{\"intents\": [{{\"tag\": \"…\", \"patterns\": […], \"responses\": […]}}]}}; {{\"rasa_nlu_data\": …}}; \
             {{\"train\": [[\"text\", \"intent\"], …]}}; and {{\"intent\": [\"text\", …]}}"
        ),
    )
}
