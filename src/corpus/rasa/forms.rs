//! The sections `forms`, `slots` and `actions` of a domain: what a form asks for, what fills it, and what of that can't be
//! kept.

use super::{
    super::{Corpus, Notes},
    yaml::Node,
};

/// What version 2.0 has beside a form's slots, in the same table.
const BESIDE_SLOTS: [&str; 2] = ["required_slots", "ignored_intents"];

/// A form, and what it asks for, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FormFound {
    pub(super) name: String,
    /// Slots, each once, with what fills them where the form says that (version 2).
    pub(super) slots: Vec<(String, Option<Vec<Mapping>>)>,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotFound {
    pub(super) name: String,
    /// What fills it, where it says that (version 3).
    pub(super) mappings: Option<Vec<Mapping>>,
    /// Whether it has a value from the start: no form asks for it then.
    pub(super) has_value: bool,
}

/// What fills a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Entity(String),
    Text,
    /// Text that certain intents come with.
    TextOfIntents,
    /// An intent, with a value of its own.
    Intent,
}

/// What fills a slot, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) source: Source,
    /// The forms in which it does; none where it does in all.
    forms: Option<Vec<String>>,
}

impl Mapping {
    pub(super) fn holds_in(&self, form: &str) -> bool {
        self.forms.as_ref().is_none_or(|forms| forms.iter().any(|name| name == form))
    }
}

/// A table of forms; in version 2.0 also a list of the names of those whose slots a program knows.
pub(super) fn read_forms(section: &Node, corpus: &mut Corpus) {
    for form in section.list().unwrap_or_default() {
        if let Some(name) = form.word() {
            corpus.project.forms.push(FormFound { name: name.to_owned(), slots: Vec::new() });
        }
    }
    let listed = section.list().unwrap_or_default().iter().filter_map(Node::table).flatten();
    for (name, form) in section.table().unwrap_or_default().iter().chain(listed) {
        read_form(name, form, corpus);
    }
}

fn read_form(name: &Node, form: &Node, corpus: &mut Corpus) {
    let Some(name) = name.word() else { return };
    if let Some(ignored) = form.get("ignored_intents").filter(|intents| is_told(intents)) {
        corpus
            .notes
            .add("ignored_intents of forms aren't kept: each message may fill what is asked", Some(ignored.line));
    }
    let required = form.get("required_slots").unwrap_or(form);
    let named = required.list().unwrap_or_default().iter().map(|slot| (slot, None));
    let mapped = required.table().unwrap_or_default().iter().map(|(slot, mappings)| (slot, Some(mappings)));
    let mut slots: Vec<(String, Option<Vec<Mapping>>)> = Vec::new();
    for (slot, mappings) in named.chain(mapped) {
        let Some(slot) = slot.word().filter(|slot| !BESIDE_SLOTS.contains(slot)) else { continue };
        if slots.iter().all(|(known, _)| known != slot) {
            let mappings = mappings.filter(|mappings| !mappings.is_empty());
            slots.push((slot.to_owned(), mappings.map(|it| read_mappings(slot, it, &mut corpus.notes))));
        }
    }
    corpus.project.forms.push(FormFound { name: name.to_owned(), slots });
}

pub(super) fn read_slots(section: &Node, corpus: &mut Corpus) {
    for (name, slot) in section.table().unwrap_or_default() {
        // Rasa's own.
        let Some(name) = name.word().filter(|name| *name != "requested_slot") else { continue };
        let value = slot.get("initial_value").filter(|value| !value.is_empty());
        if let Some(value) = value {
            corpus.notes.add("initial values of slots aren't kept", Some(value.line));
        }
        let mappings = slot.get("mappings").filter(|mappings| !mappings.is_empty());
        let mappings = mappings.map(|it| read_mappings(name, it, &mut corpus.notes));
        corpus.project.slots.push(SlotFound { name: name.to_owned(), mappings, has_value: value.is_some() });
    }
}

/// What a program does with slots has no place here.
pub(super) fn read_actions(section: &Node, corpus: &mut Corpus) {
    for action in section.list().unwrap_or_default() {
        if action.word().is_some_and(|action| action.starts_with("validate_")) {
            let kind =
                "actions that check slots (validate_…) aren't kept: a slot takes what its entity finds, or any text";
            corpus.notes.add(kind, Some(action.line));
        }
    }
}

/// Whether there is anything in it.
fn is_told(value: &Node) -> bool {
    !value.is_empty() && value.list().is_none_or(|list| !list.is_empty())
}

fn read_mappings(slot: &str, mappings: &Node, notes: &mut Notes) -> Vec<Mapping> {
    let mappings = mappings.list().unwrap_or(std::slice::from_ref(mappings));
    mappings.iter().filter_map(|mapping| read_mapping(slot, mapping, notes)).collect()
}

fn read_mapping(slot: &str, mapping: &Node, notes: &mut Notes) -> Option<Mapping> {
    let line = Some(mapping.line);
    let has = |key: &str| mapping.get(key).is_some_and(is_told);
    let source = match mapping.get("type").and_then(Node::word)? {
        "from_entity" => Source::Entity(mapping.get("entity").and_then(Node::word).unwrap_or(slot).to_owned()),
        "from_text" if has("intent") => Source::TextOfIntents,
        "from_text" => Source::Text,
        other => {
            notes.add(format!("{other} isn't kept: a slot is filled by an entity or by text"), line);
            if other != "from_intent" {
                return None;
            }
            Source::Intent
        }
    };
    let is_intent = source == Source::Intent;
    if !is_intent && (has("intent") || has("not_intent")) {
        notes.add("intents that a slot's value has to come with aren't kept", line);
    }
    if has("role") || has("group") {
        notes.add("roles and groups of entities aren't kept", line);
    }
    let conditions = mapping.get("conditions").and_then(Node::list).unwrap_or_default();
    // Text fills a slot right after its question anyway.
    let is_text = matches!(source, Source::Text | Source::TextOfIntents);
    let is_kept = |key: &str| key == "active_loop" || (key == "requested_slot" && is_text);
    if !is_intent && !conditions.iter().all(|condition| condition.keys().all(is_kept)) {
        notes.add("conditions on when a slot is filled aren't kept", line);
    }
    let loops: Option<Vec<&Node>> = conditions.iter().map(|condition| condition.get("active_loop")).collect();
    let forms = loops.filter(|loops| !loops.is_empty()).map(|loops| {
        loops.into_iter().filter(|form| !form.is_empty()).filter_map(Node::word).map(str::to_owned).collect()
    });
    Some(Mapping { source, forms })
}
