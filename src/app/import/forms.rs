//! What intents ask, as slots of an intents file.
//!
//! **Invariant:** each slot has a name that a template can read, and is filled by an entity that there is, or by any text.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
};

use super::{Languages, language, one_line, plain, quoted, replies};
use crate::{
    app::intents::MOST_SLOTS,
    corpus::{Ask, Corpus, Filler, Notes},
    domain::{is_valid_name, stem},
    entity::{BuiltIn, Definition},
};

/// What Duckling finds for Rasa, by the names that its entities have then, and what finds it here.
/// <https://rasa.com/docs/rasa/components#ducklingentityextractor>
const DUCKLING: [(&str, BuiltIn); 5] = [
    ("amount-of-money", BuiltIn::Amount),
    ("email", BuiltIn::Email),
    ("number", BuiltIn::Number),
    ("phone-number", BuiltIn::Phone),
    ("time", BuiltIn::Date),
];

/// A slot of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// What the data calls it.
    pub(super) of: String,
    pub(super) name: String,
    /// What fills it; none where any text does.
    entity: Option<String>,
    /// Its question, as a template.
    ask: Ask,
    optional: bool,
}

/// The slots of each label whose intent asks. `named` has the entities' names here; those that are known without being told
/// are added to `entities`.
pub(super) fn of<'c>(
    corpus: &'c Corpus,
    entities: &mut Vec<Definition>,
    named: &HashMap<String, String>,
    notes: &mut Notes,
) -> HashMap<&'c str, Vec<Slot>> {
    let slots = || corpus.forms.iter().flat_map(|form| &form.slots);
    let names = names(slots().map(|slot| slot.name.as_str()), notes);
    let mut found: HashMap<&str, Option<String>> = HashMap::new();
    for slot in slots() {
        let Filler::Entity(label) = &slot.filler else { continue };
        found.entry(label).or_insert_with(|| entity(label, entities, named, notes));
    }
    let mut forms = HashMap::new();
    for form in &corpus.forms {
        if form.slots.len() > MOST_SLOTS {
            let shown = format!("those of '{}'", one_line(&form.of));
            notes.add_shown(format!("slots after the first {MOST_SLOTS} of an intent were left out"), shown);
        }
        let made = form.slots.iter().take(MOST_SLOTS).filter_map(|slot| {
            let entity = match &slot.filler {
                Filler::Entity(label) => found.get(label.as_str()).cloned().flatten(),
                Filler::Text => None,
            };
            Some(Slot {
                of: slot.name.clone(),
                name: names.get(slot.name.as_str())?.clone(),
                entity,
                ask: slot.ask.clone(),
                optional: slot.optional,
            })
        });
        // Text that isn't asked for never comes.
        let mut made: Vec<Slot> = made.filter(|slot| slot.entity.is_some() || slot.ask != Ask::Never).collect();
        let asked: Vec<Ask> = made.iter().map(|slot| question(&slot.ask, entities, &made, notes)).collect();
        made.iter_mut().zip(asked).for_each(|(slot, ask)| slot.ask = ask);
        if !made.is_empty() {
            forms.insert(form.of.as_str(), made);
        }
    }
    forms
}

/// Writes a slot as an intents file has it.
pub(super) fn write(text: &mut String, slot: &Slot, languages: Languages) -> std::fmt::Result {
    write!(text, "slots.{} = {{ ", slot.name)?;
    match &slot.entity {
        Some(entity) => write!(text, "entity = {}", quoted(entity))?,
        None => text.push_str("text = true"),
    }
    match &slot.ask {
        Ask::Text(ask) => write!(text, ", ask.{} = {}", language(ask), quoted(ask))?,
        Ask::Missing => {
            let name = &slot.of;
            if languages.english {
                write!(text, ", ask.en = {}", quoted(&plain(&format!("TODO: how the bot asks for {name}"))))?;
            }
            if languages.chinese {
                write!(text, ", ask.zh = {}", quoted(&plain(&format!("TODO：请写下机器人如何询问“{name}”"))))?;
            }
        }
        Ask::Never => {}
    }
    // What isn't asked for can't be needed.
    if slot.optional || slot.ask == Ask::Never {
        text.push_str(", optional = true");
    }
    text.push_str(" }\n");
    Ok(())
}

fn question(ask: &Ask, entities: &[Definition], slots: &[Slot], notes: &mut Notes) -> Ask {
    match ask {
        Ask::Text(text) => Ask::Text(replies::text(text, entities, slots, notes)),
        other => other.clone(),
    }
}

