//! What a project's files say of each other's parts: which responses there are, which intents they answer, and what is an
//! entity. It is put together when all files are there.

use std::collections::{HashMap, HashSet};

use super::{
    super::{Corpus, CorpusError, Reply, Word},
    asking::{Asking, Known},
    forms::{FormFound, SlotFound},
    loops::{Start, Submit},
    yaml::Node,
};

/// The intent that Rasa falls back to, which nobody gives examples; and what it says then, where no rule says it.
const FALLBACK: (&str, &str) = ("nlu_fallback", "utter_default");

/// What is known of a project beside its training data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// The names of entities that the domain lists.
    pub entities: Vec<String>,
    /// Responses by their names, such as `utter_greet`.
    pub(super) responses: Vec<Word>,
    pub(super) rules: Vec<Rule>,
    pub(super) forms: Vec<FormFound>,
    pub(super) slots: Vec<SlotFound>,
    pub(super) starts: Vec<Start>,
    pub(super) submits: Vec<Submit>,
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
        self.forms.append(&mut other.forms);
        self.slots.append(&mut other.slots);
        self.starts.append(&mut other.starts);
        self.submits.append(&mut other.submits);
    }
}

impl Corpus {
    /// Gives intents what they ask, the replies that the responses and rules of all files make, and what else files say of each
    /// other, once all of them are there.
    pub fn link(&mut self) {
        std::mem::take(&mut self.agent).link(self);
        let project = std::mem::take(&mut self.project);
        self.project.entities.clone_from(&project.entities);
        let mut texts: HashMap<&str, &str> = HashMap::new();
        for response in &project.responses {
            let first = *texts.entry(&response.of).or_insert(&response.text);
            if first != response.text {
                let shown = format!("'{}'", response.of);
                self.notes.add_shown("responses that two files have keep the first text", shown);
            }
        }
        let marked = self.mentions.iter().map(|mention| mention.entity.as_str());
        let known = Known {
            project: &project,
            texts: &texts,
            intents: self.utterances.iter().filter_map(|utterance| utterance.label.as_deref()).collect(),
            entities: marked.chain(project.entities.iter().map(String::as_str)).collect(),
        };
        let Asking { forms, replies, questions } = known.asking(&mut self.notes);
        // What asks answers once it has what it needs.
        let mut rules: HashMap<&str, &[String]> = replies;
        for rule in &project.rules {
            for intent in &rule.intents {
                rules.entry(intent).or_insert(&rule.responses);
            }
        }
        let mut seen: HashSet<String> = self.replies.iter().map(|reply| reply.of.clone()).collect();
        let labels = self.utterances.iter().filter_map(|utterance| utterance.label.as_deref()).chain([FALLBACK.0]);
        let mut used = questions;
        for label in labels {
            if !seen.insert(label.to_owned()) {
                continue;
            }
            // What a rule says, else what has the intent's name.
            let by_name = match label {
                label if label == FALLBACK.0 => FALLBACK.1.to_owned(),
                label => format!("utter_{label}"),
            };
            let known = |name: &&String| texts.contains_key(name.as_str());
            for name in rules.get(label).copied().unwrap_or_default().iter().filter(|name| !known(name)) {
                // What answers a retrieval intent is chosen among `utter_faq/…`.
                if !texts.keys().any(|known| known.strip_prefix(name.as_str()).is_some_and(|it| it.starts_with('/'))) {
                    let kind = "responses that rules name are in none of the files: give their file, too";
                    self.notes.add_shown(kind, format!("'{name}'"));
                }
            }
            let ruled: Vec<_> = rules.get(label).copied().unwrap_or_default().iter().filter(known).cloned().collect();
            let names =
                if ruled.is_empty() { Some(by_name).filter(|name| known(&name)).into_iter().collect() } else { ruled };
            if !names.is_empty() {
                let said = names.iter().filter_map(|name| texts.get(name.as_str()).copied()).collect::<Vec<_>>();
                self.replies.push(Reply::new(label, said.join("\n")));
                used.extend(names);
            }
        }
        for response in project.responses.iter().filter(|response| !used.contains(&response.of)) {
            let shown = format!("'{}'", response.of);
            self.notes.add_shown("responses that answer no intent by themselves are left out", shown);
        }
        self.forms.extend(forms);
    }
}

/// The domain's `intents`: some name the response that answers them, `greet: {triggers: utter_greet}`.
pub(super) fn read_intents(section: &Node, corpus: &mut Corpus) {
    for (intent, settings) in section.list().unwrap_or_default().iter().filter_map(Node::table).flatten() {
        let response = settings.get("triggers").and_then(Node::word).filter(|action| action.starts_with("utter_"));
        if let (Some(intent), Some(response)) = (intent.word(), response) {
            let rule = Rule { intents: vec![intent.to_owned()], responses: vec![response.to_owned()] };
            corpus.project.rules.push(rule);
        }
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
