//! Which intent a label of somebody else's data is, or the name that another program's model gives it.

use std::collections::HashMap;

use super::IntentName;

/// The longest name that is made of a label, in characters: what tells it from others has to fit behind it.
const STEM: usize = 56;

/// What of a label can stand in a name: runs of anything else become one `_`. None where no letter or digit is left.
pub fn stem(label: &str) -> Option<String> {
    let words = label.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| !word.is_empty());
    let mut stem = words.collect::<Vec<_>>().join("_");
    stem.truncate(STEM);
    stem.chars().any(|c| c.is_ascii_alphanumeric()).then_some(stem)
}

/// The labels of a bot's intents. **Invariant:** nothing that it finds is another bot's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    by_label: HashMap<String, IntentName>,
    /// The intents by their names, and whether each has labels of its own.
    by_name: HashMap<IntentName, bool>,
}

impl Labels {
    /// Adds an intent, and what other files and programs call it.
    pub fn add<'l>(&mut self, name: &IntentName, labels: impl IntoIterator<Item = &'l str>) {
        let mut has_own = false;
        for label in labels {
            has_own = true;
            self.by_label.insert(label.to_owned(), name.clone());
        }
        *self.by_name.entry(name.clone()).or_default() |= has_own;
    }

    /// The intent of a label: the one that lists it, else the one of that name, else the one that import would have
    /// named so. The last only where that intent lists no labels: one that does is none that it doesn't list.
    pub fn find(&self, label: &str) -> Option<&IntentName> {
        let named = |name: &str| self.by_name.get_key_value(name);
        let label = label.trim();
        if let Some(name) = self.by_label.get(label) {
            return Some(name);
        }
        if let Some((name, _)) = named(label) {
            return Some(name);
        }
        let (name, has_own) = named(&stem(label)?)?;
        (!has_own).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_label_is_looked_up_then_the_name_then_the_rule() {
        let mut labels = Labels::default();
        let bot: [(&str, &[&str]); 6] = [
            ("intent", &["退货"]),
            ("intent_2", &["退款"]),
            ("refund", &["money back", "order"]),
            ("order", &[]),
            ("faq_contact_info", &[]),
            ("a_b", &["a/b"]),
        ];
        for (name, own) in bot {
            labels.add(&IntentName::new(name).unwrap(), own.iter().copied());
        }
        let check = |label: &str, expected: Option<&str>| {
            assert_eq!(labels.find(label).map(IntentName::as_str), expected, "{label}");
        };
        check("退货", Some("intent"));
        check(" 退款 ", Some("intent_2"));
        check("order", Some("refund"));
        check("refund", Some("refund"));
        check("faq/contact_info", Some("faq_contact_info"));
        check("faq / contact.info?", Some("faq_contact_info"));
        check("a/b", Some("a_b"));
        check("a_b", Some("a_b"));
        // Whatever has no letter of a name in it is nobody's, and so is what an intent with labels doesn't list.
        check("投诉", None);
        check("?", None);
        check("a.b", None);
        check("Refund", None);
        check("", None);
    }
}