/// The entity here that a label names; none where nothing would find it.
fn entity(
    label: &str,
    entities: &mut Vec<Definition>,
    named: &HashMap<String, String>,
    notes: &mut Notes,
) -> Option<String> {
    let kind = DUCKLING.iter().find(|(name, _)| *name == label).map(|(_, kind)| *kind);
    let name = named.get(label).map_or(label, String::as_str);
    if kind.is_some() {
        notes.add_shown(
            "what Duckling found for Rasa is found by the worker's own kinds, which know less: look at it",
            format!("'{}'", one_line(label)),
        );
    }
    match (entities.iter_mut().find(|entity| entity.name == name), kind) {
        (Some(found), Some(_)) => found.built_in = kind,
        (Some(_), None) => {}
        (None, Some(_)) => {
            entities.push(Definition { name: name.to_owned(), built_in: kind, ..Definition::default() });
        }
        (None, None) => {
            let kind = "slots whose entity no example, lookup table or regex shows take any text";
            notes.add_shown(kind, format!("those of '{}'", one_line(label)));
            return None;
        }
    }
    Some(name.to_owned())
}

/// The names of slots here: those that can stay as they are do.
fn names<'s>(slots: impl Iterator<Item = &'s str> + Clone, notes: &mut Notes) -> HashMap<&'s str, String> {
    let is_name = |name: &str| {
        is_valid_name(name) && !name.contains('-') && !name.starts_with(|first: char| first.is_ascii_digit())
    };
    let mut names: HashMap<&str, String> =
        slots.clone().filter(|slot| is_name(slot)).map(|slot| (slot, slot.to_owned())).collect();
    let mut taken: HashSet<String> = names.values().cloned().collect();
    for slot in slots {
        if names.contains_key(slot) {
            continue;
        }
        let mut nearest = stem(slot).map_or_else(|| "slot".to_owned(), |stem| stem.replace('-', "_"));
        if nearest.starts_with(|first: char| first.is_ascii_digit()) {
            nearest.insert_str(0, "slot_");
        }
        let mut name = nearest.clone();
        let mut number = 1_usize;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{nearest}_{number}");
        }
        notes.add_shown("names of slots were changed", format!("'{}' became {name}", one_line(slot)));
        names.insert(slot, name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{super::to_intents_file, *};
    use crate::{
        app::intents::{IntentsFile, SlotFills},
        corpus::{Form, Mention, Reply, Slot as Asked, Utterance},
    };

    fn asked(name: &str, filler: Filler, ask: Ask) -> Asked {
        Asked { name: name.into(), filler, ask, optional: false }
    }

    fn entity(name: &str) -> Filler {
        Filler::Entity(name.into())
    }

    fn asks(text: &str) -> Ask {
        Ask::Text(text.into())
    }

    /// A bot of which `book` asks for these.
    fn corpus(slots: Vec<Asked>) -> Corpus {
        let utterance = |text: &str, label: &str| Utterance { text: text.into(), label: Some(label.into()) };
        Corpus {
            utterances: vec![utterance("a table", "book"), utterance("订位", "book"), utterance("hi", "greet")],
            mentions: vec![Mention { entity: "cuisine".into(), value: "thai".into(), text: "thai".into() }],
            replies: vec![
                Reply::new("book", "{food-kind} for {people}, {city}, {cuisine}"),
                Reply::new("greet", "{cuisine} or {people}?"),
            ],
            forms: vec![Form { of: "book".into(), slots }],
            ..Corpus::default()
        }
    }

    fn told(made: &super::super::Imported) -> Vec<String> {
        made.notes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_an_intent_asks_are_its_slots() {
        let made = to_intents_file(
            &corpus(vec![
                asked("food-kind", entity("cuisine"), asks("Which {food}?")),
                asked("people", entity("number"), asks("几位{food-kind}？")),
                asked("name", entity("PERSON"), Ask::Missing),
                asked("city", entity("cuisine"), Ask::Never),
                asked("note", Filler::Text, Ask::Never),
            ]),
            "x",
        );
        let file = IntentsFile::parse("made", &made.text).unwrap_or_else(|faults| unreachable!("{faults}")).file;
        assert!(file.conversation.is_some(), "nothing would be remembered");
        let found = |name: &str| file.intents.iter().find(|intent| intent.name.as_str() == name);
        let form = found("book").and_then(|intent| intent.form.as_ref());
        let slots: Vec<_> = form.map_or(&[][..], |form| form.slots.as_slice()).iter().collect();
        let fills: Vec<_> = slots
            .iter()
            .map(|slot| match &slot.fills {
                SlotFills::Entity(name) => (slot.name.as_str(), name.name.as_str(), slot.optional),
                _ => (slot.name.as_str(), "", slot.optional),
            })
            .collect();
        let expected = [
            ("food_kind", "cuisine", false),
            ("people", "number", false),
            ("name", "", false),
            ("city", "cuisine", true),
        ];
        assert_eq!(fills, expected);
        let text = |language: &str, text: &str| (language.to_owned(), text.to_owned());
        let questions: Vec<_> = slots.iter().map(|slot| slot.ask.clone()).collect();
        let expected = [
            vec![text("en", "Which {food}?")],
            vec![text("zh", "几位{{ slots[\"food_kind\"] }}？")],
            vec![text("en", "TODO: how the bot asks for name"), text("zh", "TODO：请写下机器人如何询问“name”")],
            vec![],
        ];
        assert_eq!(questions, expected);
        let reply = |name: &str| found(name).map(|intent| intent.replies().to_vec());
        let said =
            r#"{{ slots["food_kind"] }} for {{ slots["people"] }}, {{ slots["city"] }}, {{ entities["cuisine"] }}"#;
        assert_eq!(reply("book"), Some(vec![text("en", said)]));
        // Another intent knows nothing of them.
        let said = r#"{{ entities["cuisine"] }} or {{ "{" }}people}?"#;
        assert_eq!(reply("greet"), Some(vec![text("en", said)]));
        let number = file.entities.iter().find(|it| it.name == "number");
        assert_eq!(number.and_then(|it| it.built_in), Some(BuiltIn::Number));
        let told = told(&made);
        for note in [
            "names of slots were changed: 'food-kind' became food_kind",
            "what Duckling found for Rasa is found by the worker's own kinds, which know less: look at it: 'number'",
            "slots whose entity no example, lookup table or regex shows take any text: those of 'PERSON'",
            "slots in replies that are no entities stay as they are (2 times, first {food})",
        ] {
            assert!(told.contains(&note.to_owned()), "{note} isn't in {told:?}");
        }
    }

    #[test]
    fn a_kind_finds_more_than_the_examples_mark() {
        let mut corpus = corpus(vec![asked("people", entity("number"), asks("How many?"))]);
        corpus.mentions.push(Mention { entity: "number".into(), value: "four".into(), text: "four".into() });
        let made = to_intents_file(&corpus, "x");
        let file = IntentsFile::parse("made", &made.text).unwrap_or_else(|faults| unreachable!("{faults}")).file;
        let number: Vec<_> = file.entities.iter().filter(|it| it.name == "number").collect();
        assert!(
            matches!(number[..], [it] if it.built_in == Some(BuiltIn::Number) && it.values.len() == 1),
            "{number:?}"
        );
    }

    #[test]
    fn the_fallback_asks_nothing() {
        let mut corpus = corpus(vec![asked("people", entity("number"), asks("How many?"))]);
        for label in corpus.utterances.iter_mut().filter_map(|it| it.label.as_mut()).filter(|it| it.as_str() == "book")
        {
            "fallback".clone_into(label);
        }
        for form in &mut corpus.forms {
            "fallback".clone_into(&mut form.of);
        }
        let made = to_intents_file(&corpus, "x");
        let file = IntentsFile::parse("made", &made.text).unwrap_or_else(|faults| unreachable!("{faults}")).file;
        assert!(file.conversation.is_none() && file.intents.iter().all(|intent| intent.form.is_none()));
        let note = "what the fallback asks was left out: it answers at once: 'fallback'";
        assert!(told(&made).contains(&note.to_owned()), "{:?}", told(&made));
    }

    #[test]
    fn slots_have_names_that_templates_read() {
        let check = |slots: &[&str], expected: &[&str]| {
            let names = names(slots.iter().copied(), &mut Notes::default());
            let made: Vec<_> = slots.iter().map(|slot| names.get(slot).map_or("", String::as_str)).collect();
            assert_eq!(made, expected);
        };
        check(&["PERSON", "_x"], &["PERSON", "_x"]);
        check(&["a-b", "a_b", "a.b"], &["a_b_2", "a_b", "a_b_3"]);
        check(&["菜系", "城市", "2nd city"], &["slot", "slot_2", "slot_2nd_city"]);
    }
}
