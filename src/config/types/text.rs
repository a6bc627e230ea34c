//! One value, read from its text.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, SeqAccess, Visitor},
};

/// What is wrong with a value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Reads and writes a type by its `FromStr` and `Display`.
macro_rules! serde_as_text {
    ($type:ty $(, $($parameters:tt)+)?) => {
        impl<'de $(, $($parameters)+)?> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::config::types::text::read(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl $(<$($parameters)+>)? serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// The value's text, without white space around it.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;

    impl<'de> Visitor<'de> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one value")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.trim().to_owned())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
            Err(de::Error::custom("a list where one value is needed: write key = \"value\""))
        }
    }

    deserializer.deserialize_any(Text)
}

/// A value as shown in an error: quoted, on one line, cut where it is long, and not at all where it looks as if it
/// held credentials that were meant for another setting.
pub fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.contains("://") || text.contains('@') {
        return "the value".into();
    }
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// The choice that is named `text`.
///
/// # Errors
/// [`Invalid`], which lists the choices.
pub fn choose<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Invalid> {
    choices.iter().find(|(name, _)| *name == text).map(|&(_, choice)| choice).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        Invalid(format!("{} isn't one of: {}", quote(text), names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_on_one_short_line_unless_it_may_be_secret() {
        fn check(text: &str, expected: &str) {
            assert_eq!(quote(text), expected);
        }
        check("abc", "\"abc\"");
        check("a\nb", "\"a\\nb\"");
        check("中文", "\"中文\"");
        check(&"中".repeat(61), &format!("\"{}…\"", "中".repeat(60)));
        check("amqp://u:p@h", "the value");
        check("p@h", "the value");
    }

    #[test]
    fn a_choice_is_found_by_its_exact_name() {
        let choices = [("text", 1), ("json", 2)];
        assert_eq!(choose("json", &choices), Ok(2));
        assert_eq!(choose("xml", &choices), Err(Invalid("\"xml\" isn't one of: text, json".into())));
        assert!(choose("JSON", &choices).is_err());
    }
}
