//! Who answers an intent: the handlers' names, and what each has to know.

use std::num::NonZeroU16;

use toml::de::{DeTable, DeValue};

use super::{
    super::{HandlerDefinition, LlmDefinition, Name, Problem, RecommendDefinition, TranslateDefinition},
    Key, Reader, Value,
};
use crate::{
    config::suggest::hint,
    domain::language::is_plausible_tag,
    handler::template::{ReplyText, ReplyTextError},
    pipeline::Dispatch,
};

/// The handlers, by their names.
const HANDLERS: [&str; 7] = ["template", "search", "recommend", "llm", "translate", "webhook", "external"];
/// Those that have a table of their own in an intent.
const WITH_TABLES: [&str; 5] = ["search", "recommend", "llm", "translate", "webhook"];

/// How many items are recommended, where the file doesn't say.
const RECOMMENDED: u16 = 3;
/// How many turns of what was said before a language model is told, where the file doesn't say.
const HISTORY: u32 = 10;
const MOST_HISTORY: u32 = 100;

/// The handlers of an intent, as far as they are known.
struct HandlerNames {
    names: Vec<&'static str>,
    is_sound: bool,
}

/// Who answers an intent.
pub(super) struct Answering {
    pub(super) handlers: Vec<HandlerDefinition>,
    pub(super) external: bool,
    pub(super) dispatch: Dispatch,
}

