//! What a project's files say of each other's parts: which responses there are, which intents they answer, and what is an
//! entity. It is put together when all files are there.

use std::collections::{HashMap, HashSet};

use super::{
    super::{Corpus, CorpusError, Word},
    yaml::Node,
};

/// The intent that Rasa falls back to; nobody gives it examples.
const FALLBACK: &str = "nlu_fallback";

/// What is known of a project beside its training data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// The names of entities that the domain lists.
    pub entities: Vec<String>,
    /// Responses by their names, such as `utter_greet`.
    pub(super) responses: Vec<Word>,
    pub(super) rules: Vec<Rule>,
}

/// A rule that does nothing but answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) intents: Vec<String>,
    /// The names of what it answers, one after the other.
    pub(super) responses: Vec<String>,
}

impl Project {
    /// Adds what another file says.
    pub(in crate::corpus) fn append(&mut self, mut other: Self) {
        self.entities.append(&mut other.entities);
        self.responses.append(&mut other.responses);
        self.rules.append(&mut other.rules);
    }

    /// What answers each of these intents: the responses of its rule, else the one of its name.
    pub(in crate::corpus) fn replies<'l>(&self, labels: impl Iterator<Item = &'l str>) -> Vec<Word> {
        let mut texts: HashMap<&str, &str> = HashMap::new();
        for response in &self.responses {
            texts.entry(&response.of).or_insert(&response.text);
        }
        let mut rules: HashMap<&str, &[String]> = HashMap::new();
        for rule in &self.rules {
            rule.intents.iter().for_each(|intent| drop(rules.entry(intent).or_insert(&rule.responses)));
        }
        let mut seen = HashSet::new();
        let labels = labels.chain([FALLBACK]).filter(|label| seen.insert(*label));
        let reply = |label: &str| {
            let names = rules.get(label).copied().unwrap_or_default();
            let said: Vec<_> = names.iter().filter_map(|name| texts.get(name.as_str()).copied()).collect();
            let text = match said.is_empty() {
                true => (*texts.get(format!("utter_{label}").as_str())?).to_owned(),
                false => said.join("\n"),
            };
            Some(Word { of: label.to_owned(), text })
        };
        labels.filter_map(reply).collect()
    }
}

/// The domain's `entities`: names, or tables of one name each with its roles.
pub(super) fn read_entities(section: &Node, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let entities = section.list().ok_or_else(|| section.error("entities has to be a list of names"))?;
    for entity in entities {
        let name = entity.word().or_else(|| entity.keys().next());
        corpus.project.entities.extend(name.map(str::to_owned));
    }
    Ok(())
}
