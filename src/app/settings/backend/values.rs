//! Values of a service's settings that no other section has.

use std::{convert::Infallible, fmt, num::NonZeroU64, str::FromStr};

use serde_json::{Map, Value};

use crate::config::types::{Invalid, choose, quote, text::serde_as_text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Text {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Text);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderName(reqwest::header::HeaderName);

impl HeaderName {
    pub fn get(&self) -> &reqwest::header::HeaderName {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = |_| Invalid(format!("{} can't name a header: write one such as x-api-key", quote(text)));
        text.parse().map(Self).map_err(invalid)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(HeaderName);

#[derive(Debug, Clone, PartialEq)]
pub struct JsonObject(Map<String, Value>);

impl JsonObject {
    pub fn get(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl FromStr for JsonObject {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let remedy = r#"write one such as {"enable_thinking": false}"#;
        serde_json::from_str(text).map(Self).map_err(|error| Invalid(format!("no JSON object, {error}: {remedy}")))
    }
}

impl fmt::Display for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}

serde_as_text!(JsonObject);

/// A JSON pointer, RFC 6901.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// The pointer; empty for the whole.
    pub fn as_str(&self) -> &str {
        if self.0 == "/" { "" } else { &self.0 }
    }
}

impl FromStr for Pointer {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.starts_with('/') {
            true => Ok(Self(text.to_owned())),
            false => Err(Invalid(format!("{} is no JSON pointer: write one such as /intent/name", quote(text)))),
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Pointer);

/// A number of tokens, from 1 to a million million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens(NonZeroU64);

const MOST_TOKENS: u64 = 1_000_000_000_000;

impl Tokens {
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for Tokens {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number: Option<NonZeroU64> = text.parse().ok().filter(|number: &NonZeroU64| number.get() <= MOST_TOKENS);
        number.map(Self).ok_or_else(|| Invalid(format!("{} isn't a whole number from 1 to {MOST_TOKENS}", quote(text))))
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Tokens);

/// Yes or no, written as TOML has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag(bool);

impl Flag {
    pub fn get(self) -> bool {
        self.0
    }
}

impl FromStr for Flag {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choose(text, &[("true", Self(true)), ("false", Self(false))])
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Flag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_whole_numbers_within_the_range() {
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(text.parse::<Tokens>().ok().map(Tokens::get), expected, "{text}");
        }
        check("1", Some(1));
        check("1000000000000", Some(MOST_TOKENS));
        for wrong in ["0", "1000000000001", "-1", "1.5", "", "many", "1e6"] {
            check(wrong, None);
        }
    }
}
