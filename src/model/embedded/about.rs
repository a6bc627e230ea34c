//! What an intent's name and description say of it, to be learned from beside its examples.
//!
//! **Invariant:** what is read depends on names and descriptions alone; what can't tell an intent from another isn't read.

use std::collections::{BTreeMap, HashMap};

use crate::domain::IntentName;

/// A name or a description.
#[derive(Debug, PartialEq)]
pub(super) struct About {
    /// The intent's number.
    pub(super) intent: usize,
    /// What it says, in words.
    pub(super) text: String,
}

/// What names and descriptions say of the intents, in their order: each name, and each description. What is said of
/// several intents alike, as `intent_1` and `intent_2` do, says nothing of any, and is left out.
pub(super) fn abouts(intents: &[IntentName], descriptions: &BTreeMap<&IntentName, &str>) -> Vec<About> {
    let mut abouts = Vec::new();
    for (intent, name) in intents.iter().enumerate() {
        let name_says = words(name.as_str());
        let description = descriptions.get(name).map(|description| in_words(description));
        let more = description.filter(|description| *description != name_says);
        abouts.extend([Some(name_says), more].into_iter().flatten().map(|text| About { intent, text }));
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    abouts.iter().for_each(|about| *times.entry(about.text.to_lowercase()).or_default() += 1);
    abouts.retain(|about| times[&about.text.to_lowercase()] == 1);
    abouts
}

/// A description as it stands; one without a space is a label that couldn't be a name, and is read as names are.
fn in_words(description: &str) -> String {
    if description.trim().contains(char::is_whitespace) { description.to_owned() } else { words(description) }
}

/// A name's words: `card_arrival`, `card-arrival2`, `cardArrival` all say "card arrival".
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        // The P of `resetPassword`, and of `resetPINPassword`.
        let follows_small = before.is_lowercase();
        let begins_small = before.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (follows_small || begins_small) {
            words.push(' ');
        }
        words.push(if c.is_alphabetic() { c } else { ' ' });
        before = c;
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

    use super::*;

    #[test]
    fn a_name_is_read_as_words() {
        let check = |name, expected| assert_eq!(words(name), expected, "{name:?}");
        check("card_arrival", "card arrival");
        check("card-arrival", "card arrival");
        check("cardArrival", "card arrival");
        check("CardArrival2", "card arrival");
        check("CARD_ARRIVAL", "card arrival");
        check("resetPINCode", "reset pin code");
        check("faq/ask_name?", "faq ask name");
        check("q17", "q");
        check("退货", "退货");
        check("42", "");
    }

    #[test]
    fn names_and_descriptions_are_told_but_for_what_says_nothing() {
        let names: Vec<IntentName> = ["order_status", "intent_1", "intent_2", "refund", "faq_name"]
            .map(|name| IntentName::new(name).unwrap())
            .into();
        let described = [(0, "Where is it?"), (1, "退货"), (2, "Other things."), (3, "other things."), (4, "faq/name")];
        let descriptions = described.iter().map(|&(at, text)| (&names[at], text)).collect();
        let told: Vec<_> = abouts(&names, &descriptions).into_iter().map(|about| (about.intent, about.text)).collect();
        let expected = [(0, "order status"), (0, "Where is it?"), (1, "退货"), (3, "refund"), (4, "faq name")];
        assert_eq!(told, expected.map(|(intent, text)| (intent, text.to_owned())));
    }
}