impl Reader<'_> {
    pub(super) fn answering(&mut self, key: &Key<'_>, table: &DeTable<'_>) -> Answering {
        let HandlerNames { names, is_sound } = self.handler_names(table);
        let replies = self.replies(table);
        let has = |name: &str| names.contains(&name);
        let external = has("external");
        let reply = table.get_key_value("reply");
        let is_empty = |reply: &Value<'_>| reply.get_ref().as_table().is_some_and(DeTable::is_empty);
        match (has("template"), reply) {
            // Which of them are missing isn't known.
            _ if !is_sound => {}
            (true, None) => self.add(key.span(), Problem::NoReply),
            (true, Some((_, reply))) if is_empty(reply) => self.add(key.span(), Problem::NoReply),
            (false, Some((reply, _))) if external && names.len() == 1 => self.add(reply.span(), Problem::ExternalReply),
            (false, Some((reply, _))) => self.add(reply.span(), Problem::ReplyWithoutTemplate),
            _ => {}
        }
        for name in WITH_TABLES.iter().filter(|name| is_sound && !has(name)) {
            if let Some((key, _)) = table.get_key_value(*name) {
                self.add(key.span(), Problem::TableWithoutHandler { handler: (*name).to_owned() });
            }
        }
        self.unreached(table, &names, &replies);
        let mut handlers = Vec::new();
        for name in &names {
            handlers.extend(match *name {
                "template" => Some(HandlerDefinition::Template { replies: replies.clone() }),
                "search" => self.search(key, table),
                "recommend" => self.recommend(key, table),
                "llm" => self.llm(key, table),
                "translate" => self.translate(key, table),
                "webhook" => self.webhook(key, table),
                _ => None,
            });
        }
        Answering { dispatch: self.dispatch(table, &names), handlers, external }
    }

    /// A fixed text answers every text, so that nobody behind it is asked.
    fn unreached(&mut self, table: &DeTable<'_>, names: &[&'static str], replies: &[(String, String)]) {
        let behind = names.iter().skip_while(|name| **name != "template").nth(1);
        let is_fixed = |(_, source): &(String, String)| ReplyText::compile(source).is_ok_and(|text| text.is_fixed());
        if let (Some(behind), Some(value)) = (behind, table.get("handler"))
            && !replies.is_empty()
            && replies.iter().all(is_fixed)
        {
            self.add(value.span(), Problem::Unreached { handler: (*behind).to_owned() });
        }
    }

    /// The fallback is who answers where nobody else has an answer.
    pub(super) fn silent_fallback(&mut self, table: &DeTable<'_>, answering: &Answering) {
        let is_template = |handler: &HandlerDefinition| matches!(handler, HandlerDefinition::Template { .. });
        let may_be_silent =
            !answering.external && !answering.handlers.is_empty() && !answering.handlers.iter().any(is_template);
        if let Some(value) = table.get("handler").filter(|_| may_be_silent) {
            self.add(value.span(), Problem::SilentFallback);
        }
    }

    fn dispatch(&mut self, table: &DeTable<'_>, names: &[&'static str]) -> Dispatch {
        let words = [("inline", Dispatch::Inline), ("queue", Dispatch::Queue)];
        let given = self.word(table, "dispatch", words).ok().flatten();
        let waits = |name: &str| matches!(name, "llm" | "translate" | "webhook");
        let external = names.contains(&"external");
        match (given, external) {
            (Some(Dispatch::Inline), true) if names.len() == 1 => self.dispatch_fault(table, Problem::ExternalInline),
            (Some(Dispatch::Queue), true) if names.len() > 1 => self.dispatch_fault(table, Problem::ExternalQueue),
            _ => {}
        }
        match given {
            // The queue is the other program's.
            _ if external => {
                if names.len() == 1 {
                    Dispatch::Queue
                } else {
                    Dispatch::Inline
                }
            }
            Some(given) => given,
            None if names.iter().any(|name| waits(name)) => Dispatch::Queue,
            None => Dispatch::Inline,
        }
    }

    fn dispatch_fault(&mut self, table: &DeTable<'_>, problem: Problem) {
        if let Some(value) = table.get("dispatch") {
            self.add(value.span(), problem);
        }
    }

    /// The handlers that the file names; a template where it names none.
    fn handler_names(&mut self, table: &DeTable<'_>) -> HandlerNames {
        let template = |is_sound| HandlerNames { names: vec!["template"], is_sound };
        let Some(value) = table.get("handler") else { return template(true) };
        let values: Vec<&Value<'_>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().collect(),
            DeValue::String(_) => vec![value],
            _ => {
                const EXPECTED: &str = "a handler's name, or a list of them such as [\"search\", \"template\"]";
                self.wrong_type("handler", value, EXPECTED);
                return template(false);
            }
        };
        if values.is_empty() {
            self.add(value.span(), Problem::NoHandlers);
            return template(false);
        }
        let mut found = HandlerNames { names: Vec::new(), is_sound: true };
        let last = values.len() - 1;
        for (at, value) in values.into_iter().enumerate() {
            match self.handler_name(value) {
                None => found.is_sound = false,
                Some(name) if found.names.contains(&name) => {
                    self.add(value.span(), Problem::HandlerTwice { handler: name.to_owned() });
                }
                Some("external") if at != last => self.add(value.span(), Problem::ExternalNotLast),
                Some(name) => found.names.push(name),
            }
        }
        found
    }

    fn handler_name(&mut self, value: &Value<'_>) -> Option<&'static str> {
        let word = self.string("handler", value)?;
        let name = HANDLERS.into_iter().find(|name| *name == word);
        if name.is_none() {
            let hint = hint(word, &HANDLERS);
            self.add(value.span(), Problem::UnknownWord { key: "handler", word: word.to_owned(), hint });
        }
        name
    }

    fn search(&mut self, intent: &Key<'_>, table: &DeTable<'_>) -> Option<HandlerDefinition> {
        let search = self.table_of(intent, table, "search", &["knowledge"])?;
        Some(HandlerDefinition::Search { knowledge: self.needed(intent, search, "search", "knowledge")? })
    }

    fn webhook(&mut self, intent: &Key<'_>, table: &DeTable<'_>) -> Option<HandlerDefinition> {
        let webhook = self.table_of(intent, table, "webhook", &["service"])?;
        Some(HandlerDefinition::Webhook { service: self.needed(intent, webhook, "webhook", "service")? })
    }

    fn recommend(&mut self, intent: &Key<'_>, table: &DeTable<'_>) -> Option<HandlerDefinition> {
        let recommend = self.table_of(intent, table, "recommend", &["catalogue", "limit", "prior", "group"])?;
        let limit = self.number(recommend, "recommend.limit", "limit", 1, 50);
        Some(HandlerDefinition::Recommend(RecommendDefinition {
            catalogue: self.needed(intent, recommend, "recommend", "catalogue")?,
            limit: limit
                .and_then(|limit| u16::try_from(limit).ok())
                .and_then(NonZeroU16::new)
                .or(NonZeroU16::new(RECOMMENDED))?,
            prior: self.name(recommend, "recommend.prior", "prior"),
            group: self.name(recommend, "recommend.group", "group"),
        }))
    }

    fn llm(&mut self, intent: &Key<'_>, table: &DeTable<'_>) -> Option<HandlerDefinition> {
        let llm = self.table_of(intent, table, "llm", &["service", "system", "knowledge", "history"])?;
        const SYSTEM: &str = "told by language, such as llm.system.en = \"…\"";
        let system = self.texts_by_language(llm, "llm.system", "system", SYSTEM, |reader, key, span, error| {
            reader.add(span, Problem::Instructions { key, error });
        });
        let history = self.number(llm, "llm.history", "history", 0, MOST_HISTORY);
        Some(HandlerDefinition::Llm(LlmDefinition {
            service: self.needed(intent, llm, "llm", "service")?,
            system,
            knowledge: self.name(llm, "llm.knowledge", "knowledge"),
            history: history.unwrap_or(HISTORY),
        }))
    }

    fn translate(&mut self, intent: &Key<'_>, table: &DeTable<'_>) -> Option<HandlerDefinition> {
        let translate = self.table_of(intent, table, "translate", &["service", "to", "glossary"])?;
        let to = self.name(translate, "translate.to", "to");
        if let Some(Name { name: tag, position }) = to.as_ref().filter(|to| !is_plausible_tag(&to.name)) {
            let hint = super::language_hint("translate", tag);
            self.put(Some(*position), Problem::LanguageTag { tag: tag.clone(), hint });
        }
        Some(HandlerDefinition::Translate(TranslateDefinition {
            service: self.needed(intent, translate, "translate", "service")?,
            to,
            glossary: self.name(translate, "translate.glossary", "glossary"),
        }))
    }

    /// The table that a handler has in its intent.
    fn table_of<'v, 'd>(
        &mut self,
        intent: &Key<'_>,
        table: &'v DeTable<'d>,
        handler: &str,
        keys: &[&str],
    ) -> Option<&'v DeTable<'d>> {
        let Some(value) = table.get(handler) else {
            let key = format!("{handler}.{}", keys[0]);
            self.add(intent.span(), Problem::HandlerNeeds { handler: handler.to_owned(), key });
            return None;
        };
        let Some(found) = value.get_ref().as_table() else {
            let expected = match handler {
                "search" => "a table: write search.knowledge = \"…\"",
                "recommend" => "a table: write recommend.catalogue = \"…\"",
                "webhook" => "a table: write webhook.service = \"…\"",
                "llm" => "a table: write llm.service = \"…\"",
                _ => "a table: write translate.service = \"…\"",
            };
            self.wrong_type(handler, value, expected);
            return None;
        };
        self.unknown_keys(found, keys, |key, _| hint(key, keys));
        Some(found)
    }

    fn needed(&mut self, intent: &Key<'_>, table: &DeTable<'_>, handler: &str, key: &str) -> Option<Name> {
        let path = format!("{handler}.{key}");
        if !table.contains_key(key) {
            self.add(intent.span(), Problem::HandlerNeeds { handler: handler.to_owned(), key: path });
            return None;
        }
        self.name(table, &path, key)
    }

    /// The name that a key holds, with its place.
    pub(super) fn name(&mut self, table: &DeTable<'_>, path: &str, key: &str) -> Option<Name> {
        let value = table.get(key)?;
        let name = self.string(path, value)?.trim();
        if name.is_empty() {
            self.add(value.span(), Problem::EmptyName { key: path.to_owned() });
            return None;
        }
        Some(Name { name: name.to_owned(), position: self.lines.position(value.span().start) })
    }

    pub(super) fn number(
        &mut self,
        table: &DeTable<'_>,
        path: &'static str,
        key: &str,
        least: u32,
        most: u32,
    ) -> Option<u32> {
        let value = table.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(path, value, "a whole number");
            return None;
        };
        let number = number.as_str().parse().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.add(value.span(), Problem::OutOfRange { key: path, least, most });
        }
        number
    }

    /// Templates by language, the default language first; `fault` adds that of one that doesn't compile.
    pub(super) fn texts_by_language(
        &mut self,
        table: &DeTable<'_>,
        path: &str,
        key: &str,
        expected: &'static str,
        fault: impl Fn(&mut Self, String, std::ops::Range<usize>, ReplyTextError),
    ) -> Vec<(String, String)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(texts) = value.get_ref().as_table() else {
            self.wrong_type(path, value, expected);
            return Vec::new();
        };
        self.languages(path, texts);
        let mut read = Vec::new();
        for (language, value) in texts {
            let language = &**language.get_ref();
            let key = format!("{path}.{language}");
            if let Some(source) = self.string(&key, value) {
                match ReplyText::compile(source) {
                    Ok(text) => self.reads(&key, value.span().start, &text, path == "llm.system"),
                    Err(error) => fault(self, key, value.span(), error),
                }
                read.push((language.to_owned(), source.to_owned()));
            }
        }
        read
    }
}
