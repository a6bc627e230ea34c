//! The JSON object that a request is written as: its fields, found but not yet read.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::invalid;
use crate::domain::MessageError;

/// A request's JSON object whose fields are found, but not yet read.
///
/// Apart, so that it's known whether the text is an object at all before anything in it is judged; and because serde's own
/// errors quote the values that they complain about. Values are skipped without recursion, so depth costs no stack.
#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    pub(super) kind: Option<&'a RawValue>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) sender: Option<&'a RawValue>,
    pub(super) receiver: Option<&'a RawValue>,
    pub(super) conversation: Option<&'a RawValue>,
    pub(super) locale: Option<&'a RawValue>,
    pub(super) metadata: Option<&'a RawValue>,
    pub(super) history: Option<&'a RawValue>,
    pub(super) attachments: Option<&'a RawValue>,
    pub(super) stream: Option<&'a RawValue>,
    pub(super) body: Option<&'a RawValue>,
    /// A field that is there more than once: which one counts, every parser decides for itself.
    pub(super) repeated: Option<&'static str>,
}

impl<'a> Object<'a> {
    /// Finds the fields.
    ///
    /// # Errors
    /// `invalid_message` where the text isn't a JSON object.
    pub(super) fn parse(text: &'a str) -> Result<Self, MessageError> {
        // The white space of JSON (RFC 8259, 2), not that of Unicode.
        if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
            return Err(invalid("the body isn't a JSON object: send {\"body\": \"…\"}"));
        }
        serde_json::from_str(text).map_err(|error| {
            invalid(format!(
                "the body isn't valid JSON: it goes wrong at line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    }

    /// Whether `body` is a string.
    pub(super) fn has_text(&self) -> bool {
        self.body.is_some_and(|json| json.get().starts_with('"'))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// A field that means something here.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Type,
    Id,
    Sender,
    Receiver,
    Conversation,
    Locale,
    Metadata,
    History,
    Attachments,
    Stream,
    Body,
    #[serde(other)]
    Unknown,
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut object = Object::default();
        while let Some(name) = map.next_key()? {
            let (name, field) = match name {
                Name::Type => ("type", &mut object.kind),
                Name::Id => ("id", &mut object.id),
                Name::Sender => ("sender", &mut object.sender),
                Name::Receiver => ("receiver", &mut object.receiver),
                Name::Conversation => ("conversation", &mut object.conversation),
                Name::Locale => ("locale", &mut object.locale),
                Name::Metadata => ("metadata", &mut object.metadata),
                Name::History => ("history", &mut object.history),
                Name::Attachments => ("attachments", &mut object.attachments),
                Name::Stream => ("stream", &mut object.stream),
                Name::Body => ("body", &mut object.body),
                Name::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if field.replace(map.next_value()?).is_some() {
                object.repeated = Some(name);
            }
        }
        Ok(object)
    }
}

/// A string; `None` if it is null or absent.
pub(super) fn string(name: &str, value: Option<&RawValue>) -> Result<Option<String>, MessageError> {
    match value.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(json) if json.starts_with('"') => serde_json::from_str(json).map(Some).map_err(|_| {
            // All else that can be wrong with a string was found when it was skipped.
            invalid(format!("'{name}' holds half of a surrogate pair, which is no character"))
        }),
        Some(json) => Err(wrong_type(name, "a string", json)),
    }
}

/// An object as it was written; `None` if it is null or absent.
pub(super) fn object(name: &str, value: Option<&RawValue>) -> Result<Option<Box<RawValue>>, MessageError> {
    match value.map(|value| (value, value.get())) {
        None | Some((_, "null")) => Ok(None),
        Some((value, json)) if json.starts_with('{') => Ok(Some(value.to_owned())),
        Some((_, json)) => Err(wrong_type(name, "an object", json)),
    }
}

/// What a field that came later holds; `None` where it has another form, which is ignored, as a field of that name was.
pub(super) fn later<T: DeserializeOwned + Default>(value: Option<&RawValue>) -> Option<T> {
    match value.map(RawValue::get) {
        None | Some("null") => Some(T::default()),
        Some(json) => serde_json::from_str(json).ok(),
    }
}

pub(super) fn wrong_type(name: &str, expected: &str, json: &str) -> MessageError {
    let found = match json.bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    };
    invalid(format!("'{name}' is {found}, but must be {expected}"))
}
