//! Forms in rules and stories: which intent starts one, and what is said once it is filled.

use super::{
    super::Corpus,
    rules::{intents, is_response},
    yaml::Node,
};

const SAID_BEFORE: &str = "what is said before a form's first question isn't kept";
const DONE_AFTER: &str = "what is done once a form is filled isn't kept, but for responses alone: it is for a program of \
                          yours (handler = \"external\")";

/// Intents that start a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) intents: Vec<String>,
    pub(super) form: String,
    /// Whether that holds whatever was said before; else a story begins so.
    pub(super) is_rule: bool,
}

/// What is said once a form is filled: the names of responses, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submit {
    pub(super) form: String,
    pub(super) responses: Vec<String>,
}

/// Where a rule holds.
enum Within<'n> {
    NoForm,
    Form(&'n str),
}

/// Steps that start a form.
struct Begun<'n> {
    intents: Vec<String>,
    form: &'n str,
    /// Whether something is said before it asks.
    says: bool,
    /// What comes then.
    rest: &'n [Node],
}

/// Reads a rule that starts a form, or says what comes when it is filled. Whether it is one.
pub(super) fn read_rule(rule: &Node, corpus: &mut Corpus) -> bool {
    let steps = rule.get("steps").and_then(Node::list).unwrap_or_default();
    match within(rule) {
        Some(Within::NoForm) => {
            let Some(Begun { intents, form, says, rest }) = begun(steps) else { return false };
            if says {
                corpus.notes.add(SAID_BEFORE, Some(rule.line));
            }
            if !rest.is_empty() && !read_submit(form, rest, rule.line, corpus) {
                corpus.notes.add(DONE_AFTER, Some(rule.line));
            }
            corpus.project.starts.push(Start { intents, form: form.to_owned(), is_rule: true });
            true
        }
        Some(Within::Form(form)) => {
            let rest = steps.split_first().filter(|(first, _)| action(first) == Some(form)).map(|(_, rest)| rest);
            read_submit(form, rest.unwrap_or(steps), rule.line, corpus)
        }
        None => false,
    }
}

/// Reads the forms that stories begin with. What a later message starts depends on what was said before, and "yes" may.
pub(super) fn read_stories(section: &Node, corpus: &mut Corpus) {
    for story in section.list().unwrap_or_default() {
        if let Some(Begun { intents, form, .. }) = story.get("steps").and_then(Node::list).and_then(begun) {
            corpus.project.starts.push(Start { intents, form: form.to_owned(), is_rule: false });
        }
    }
}

/// Where a rule holds; none where that depends on more than a form.
fn within(rule: &Node) -> Option<Within<'_>> {
    if rule.get("conversation_start").and_then(Node::scalar) == Some("true") {
        return None;
    }
    let Some(conditions) = rule.get("condition") else { return Some(Within::NoForm) };
    let [condition] = conditions.list()? else { return None };
    let form = condition.get("active_loop").filter(|_| condition.keys().all(|key| key == "active_loop"))?;
    if form.is_empty() { Some(Within::NoForm) } else { form.word().map(Within::Form) }
}

/// An intent, maybe responses, the form as an action, and that it is active.
fn begun(steps: &[Node]) -> Option<Begun<'_>> {
    let (first, rest) = steps.split_first()?;
    let intents = intents(first)?;
    let said = rest.iter().take_while(|step| action(step).is_some_and(is_response)).count();
    let (activates, rest) = rest.get(said..)?.split_first()?;
    let (active, rest) = rest.split_first()?;
    let form = action(activates)?;
    let is_active = active.get("active_loop").and_then(Node::word) == Some(form);
    is_active.then_some(Begun { intents, form, says: said > 0, rest })
}

/// What comes when a form is filled: it isn't active any more, and then something is said, or done. Whether it is that.
fn read_submit(form: &str, steps: &[Node], line: usize, corpus: &mut Corpus) -> bool {
    let Some((ends, rest)) = steps.split_first() else { return false };
    if !ends.get("active_loop").is_some_and(Node::is_empty) {
        return false;
    }
    let actions = rest.iter().filter(|step| !is_reset(step));
    let responses = actions.map(|step| action(step).filter(|action| is_response(action)).map(str::to_owned));
    match responses.collect::<Option<Vec<_>>>() {
        Some(responses) if responses.is_empty() => {}
        Some(responses) => corpus.project.submits.push(Submit { form: form.to_owned(), responses }),
        None => corpus.notes.add(DONE_AFTER, Some(line)),
    }
    true
}

/// Whether a step only says that nothing is asked any more.
fn is_reset(step: &Node) -> bool {
    let set = step.get("slot_was_set").and_then(Node::list).unwrap_or_default();
    let is_reset = |slot: &Node| slot.get("requested_slot").is_some_and(Node::is_empty);
    is_reset(step) || (!set.is_empty() && set.iter().all(is_reset))
}

fn action(step: &Node) -> Option<&str> {
    step.get("action").and_then(Node::word)
}
