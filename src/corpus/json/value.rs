//! Values of a JSON document that know where they stand in it.
//!
//! serde's own value forgets lines, and keeps one of two members of the same name; both are needed here.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of an object, in their order.
struct Members<'t>(Vec<(String, &'t RawValue)>);

/// A document's text, with the places of its lines.
pub(crate) struct Document<'t> {
    text: &'t str,
    ends: Vec<usize>,
}

/// A value in a document.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t>(&'t RawValue);

impl<'t> Document<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, ends: text.match_indices('\n').map(|(at, _)| at).collect() }
    }

    /// The line that a value of this document begins on, from 1.
    pub(crate) fn line(&self, value: Value<'t>) -> usize {
        let at = (value.0.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.ends.partition_point(|&end| end < at) + 1
    }
}

impl<'t> Value<'t> {
    /// The value that a whole text is.
    pub(crate) fn of(text: &'t str) -> serde_json::Result<Self> {
        serde_json::from_str(text).map(Self)
    }

    pub(crate) fn members(self) -> Option<Vec<(String, Self)>> {
        let members: Members<'t> = self.read('{')?;
        Some(members.0.into_iter().map(|(key, value)| (key, Self(value))).collect())
    }

    /// Its first member of this name, where it is an object that has one.
    pub(crate) fn member(self, key: &str) -> Option<Self> {
        self.members()?.into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(crate) fn items(self) -> Option<Vec<Self>> {
        let items: Vec<&'t RawValue> = self.read('[')?;
        Some(items.into_iter().map(Self).collect())
    }

    pub(crate) fn string(self) -> Option<String> {
        self.read('"')
    }

    /// The text of a string, a number or a truth value, as it is written.
    pub(crate) fn word(self) -> Option<String> {
        match self.first() {
            '"' => self.string(),
            '{' | '[' | 'n' => None,
            _ => Some(self.0.get().to_owned()),
        }
    }

    pub(crate) fn number(self) -> Option<usize> {
        self.0.get().parse().ok()
    }

    pub(crate) fn is_null(self) -> bool {
        self.first() == 'n'
    }

    pub(crate) fn is_object(self) -> bool {
        self.first() == '{'
    }

    pub(crate) fn is_list(self) -> bool {
        self.first() == '['
    }

    /// What kind of value it is, in words.
    pub(crate) fn kind(self) -> &'static str {
        match self.first() {
            '{' => "an object",
            '[' => "a list",
            '"' => "a text",
            'n' => "null",
            't' | 'f' => "true or false",
            _ => "a number",
        }
    }

    fn first(self) -> char {
        self.0.get().chars().next().unwrap_or_default()
    }

    fn read<T: Deserialize<'t>>(self, first: char) -> Option<T> {
        (self.first() == first).then(|| serde_json::from_str(self.0.get()).ok()).flatten()
    }
}

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object).map(Self)
    }
}
