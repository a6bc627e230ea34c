//! The replies that the data has, as texts of an intents file.
//!
//! **Invariant:** nothing in a reply is taken for a template, but for `{name}` where a slot of the intent or an entity is
//! called so: that is how Rasa's responses name a slot, and it becomes the value.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;

use super::{forms::Slot, one_line};
use crate::{
    corpus::{Corpus, Notes, Reply},
    entity::Definition,
};

/// What begins a template's tag.
const TAGS: [&str; 3] = ["{{", "{%", "{#"];

/// A label's replies, each with its language.
pub(super) type Replies = Vec<(String, String)>;

/// The replies of each label that has some: where a file tells languages the first of each, else the first. `forms` has what
/// each label's intent asks.
pub(super) fn of<'c>(
    corpus: &'c Corpus,
    entities: &[Definition],
    forms: &HashMap<&str, Vec<Slot>>,
    notes: &mut Notes,
) -> HashMap<&'c str, Replies> {
    let mut replies: HashMap<&str, Replies> = HashMap::new();
    for reply in &corpus.replies {
        let (known, language) = (replies.entry(reply.of.as_str()).or_default(), language(reply));
        let is_another = reply.language.is_some() && known.iter().all(|(other, _)| *other != language);
        if known.is_empty() || is_another {
            let slots = forms.get(reply.of.as_str()).map_or(&[][..], Vec::as_slice);
            known.push((language, text(&reply.text, entities, slots, notes)));
        } else if known.iter().all(|(_, other)| *other != reply.text) {
            notes
                .add_shown("of several replies to an intent, the first is taken", format!("'{}'", one_line(&reply.of)));
        }
    }
    replies
}

/// The language that is told, without its region; else the one that the reply seems to be in.
fn language(reply: &Reply) -> String {
    let told = reply.language.as_deref().and_then(|tag| tag.split(['-', '_']).next()).map(str::to_ascii_lowercase);
    let told = told.filter(|tag| matches!(tag.len(), 2 | 3) && tag.bytes().all(|it| it.is_ascii_lowercase()));
    told.unwrap_or_else(|| super::language(&reply.text).to_owned())
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
    use crate::{domain::IntentName, handler::template::TemplateHandler};

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
        let replies = ["one", "two", "one"].map(|text| Reply::new("a", text)).to_vec();
        let corpus = Corpus { replies, ..Corpus::default() };
        let mut notes = Notes::default();
        assert_eq!(
            of(&corpus, &[], &HashMap::new(), &mut notes),
            HashMap::from([("a", vec![("en".to_owned(), "one".to_owned())])])
        );
        let told: Vec<_> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["of several replies to an intent, the first is taken: 'a'"]);
    }

    #[test]
    fn where_languages_are_told_the_first_of_each_is_taken() {
        let reply = |tag: &str, text: &str| Reply { language: Some(tag.into()), ..Reply::new("a", text) };
        let told = [("en", "Hi"), ("zh-cn", "你好"), ("zh-TW", "您好"), ("pt-BR", "Oi"), ("?", "嗨")];
        let replies = told.map(|(tag, text)| reply(tag, text)).to_vec();
        let corpus = Corpus { replies, ..Corpus::default() };
        let mut notes = Notes::default();
        let expected = [("en", "Hi"), ("zh", "你好"), ("pt", "Oi")];
        let expected = expected.map(|(tag, text)| (tag.to_owned(), text.to_owned())).to_vec();
        assert_eq!(of(&corpus, &[], &HashMap::new(), &mut notes), HashMap::from([("a", expected)]));
        let told: Vec<_> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["of several replies to an intent, the first is taken (2 times, first 'a')"]);
    }

    proptest! {
        #[test]
        fn no_reply_is_a_fault_of_the_file(reply in "[a-z{}%#\" ]{0,20}(\\{order\\}|)[{}%#' ]{0,10}") {
            let made = text(&reply, &order(), &[], &mut Notes::default());
            prop_assert!(made.trim().is_empty() || compiles(&made), "{}", made);
        }
    }
}
