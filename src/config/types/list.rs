//! Lists: comma-separated in a variable; the same, or an array, in a file.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

/// A list with at least one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(Vec<T>);

/// The entries' texts, without white space around them.
///
/// # Errors
/// The deserializer's own, and where it holds neither text nor a list of texts.
pub fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(text.split(',').map(|entry| entry.trim().to_owned()).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = items.next_element::<String>()? {
                entries.push(entry.trim().to_owned());
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_any(Entries)
}

impl<T> List<T> {
    /// Reads each entry.
    ///
    /// # Errors
    /// What is wrong with the first wrong entry, and which one it is; or that there are none.
    pub fn read<E: de::Error>(entries: &[String]) -> Result<Self, E>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let place = |i: usize| if entries.len() > 1 { format!("entry {} of the list: ", i + 1) } else { String::new() };
        if entries.is_empty() {
            return Err(E::custom("an empty list: write at least one entry, or take the setting out"));
        }
        let mut list = Vec::with_capacity(entries.len());
        for (i, entry) in entries.iter().enumerate() {
            if entry.is_empty() {
                return Err(E::custom(format!("{}it is empty: is there a comma too many?", place(i))));
            }
            list.push(entry.parse().map_err(|error| E::custom(format!("{}{error}", place(i))))?);
        }
        Ok(Self(list))
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Display> fmt::Display for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            entry.fmt(f)?;
        }
        Ok(())
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&entries(deserializer)?)
    }
}

impl<T: fmt::Display> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::types::Count;

    fn read(json: &str) -> Result<String, String> {
        serde_json::from_str::<List<Count>>(json).map(|list| list.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_is_read_from_a_text_or_an_array() {
        fn check(json: &str, expected: &str) {
            assert_eq!(read(json), Ok(expected.into()), "{json}");
        }
        check(r#""5""#, "5");
        check(r#""1,2 , 3""#, "1,2,3");
        check(r#"["1", " 2 "]"#, "1,2");
    }

    #[test]
    fn the_wrong_entry_is_named() {
        fn check(json: &str, expected: &str) {
            assert!(read(json).is_err_and(|error| error.starts_with(expected)), "{json}: {:?}", read(json));
        }
        check(r#""x""#, "\"x\" isn't a whole number");
        check(r#""1,x""#, "entry 2 of the list: \"x\" isn't a whole number");
        check(r#""1,,2""#, "entry 2 of the list: it is empty");
        check(r#""1,""#, "entry 2 of the list: it is empty");
        check(r#"["1,2"]"#, "\"1,2\" isn't a whole number");
        check("[]", "an empty list");
    }
}
