//! Labels of any form, mapped to names of intents.
//!
//! **Invariant:** different labels get different names, the same label the same one, and a label that is a name keeps it
//! unless another label took it before.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use super::{Corpus, Word};
use crate::domain::{IntentName, Labels, stem};

/// The names that labels got.
#[derive(Debug, Default)]
pub struct LabelNames {
    /// The intents of a bot, which other files' labels may be.
    bot: Labels,
    by_label: HashMap<String, IntentName>,
    by_name: HashMap<IntentName, String>,
    /// In the order in which the labels came.
    renamed: Vec<Renamed>,
}

/// A label that isn't the name of its intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The label.
    pub label: String,
    /// The name that it got.
    pub name: IntentName,
    /// The label that had the nearest name already, where one had.
    pub taken_by: Option<String>,
}

impl LabelNames {
    /// Maps all of these labels; those that are names already come first, so that they keep theirs.
    pub fn of<'a>(labels: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        Self::default().and(labels)
    }

    /// Maps labels to the intents of a bot, which `bot` lists by name and label; those that are none of them get other
    /// names.
    pub fn of_bot<'a>(bot: &[Word], labels: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        let mut names = Self::default();
        for Word { of, text } in bot {
            let Ok(name) = IntentName::new(of) else { continue };
            names.bot.add(&name, [text.as_str()].into_iter().filter(|label| label != of));
            let shown = names.by_name.entry(name).or_insert_with(|| of.clone());
            // A name that was made of a label in another script tells its reader nothing.
            if shown == of && text.chars().any(|c| c.is_alphabetic() && !c.is_ascii()) {
                shown.clone_from(text);
            }
        }
        names.and(labels)
    }

    fn and<'a>(mut self, labels: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        let names = &mut self;
        for label in labels.clone().into_iter().filter(|label| IntentName::new(label).is_ok()) {
            names.name(label);
        }
        for label in labels {
            names.name(label);
        }
        self
    }

    /// The name of a label.
    pub fn name(&mut self, label: &str) -> IntentName {
        if let Some(name) = self.by_label.get(label).or_else(|| self.bot.find(label)) {
            return name.clone();
        }
        let stem = stem(label).unwrap_or_else(|| "intent".to_owned());
        let mut taken_by = None;
        let mut number = 1_usize;
        let name = loop {
            let candidate = match number {
                1 => IntentName::new(if IntentName::new(label).is_ok() { label } else { &stem }),
                more => IntentName::new(&format!("{stem}_{more}")),
            };
            number += 1;
            let Ok(candidate) = candidate else { continue };
            match self.by_name.entry(candidate) {
                Entry::Vacant(entry) => {
                    let name = entry.key().clone();
                    entry.insert(label.to_owned());
                    break name;
                }
                Entry::Occupied(entry) => taken_by = taken_by.or_else(|| Some(entry.get().clone())),
            }
        };
        if name.as_str() != label {
            self.renamed.push(Renamed { label: label.to_owned(), name: name.clone(), taken_by });
        }
        self.by_label.insert(label.to_owned(), name.clone());
        name
    }

    /// The label that got this name; the name itself where none did.
    pub fn label<'a>(&'a self, name: &'a IntentName) -> &'a str {
        self.by_name.get(name).map_or(name.as_str(), String::as_str)
    }

    /// What a corpus calls each intent, where that isn't its name: so that other files' labels, and other programs'
    /// answers, are known for it.
    pub fn beside<'c>(&mut self, corpus: &'c Corpus) -> HashMap<IntentName, Vec<&'c str>> {
        let of_bot = corpus.labels.iter().map(|word| word.text.as_str());
        let of_texts = corpus.utterances.iter().filter_map(|utterance| utterance.label.as_deref());
        let (mut labels, mut seen) = (HashMap::<IntentName, Vec<&str>>::new(), HashSet::new());
        for label in of_bot.chain(of_texts).filter(|label| seen.insert(*label)) {
            let name = self.name(label);
            if name.as_str() != label {
                labels.entry(name).or_default().push(label);
            }
        }
        labels
    }

    /// The labels that couldn't be names.
    pub fn renamed(&self) -> &[Renamed] {
        &self.renamed
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_become_names() {
        fn check(labels: &[&str], expected: &[&str]) {
            let mut names = LabelNames::of(labels.iter().copied());
            let got: Vec<_> = labels.iter().map(|label| names.name(label).to_string()).collect();
            assert_eq!(got, expected);
        }
        check(&["refund", "Refund_not-ok"], &["refund", "Refund_not-ok"]);
        check(&["reverted_card_payment?"], &["reverted_card_payment"]);
        check(&["faq/ask name", "faq.ask.name", "faq_ask_name"], &["faq_ask_name_2", "faq_ask_name_3", "faq_ask_name"]);
        check(&["退货", "退款", "a退b", "?"], &["intent", "intent_2", "a_b", "intent_3"]);
        check(&["a", "a "], &["a", "a_2"]);
    }

    #[test]
    fn what_was_renamed_is_told() {
        let names = LabelNames::of(["退货", "a b", "a_b"]);
        let told: Vec<_> =
            names.renamed().iter().map(|it| (it.label.as_str(), it.name.as_str(), it.taken_by.as_deref())).collect();
        assert_eq!(told, [("退货", "intent", None), ("a b", "a_b_2", Some("a_b"))]);
        assert_eq!(names.label(&names.renamed()[0].name), "退货");
    }

    #[test]
    fn labels_are_the_intents_of_a_bot_where_it_has_them() {
        let bot = [("intent", "退货"), ("intent_2", "退款"), ("faq_ask_name", ""), ("refund", ""), ("a_b", "a b")];
        let of = |of: &str, text: &str| Word { of: of.into(), text: text.into() };
        let bot: Vec<_> = bot
            .iter()
            .flat_map(|(name, label)| [of(name, name), of(name, label)])
            .filter(|word| !word.text.is_empty())
            .collect();
        let labels = ["退货", "faq/ask name", "refund", "a b", "a.b", "投诉", "intent_2"];
        let mut names = LabelNames::of_bot(&bot, labels);
        let got = labels.map(|label| names.name(label).to_string());
        assert_eq!(got, ["intent", "faq_ask_name", "refund", "a_b", "a_b_2", "intent_3", "intent_2"]);
        let shown = |name: &str| names.label(&IntentName::new(name).unwrap()).to_owned();
        assert_eq!(["intent", "refund", "a_b", "intent_3"].map(shown), ["退货", "refund", "a_b", "投诉"]);
        let renamed: Vec<_> = names.renamed().iter().map(|it| it.label.as_str()).collect();
        assert_eq!(renamed, ["a.b", "投诉"]);
    }

    proptest! {
        #[test]
        fn no_two_labels_share_a_name(labels in proptest::collection::hash_set("[a_ ?退]{0,70}", 0..12)) {
            let mut names = LabelNames::of(labels.iter().map(String::as_str));
            let mapped: std::collections::HashSet<_> = labels.iter().map(|label| names.name(label)).collect();
            prop_assert_eq!(mapped.len(), labels.len());
            for label in &labels {
                let name = names.name(label);
                prop_assert_eq!(names.label(&name), label.as_str());
            }
        }
    }
}
