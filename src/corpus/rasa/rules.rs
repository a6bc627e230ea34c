//! The section `rules`: those that give an intent its answer, whatever was said before, and those of forms.

use super::{
    super::{Corpus, CorpusError},
    loops,
    project::Rule,
    yaml::Node,
};

const PASSED_OVER: &str = "a rule that does more than answer an intent is passed over";

pub(super) fn read(section: &Node, corpus: &mut Corpus) -> Result<(), CorpusError> {
    let rules = section.list().ok_or_else(|| section.error("rules has to be a list of rules"))?;
    for rule in rules {
        match plain(rule) {
            Some(rule) => corpus.project.rules.push(rule),
            None if loops::read_rule(rule, corpus) => {}
            None => corpus.notes.add(PASSED_OVER, Some(rule.line)),
        }
    }
    Ok(())
}

/// A rule of one intent, or one of several, that is answered with responses and nothing else.
fn plain(rule: &Node) -> Option<Rule> {
    let is_true = |node: &Node| node.scalar() == Some("true");
    if rule.get("condition").is_some() || rule.get("conversation_start").is_some_and(is_true) {
        return None;
    }
    let (first, actions) = rule.get("steps")?.list()?.split_first()?;
    let intents = intents(first)?;
    let responses = actions.iter().map(|step| {
        let action = step.get("action")?.word()?;
        is_response(action).then(|| action.to_owned())
    });
    let responses = responses.collect::<Option<Vec<_>>>()?;
    (!responses.is_empty()).then_some(Rule { intents, responses })
}

/// The intents of a step that asks for one of them and nothing else.
pub(super) fn intents(step: &Node) -> Option<Vec<String>> {
    match step.get("or") {
        Some(any) => any.list()?.iter().map(intent).collect(),
        None => intent(step).map(|intent| vec![intent]),
    }
}

/// Whether an action says a response, and does nothing else.
pub(super) fn is_response(action: &str) -> bool {
    action.starts_with("utter_")
}

/// The intent of a step that asks for nothing else, such as an entity.
fn intent(step: &Node) -> Option<String> {
    let only = step.keys().all(|key| ["intent", "user"].contains(&key));
    step.get("intent").filter(|_| only)?.word().map(str::to_owned)
}
