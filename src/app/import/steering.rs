//! Which intents may steer a conversation: proposed by their names, in comments, since only the author knows.

use std::collections::HashMap;

use super::quoted;
use crate::{domain::IntentName, entity::folded};

/// What intents that steer are called, folded, the likeliest first.
const ROLES: [(&str, &[&str]); 3] = [
    ("yes", &["affirm", "yes", "confirm", "agree", "肯定", "确认", "同意"]),
    ("no", &["deny", "no", "disagree", "decline", "否定", "否认", "拒绝"]),
    ("cancel", &["stop", "cancel", "never_mind", "nevermind", "abort", "取消", "停止"]),
];

/// The table `[conversation]` of a file with these intents; `labels` has what else they are called.
pub(super) fn table<'n>(
    intents: impl Iterator<Item = &'n IntentName>,
    labels: &HashMap<IntentName, Vec<&str>>,
) -> String {
    let mut called: Vec<(&str, String)> = Vec::new();
    for name in intents {
        let beside = labels.get(name).map_or(&[][..], Vec::as_slice);
        let words = [name.as_str()].into_iter().chain(beside.iter().copied());
        called.extend(words.map(|word| (name.as_str(), folded(word).replace(['-', ' '], "_"))));
    }
    let mut proposed = String::new();
    for (role, words) in ROLES {
        let found = words.iter().find_map(|word| called.iter().find(|(_, known)| known == word));
        if let Some((name, _)) = found {
            proposed += &format!("# {role} = {}\n", quoted(name));
        }
    }
    if !proposed.is_empty() {
        proposed.insert_str(0, "# By their names it may be these; take the # away where it is so.\n");
    }
    format!("\n# Write which intents steer it: yes, no, cancel, person.\n[conversation]\n{proposed}")
}

#[cfg(test)]
mod tests {
    use super::super::to_intents_file;
    use crate::{
        app::intents::IntentsFile,
        corpus::{Ask, Corpus, Filler, Form, Slot, Utterance},
    };

    /// A bot that asks, and has intents with these labels beside.
    fn made(labels: &[&str]) -> String {
        let utterance = |label: &str| Utterance { text: format!("text of {label}"), label: Some(label.into()) };
        let slot = Slot { name: "note".into(), filler: Filler::Text, ask: Ask::Text("Which?".into()), optional: false };
        let corpus = Corpus {
            utterances: ["book"].into_iter().chain(labels.iter().copied()).map(utterance).collect(),
            forms: vec![Form { of: "book".into(), slots: vec![slot] }],
            ..Corpus::default()
        };
        to_intents_file(&corpus, "x").text
    }

    fn steering(text: &str) -> Option<[bool; 3]> {
        let file = IntentsFile::parse("made", text).unwrap_or_else(|faults| unreachable!("{faults}")).file;
        file.conversation.map(|it| [it.yes.is_some(), it.no.is_some(), it.cancel.is_some()])
    }

    #[test]
    fn what_may_steer_is_proposed_and_nothing_changes_unseen() {
        let text = made(&["deny", "confirm", "affirm", "stop"]);
        let proposed = "[conversation]\n# By their names it may be these; take the # away where it is so.\n\
                        # yes = \"affirm\"\n# no = \"deny\"\n# cancel = \"stop\"\n";
        assert!(text.contains(proposed), "{text}");
        assert_eq!(steering(&text), Some([false; 3]));
        let taken = ["yes", "no", "cancel"]
            .iter()
            .fold(text, |text, role| text.replace(&format!("# {role} = "), &format!("{role} = ")));
        assert_eq!(steering(&taken), Some([true; 3]));
    }

    #[test]
    fn labels_tell_it_too() {
        let text = made(&["確認", "取消", "greet"]);
        assert!(text.contains("\n# yes = \"intent\"\n# cancel = \"intent_2\"\n"), "{text}");
        let text = made(&["greet"]);
        assert!(text.contains("[conversation]\n\n[intents."), "{text}");
    }
}
