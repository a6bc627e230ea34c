//! The files of an agent as Dialogflow ES exports it: intents, what users say, entities, their entries.
//!
//! What users say and entries tell by their file's name alone which intent or entity they are of,
//! `intents/NAME_usersays_en.json` and `entities/NAME_entries_en.json`; that is put together when all files are there.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use regex::Regex;

use super::{
    member,
    value::{Document, Value},
    vocabulary,
};
use crate::corpus::{Corpus, CorpusError, Faults, Mention, Notes, Reply, Utterance, Word};

/// The label under which the importer looks for what the fallback says; Rasa's.
const FALLBACK: &str = "nlu_fallback";

/// What is known of an agent until all of its files are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// What users say, each of an intent as its file calls it; of nothing until the reader's caller tells the file's name.
    phrases: Vec<Word>,
    /// Values and what is said for them, each of an entity in the same way.
    entries: Vec<Mention>,
    /// The intents' own files, and the names in them.
    intents: Vec<Word>,
    entities: Vec<Word>,
    /// The names of intents that answer what isn't understood.
    fallbacks: HashSet<String>,
    /// The names of entities whose entries are regular expressions.
    patterns: HashSet<String>,
}

/// Reads a document where it is such a file; `false` where it is none.
///
/// # Errors
/// [`CorpusError::Unknown`] where it holds nothing but an agent's settings.
pub(super) fn read<'t>(
    document: &Document<'t>,
    value: Value<'t>,
    members: &[(String, Value<'t>)],
    corpus: &mut Corpus,
) -> Result<bool, CorpusError> {
    if let Some(items) = value.items() {
        let are_all = |is: fn(Value<'t>) -> bool| !items.is_empty() && items.iter().all(|&item| is(item));
        if are_all(is_phrase) {
            items.into_iter().for_each(|item| phrase(document, item, "", corpus));
        } else if are_all(is_entry) {
            items.into_iter().for_each(|item| entry(document, item, "", corpus));
        } else {
            return Ok(false);
        }
        return Ok(true);
    }
    let has = |key: &str| member(members, key).is_some();
    let name = member(members, "name").and_then(Value::string);
    match name {
        Some(name) if has("responses") && has("webhookUsed") => intent(document, &name, members, corpus),
        Some(name) if has("isEnum") => {
            if is_true(members, "isRegexp") {
                corpus.agent.patterns.insert(name.clone());
            }
            let entries = member(members, "entries").and_then(Value::items).unwrap_or_default();
            entries.into_iter().for_each(|item| entry(document, item, &name, corpus));
            corpus.agent.entities.push(Word { of: String::new(), text: name });
        }
        _ if has("supportedLanguages") || has("googleAssistant") => {
            let reason =
                "these are the settings of an agent of Dialogflow: name the folder that its export was unpacked to";
            return Err(CorpusError::unknown(document.line(value), reason));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn is_phrase(item: Value<'_>) -> bool {
    item.member("isTemplate").and(item.member("data")).is_some_and(Value::is_list)
}

fn is_entry(item: Value<'_>) -> bool {
    let members = item.members().unwrap_or_default();
    let value = member(&members, "value").and_then(Value::string);
    members.len() <= 3 && value.is_some() && member(&members, "synonyms").is_some_and(Value::is_list)
}

fn is_true(members: &[(String, Value<'_>)], key: &str) -> bool {
    member(members, key).and_then(Value::word).is_some_and(|word| word == "true")
}

/// What users say, in parts, some of which are entities.
fn phrase<'t>(document: &Document<'t>, item: Value<'t>, of: &str, corpus: &mut Corpus) {
    let (line, members) = (Some(document.line(item)), item.members().unwrap_or_default());
    if is_true(&members, "isTemplate") {
        corpus.notes.add("templates of what users say, such as @city:city, were left out: write examples", line);
        return;
    }
    let mut text = String::new();
    for part in member(&members, "data").and_then(Value::items).unwrap_or_default() {
        let Some(said) = part.member("text").and_then(Value::string) else { continue };
        text.push_str(&said);
        let entity = part.member("meta").and_then(Value::string).unwrap_or_default();
        let (entity, said) = (entity.trim_start_matches('@'), said.trim());
        match entity {
            "" | "sys.ignore" => {}
            _ if said.is_empty() => {}
            system if system.starts_with("sys.") => {
                let kind = "entities of Dialogflow's own aren't kept: give an entity a kind, such as kind = \"date\"";
                corpus.notes.add_shown(kind, format!("@{system}"));
            }
            own => {
                let [entity, value, text] = [own, said, said].map(str::to_owned);
                corpus.mentions.push(Mention { entity, value, text });
            }
        }
    }
    match text.trim() {
        "" => corpus.notes.add("an empty text in a list was passed over", line),
        text => {
            corpus.note_marks(text, line);
            corpus.agent.phrases.push(Word { of: of.to_owned(), text: text.to_owned() });
        }
    }
}

/// A value and its synonyms, of which it is one itself.
fn entry<'t>(document: &Document<'t>, item: Value<'t>, of: &str, corpus: &mut Corpus) {
    let value = item.member("value").and_then(Value::string).unwrap_or_default();
    if value.starts_with('@') {
        corpus.notes.add("entries of other entities, such as @size:size, were left out", Some(document.line(item)));
        return;
    }
    let synonyms = vocabulary::words(item.member("synonyms")).into_iter().filter(|said| *said != value);
    for said in [value.clone()].into_iter().chain(synonyms) {
        corpus.agent.entries.push(Mention { entity: of.to_owned(), value: value.clone(), text: said });
    }
}

/// An intent's own file; older ones have what users say in it.
fn intent<'t>(document: &Document<'t>, name: &str, members: &[(String, Value<'t>)], corpus: &mut Corpus) {
    let list = |key: &str| member(members, key).and_then(Value::items).unwrap_or_default();
    let is_fallback = is_true(members, "fallbackIntent");
    corpus.agent.intents.push(Word { of: String::new(), text: name.to_owned() });
    if is_fallback {
        corpus.agent.fallbacks.insert(name.to_owned());
    }
    list("userSays").into_iter().for_each(|item| phrase(document, item, name, corpus));
    if !list("contexts").is_empty() {
        corpus.notes.add_shown("contexts aren't kept: an intent is understood at any time", format!("'{name}'"));
    }
    if is_true(members, "webhookUsed") {
        let kind = "calls of webhooks aren't kept: give such an intent handler = \"webhook\"";
        corpus.notes.add_shown(kind, format!("'{name}'"));
    }
    for response in list("responses") {
        reply(document, if is_fallback { FALLBACK } else { name }, response, corpus);
    }
}

/// What an intent answers: messages that are said one after the other, of whose texts one is taken, in each language: the
/// first that needs nothing that a user may not have said, else the first.
fn reply<'t>(document: &Document<'t>, label: &str, response: Value<'t>, corpus: &mut Corpus) {
    let line = Some(document.line(response));
    let list = |key: &str| response.member(key).and_then(Value::items).unwrap_or_default();
    let parameters: Vec<Parameter> = list("parameters").into_iter().filter_map(Parameter::of).collect();
    if parameters.iter().any(|parameter| parameter.is_required) {
        corpus.notes.add("parameters that are required aren't kept: write them as slots of the intent", line);
    }
    let mut texts: Vec<(Option<String>, Vec<String>)> = Vec::new();
    for message in list("messages") {
        let word = |key: &str| message.member(key).and_then(Value::word).filter(|word| !word.is_empty());
        let said = vocabulary::words(message.member("speech"));
        let Some(taken) = said.iter().find(|text| !may_miss(text, &parameters)).or(said.first()) else {
            if word("type").is_some_and(|kind| kind != "0") {
                corpus.notes.add("cards, buttons and payloads of replies aren't kept", line);
            }
            continue;
        };
        if word("platform").is_some() {
            corpus.notes.add("replies for one platform alone aren't kept", line);
            continue;
        }
        if said.iter().any(|other| other != taken) {
            let kind = if said.first() == Some(taken) {
                "of several texts of a reply, the first is taken"
            } else {
                "of several texts of a reply, the first without a parameter that may be missing is taken"
            };
            corpus.notes.add(kind, line);
        }
        let language = word("lang");
        match texts.iter_mut().find(|(known, _)| *known == language) {
            Some((_, texts)) => texts.push(taken.clone()),
            None => texts.push((language, vec![taken.clone()])),
        }
    }
    if texts.is_empty() {
        texts.extend(vocabulary::words(response.member("speech")).into_iter().next().map(|text| (None, vec![text])));
    }
    for (language, texts) in texts {
        let text = with_slots(&texts.join("\n"), &parameters, corpus);
        corpus.replies.push(Reply { of: label.to_owned(), text, language });
    }
}

/// A part of what a user says that an intent knows by a name.
struct Parameter {
    name: String,
    /// The entity whose value it is; `None` where that is one of Dialogflow's own.
    entity: Option<String>,
    is_required: bool,
}

impl Parameter {
    fn of(value: Value<'_>) -> Option<Self> {
        let members = value.members()?;
        let word = |key: &str| member(&members, key).and_then(Value::word).filter(|word| !word.is_empty());
        let entity = word("dataType").map(|it| it.trim_start_matches('@').to_owned());
        let entity = entity.filter(|entity| !entity.starts_with("sys."));
        Some(Self { name: word("name")?, entity, is_required: is_true(&members, "required") })
    }
}

/// A reply whose `$product` is the entity's value, as Rasa's `{product}` is.
fn with_slots(text: &str, parameters: &[Parameter], corpus: &mut Corpus) -> String {
    // Of two names that begin alike the longer one is meant.
    let mut parameters: Vec<&Parameter> = parameters.iter().collect();
    parameters.sort_by_key(|parameter| std::cmp::Reverse(parameter.name.len()));
    let mut made = text.to_owned();
    for Parameter { name, entity, .. } in parameters {
        let Some(entity) = entity else { continue };
        let (said, slot) = (format!("${name}"), format!("{{{entity}}}"));
        made = made.replace(&format!("{said}.original"), &slot).replace(&said, &slot);
    }
    for (parameter, _) in parameters_in(&made) {
        corpus.notes.add_shown("parameters in replies that are no entities stay as they are", parameter);
    }
    made
}

/// Whether a text names a parameter that a user may not have said, or that nothing here fills.
fn may_miss(text: &str, parameters: &[Parameter]) -> bool {
    let is_there = |parameter: &Parameter| parameter.is_required && parameter.entity.is_some();
    let is_sure = |name: &str| parameters.iter().any(|parameter| parameter.name == name && is_there(parameter));
    parameters_in(text).any(|(_, name)| !name.is_some_and(is_sure))
}

/// The parameters in a reply: `$product` with its name, and those of contexts, `#order.product`.
fn parameters_in(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    static PARAMETER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\$([A-Za-z_][A-Za-z0-9_-]*)|#[A-Za-z_][A-Za-z0-9_-]*\.[A-Za-z_][A-Za-z0-9_-]*").ok()
    });
    let found = PARAMETER.iter().flat_map(move |parameter| parameter.captures_iter(text));
    found.filter_map(|found| Some((found.get(0)?.as_str(), found.get(1).map(|name| name.as_str()))))
}

impl Agent {
    /// Tells in which file all of this was found.
    pub(in crate::corpus) fn found_in(&mut self, file: &str, notes: &mut Notes, faults: &mut Faults) {
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let of = |between: &str| stem.rsplit_once(between).map_or("", |(of, _)| of);
        let named = self.intents.iter_mut().chain(&mut self.entities).filter(|word| word.of.is_empty());
        named.for_each(|word| stem.clone_into(&mut word.of));
        let mut phrases = self.phrases.iter_mut().filter(|phrase| phrase.of.is_empty()).peekable();
        match of("_usersays_") {
            "" if phrases.peek().is_some() => faults.add(
                1,
                "these are the texts of one intent, as Dialogflow exports them, and the file's name doesn't tell of which: \
                 call it INTENT_usersays_en.json",
            ),
            intent => phrases.for_each(|phrase| intent.clone_into(&mut phrase.of)),
        }
        let mut entries = self.entries.iter_mut().filter(|entry| entry.entity.is_empty()).peekable();
        match of("_entries_") {
            "" if entries.peek().is_some() => {
                notes.add("values were passed over, as no file's name ENTITY_entries_en.json tells their entity", None);
            }
            entity => entries.for_each(|entry| entity.clone_into(&mut entry.entity)),
        }
        self.phrases.retain(|phrase| !phrase.of.is_empty());
        self.entries.retain(|entry| !entry.entity.is_empty());
    }

    /// Adds what another file says.
    pub(in crate::corpus) fn append(&mut self, mut other: Self) {
        self.phrases.append(&mut other.phrases);
        self.entries.append(&mut other.entries);
        self.intents.append(&mut other.intents);
        self.entities.append(&mut other.entities);
        self.fallbacks.extend(other.fallbacks);
        self.patterns.extend(other.patterns);
    }

    /// Gives what users say its intents, and entries their entities, once all files are there.
    pub(in crate::corpus) fn link(self, corpus: &mut Corpus) {
        let Self { phrases, entries, intents, entities, fallbacks, patterns } = self;
        let [intents, entities] = [&intents, &entities]
            .map(|words| words.iter().map(|word| (word.of.as_str(), word.text.as_str())).collect::<HashMap<_, _>>());
        for Word { of, text } in &phrases {
            let name = intents.get(of.as_str()).copied().unwrap_or(of);
            // What a fallback lists is what no intent is to answer.
            let label = Some(name.to_owned()).filter(|name| !fallbacks.contains(name));
            corpus.utterances.push(Utterance { text: text.clone(), label });
        }
        corpus.mentions.retain(|mention| !patterns.contains(&mention.entity));
        let mut values = Vec::new();
        for Mention { entity, value, text } in entries {
            let entity = entities.get(entity.as_str()).map_or(entity.clone(), |name| (*name).to_owned());
            match patterns.contains(&entity) {
                false => {
                    if value == text {
                        corpus.values.push(Word { of: entity.clone(), text: value.clone() });
                    }
                    values.push(Mention { entity, value, text });
                }
                true if value == text => vocabulary::add_pattern(&entity, &value, corpus),
                true => {}
            }
        }
        // Entries have the best spelling of a value, and the first that comes is taken.
        corpus.mentions.splice(0..0, values);
    }
}

#[cfg(test)]
mod tests;
