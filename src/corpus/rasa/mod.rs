//! The files of a Rasa project (<https://rasa.com/docs/rasa/training-data-format>), versions 2 and 3, and of version 1
//! the domain and `nlu.md`: training data, domain, responses, forms and rules are read, whatever files they are in; stories, but
//! for the forms that they begin with, and settings are passed over and told.
//!
//! The files together are the bot: what one says of another's parts is in [`Project`], until all of them are there.

mod asking;
mod examples;
mod forms;
mod loops;
mod markdown;
mod nlu;
mod project;
mod responses;
mod rules;
mod section;
mod yaml;

pub(super) use markdown::parse as parse_markdown;
pub use project::Project;

use std::collections::HashSet;

use self::{section::Section, yaml::Node};
use super::{Corpus, CorpusError};

/// The note on lines among examples that begin with no dash.
pub const NO_DASH: &str = "a line without `- ` before it isn't an example, and is left out";

/// Reads one file of a project.
pub(super) fn parse(text: &str) -> Result<Corpus, CorpusError> {
    let mut corpus = Corpus::default();
    let documents = yaml::load(text)?;
    if documents.iter().all(Node::is_empty) {
        corpus.notes.add("a file without data is passed over", None);
    }
    for document in documents.iter().filter(|document| !document.is_empty()) {
        let mut told = HashSet::new();
        for (key, value, section) in section::of(document)? {
            match section {
                Section::PassedOver(what) if !value.is_empty() && told.insert(what) => {
                    corpus.notes.add(what, Some(key.line));
                }
                other => read(other, key, value, &mut corpus)?,
            }
        }
    }
    Ok(corpus)
}

fn read(section: Section, key: &Node, value: &Node, corpus: &mut Corpus) -> Result<(), CorpusError> {
    if value.is_empty() {
        return Ok(());
    }
    match section {
        Section::Nlu => nlu::read(value, corpus)?,
        Section::Responses => responses::read(value, corpus)?,
        Section::Rules => rules::read(value, corpus)?,
        Section::Entities => project::read_entities(value, corpus)?,
        Section::Intents => project::read_intents(value, corpus),
        Section::Forms => forms::read_forms(value, corpus),
        Section::Slots => forms::read_slots(value, corpus),
        Section::Actions => {
            corpus.notes.add(section::ACTIONS, Some(key.line));
            forms::read_actions(value, corpus);
        }
        Section::Stories => {
            corpus.notes.add(section::STORIES, Some(key.line));
            loops::read_stories(value, corpus);
        }
        Section::Known | Section::PassedOver(_) => {}
        Section::Unknown => {
            let name = key.scalar().unwrap_or_default();
            corpus.notes.add(format!("'{name}' isn't a section of Rasa's, and is passed over"), Some(key.line));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
