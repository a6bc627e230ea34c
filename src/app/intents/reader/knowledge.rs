//! The documents and the catalogues: `[knowledge.NAME]` and `[catalogue.NAME]`.

use toml::de::{DeTable, DeValue};

use super::{
    super::{CatalogueDefinition, HandlerDefinition, IntentDefinition, KnowledgeDefinition, Name, Problem},
    Reader, hint,
};
use crate::domain::{InvalidName, is_valid_name};

const KNOWLEDGE_KEYS: [&str; 2] = ["paths", "embeddings"];
const CATALOGUE_KEYS: [&str; 1] = ["path"];

impl Reader<'_> {
    pub(super) fn knowledge(&mut self, table: &DeTable<'_>) -> Vec<KnowledgeDefinition> {
        let mut read = Vec::new();
        for (name, table) in self.named_tables(table, "knowledge", &KNOWLEDGE_KEYS) {
            let paths = self.paths(&name, table);
            let embeddings = self.name(table, &format!("knowledge.{}.embeddings", name.name), "embeddings");
            read.push(KnowledgeDefinition { name, paths, embeddings });
        }
        read
    }

    pub(super) fn catalogues(&mut self, table: &DeTable<'_>) -> Vec<CatalogueDefinition> {
        let mut read = Vec::new();
        for (name, table) in self.named_tables(table, "catalogue", &CATALOGUE_KEYS) {
            let key = format!("catalogue.{}.path", name.name);
            match self.name(table, &key, "path") {
                Some(path) => read.push(CatalogueDefinition { name, path }),
                None if table.contains_key("path") => {}
                None => self.put(Some(name.position), Problem::Needs { key, example: "path = \"products.csv\"" }),
            }
        }
        read
    }

    fn paths(&mut self, name: &Name, table: &DeTable<'_>) -> Vec<Name> {
        const EXAMPLE: &str = "paths = [\"help/*.md\", \"faq.csv\"]";
        let key = format!("knowledge.{}.paths", name.name);
        let mut paths = Vec::new();
        match table.get("paths").map(|value| (value, value.get_ref())) {
            Some((_, DeValue::Array(list))) if !list.is_empty() => {
                for value in list.iter() {
                    let Some(path) = self.string(&key, value).map(str::trim) else { continue };
                    if path.is_empty() {
                        self.add(value.span(), Problem::EmptyName { key: key.clone() });
                        continue;
                    }
                    paths.push(Name { name: path.to_owned(), position: self.lines.position(value.span().start) });
                }
            }
            Some((value, found)) if !found.is_array() => self.wrong_type(&key, value, "a list of files"),
            _ => self.put(Some(name.position), Problem::Needs { key, example: EXAMPLE }),
        }
        paths
    }

    /// The tables of a kind, by their names.
    fn named_tables<'v, 'd>(
        &mut self,
        table: &'v DeTable<'d>,
        kind: &str,
        keys: &[&str],
    ) -> Vec<(Name, &'v DeTable<'d>)> {
        let Some(value) = table.get(kind) else { return Vec::new() };
        let Some(tables) = value.get_ref().as_table() else {
            let expected = if kind == "knowledge" {
                "tables, each written [knowledge.NAME]"
            } else {
                "tables, each written [catalogue.NAME]"
            };
            self.wrong_type(kind, value, expected);
            return Vec::new();
        };
        let mut named = Vec::new();
        for (key, value) in tables {
            let name = &**key.get_ref();
            if !is_valid_name(name) {
                self.add(key.span(), Problem::InvalidName(InvalidName(name.to_owned())));
            }
            let Some(found) = value.get_ref().as_table() else {
                self.wrong_type(&format!("{kind}.{name}"), value, "a table, whose name is written in brackets");
                continue;
            };
            self.unknown_keys(found, keys, |key, _| hint(key, keys));
            named.push((Name { name: name.to_owned(), position: self.lines.position(key.span().start) }, found));
        }
        named
    }

    /// Every handler's documents and catalogue have to be there.
    pub(super) fn references(
        &mut self,
        intents: &[IntentDefinition],
        knowledge: &[KnowledgeDefinition],
        catalogues: &[CatalogueDefinition],
    ) {
        let documents: Vec<&str> = knowledge.iter().map(|one| &*one.name.name).collect();
        let tables: Vec<&str> = catalogues.iter().map(|one| &*one.name.name).collect();
        for intent in intents {
            self.intent = Some(intent.name.as_str().to_owned());
            for handler in &intent.handlers {
                match handler {
                    HandlerDefinition::Search { knowledge } => self.reference("knowledge", knowledge, &documents),
                    HandlerDefinition::Llm(llm) => {
                        if let Some(knowledge) = &llm.knowledge {
                            self.reference("knowledge", knowledge, &documents);
                        }
                    }
                    HandlerDefinition::Recommend(recommend) => {
                        self.reference("catalogue", &recommend.catalogue, &tables);
                    }
                    _ => {}
                }
            }
        }
        self.intent = None;
    }

    fn reference(&mut self, kind: &'static str, name: &Name, known: &[&str]) {
        if known.contains(&&*name.name) {
            return;
        }
        let hint = match known.is_empty() {
            true => format!("write a table [{kind}.{}]", name.name),
            false => hint(&name.name, known),
        };
        self.put(Some(name.position), Problem::UnknownWord { key: kind, word: name.name.clone(), hint });
    }
}
