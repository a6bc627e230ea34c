//! Slots: what an intent has to know before its handlers are asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest value of a slot, in characters. A free text is cut there; what a handler says is refused.
pub const LONGEST_VALUE: usize = 1000;

/// The values of a conversation's slots, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slots(BTreeMap<String, Value>);

/// What a slot holds, and from whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    pub text: String,
    /// A handler set it, and not the user: it holds for the intents that come as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given: bool,
}

impl Slots {
    /// No values.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a slot; `None` where it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &*value.text)
    }

    /// The slots that have a value, by their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &*value.text))
    }

    /// Keeps what a user said, cut to [`LONGEST_VALUE`].
    pub fn say(&mut self, name: &str, text: &str) {
        self.set(name, text, false);
    }

    /// Keeps what a handler said, cut to [`LONGEST_VALUE`]; nothing empties the slot.
    pub fn give(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.set(name, text, true),
            None => _ = self.0.remove(name),
        }
    }

    /// What a slot holds.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Puts that into a slot; what it held.
    pub(super) fn put(&mut self, name: &str, value: Option<Value>) -> Option<Value> {
        match value {
            Some(value) => self.0.insert(name.to_owned(), value),
            None => self.0.remove(name),
        }
    }

    /// Empties the slots of which this doesn't hold.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| keep(name));
    }

    fn set(&mut self, name: &str, text: &str, given: bool) {
        let text = text.trim().chars().take(LONGEST_VALUE).collect();
        self.0.insert(name.to_owned(), Value { text, given });
    }
}
