//! The replies that the data has, as texts of an intents file.
//!
//! **Invariant:** nothing in a reply is taken for a template, but for `{name}` where a slot of the intent or an entity is
//! called so: that is how Rasa's responses name a slot, and it becomes the value.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::LazyLock,
};

use regex::Regex;

use super::{forms::Slot, one_line};
use crate::{
    corpus::{Corpus, Notes},
    entity::Definition,
};

/// What begins a template's tag.
const TAGS: [&str; 3] = ["{{", "{%", "{#"];

/// The reply of each label that has one. `forms` has what each label's intent asks.
pub(super) fn of<'c>(
    corpus: &'c Corpus,
    entities: &[Definition],
    forms: &HashMap<&str, Vec<Slot>>,
    notes: &mut Notes,
) -> HashMap<&'c str, String> {
    let mut replies = HashMap::new();
    for reply in &corpus.replies {
        match replies.entry(reply.of.as_str()) {
            Entry::Vacant(entry) => {
                let slots = forms.get(reply.of.as_str()).map_or(&[][..], Vec::as_slice);
                entry.insert(text(&reply.text, entities, slots, notes));
            }
            Entry::Occupied(entry) if *entry.get() != reply.text => {
                notes.add_shown(
                    "of several replies to an intent, the first is taken",
                    format!("'{}'", one_line(&reply.of)),
                );
            }
            Entry::Occupied(_) => {}
        }
    }
    replies
}

/// The reply, or the question, of an intent with these slots, as the intents file has it.
pub(super) fn text(reply: &str, entities: &[Definition], slots: &[Slot], notes: &mut Notes) -> String {
    static SLOT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([^{}\n]+)\}").ok());
    let variable = |name: &str| {
        let slot = slots.iter().find(|slot| slot.of == name).map(|slot| format!(r#"slots["{}"]"#, slot.name));
        let is_entity = entities.iter().any(|entity| entity.name == name);
        slot.or_else(|| is_entity.then(|| format!(r#"entities["{name}"]"#)))
    };
    let mut pieces = Vec::new();
    let mut plain_from = 0;
    for slot in SLOT.iter().flat_map(|slot| slot.captures_iter(reply)) {
        let (Some(whole), Some(name)) = (slot.get(0), slot.get(1)) else { continue };
        if let Some(variable) = variable(name.as_str()) {
            pieces.push((&reply[plain_from..whole.start()], Some(variable)));
            plain_from = whole.end();
        } else {
            notes.add_shown("slots in replies that are no entities stay as they are", one_line(whole.as_str()));
        }
    }
    pieces.push((&reply[plain_from..], None));
    let is_template = pieces.len() > 1 || TAGS.iter().any(|tag| reply.contains(tag));
    let mut text = String::with_capacity(reply.len());
    for (plain, variable) in pieces {
        // A brace of the text next to one of ours would make another tag.
        text += &if is_template { plain.replace('{', r#"{{ "{" }}"#) } else { plain.to_owned() };
        if let Some(variable) = variable {
            text += &format!("{{{{ {variable} }}}}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use proptest::prelude::*;

    use super::*;
    use crate::{corpus::Word, domain::IntentName, handler::template::TemplateHandler};

    fn order() -> [Definition; 1] {
        [Definition { name: "order".into(), ..Definition::default() }]
    }

    fn compiles(text: &str) -> bool {
        TemplateHandler::new(&IntentName::new("a").unwrap(), &[("en".into(), text.into())]).is_ok()
    }

    #[test]
    fn slots_are_entities_where_there_is_one() {
        fn check(reply: &str, expected: &str, told: &[&str]) {
            let mut notes = Notes::default();
            assert_eq!(text(reply, &order(), &[], &mut notes), expected);
            assert_eq!(notes.iter().map(ToString::to_string).collect::<Vec<_>>(), told);
            assert!(compiles(expected), "{expected}");
        }
        check("plain", "plain", &[]);
        check("about {order}?", r#"about {{ entities["order"] }}?"#, &[]);
        check("{name}!", "{name}!", &["slots in replies that are no entities stay as they are: {name}"]);
        check(
            "{a} {order}",
            r#"{{ "{" }}a} {{ entities["order"] }}"#,
            &["slots in replies that are no entities stay as they are: {a}"],
        );
        check("{{order}}", r#"{{ "{" }}{{ entities["order"] }}}"#, &[]);
        check(
            "{% raw %}",
            r#"{{ "{" }}% raw %}"#,
            &["slots in replies that are no entities stay as they are: {% raw %}"],
        );
        check("a { b", "a { b", &[]);
    }

    #[test]
    fn of_several_replies_the_first_is_taken() {
        let reply = |text: &str| Word { of: "a".into(), text: text.into() };
        let corpus = Corpus { replies: vec![reply("one"), reply("two"), reply("one")], ..Corpus::default() };
        let mut notes = Notes::default();
        assert_eq!(of(&corpus, &[], &HashMap::new(), &mut notes), HashMap::from([("a", "one".to_owned())]));
        let told: Vec<_> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["of several replies to an intent, the first is taken: 'a'"]);
    }

    proptest! {
        #[test]
        fn no_reply_is_a_fault_of_the_file(reply in "[a-z{}%#\" ]{0,20}(\\{order\\}|)[{}%#' ]{0,10}") {
            let made = text(&reply, &order(), &[], &mut Notes::default());
            prop_assert!(made.trim().is_empty() || compiles(&made), "{}", made);
        }
    }
}
