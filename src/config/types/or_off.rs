//! A setting that can be switched off by the word `off`, since an empty value means that it isn't set.

use std::{fmt, str::FromStr};

use super::{Invalid, text::serde_as_text};

/// A value, or the word `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrOff<T>(Option<T>);

pub(crate) const OFF: &str = "off";

impl<T> OrOff<T> {
    /// The value; `None` if it is off.
    pub fn get(self) -> Option<T> {
        self.0
    }
}

impl<T: FromStr<Err: fmt::Display>> FromStr for OrOff<T> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == OFF {
            return Ok(Self(None));
        }
        text.parse().map(|value| Self(Some(value))).map_err(|error| Invalid(format!("{error}, or {OFF}")))
    }
}

impl<T: fmt::Display> fmt::Display for OrOff<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str(OFF),
        }
    }
}

serde_as_text!(OrOff<T>, T: FromStr<Err: fmt::Display> + fmt::Display);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::types::Count;

    #[test]
    fn off_is_no_value() {
        fn check(text: &str, expected: Result<Option<u16>, &str>) {
            let read = text.parse::<OrOff<Count>>();
            if let Ok(value) = &read {
                assert_eq!(value.to_string(), text);
            }
            let number = read.map(|value| value.get().map(|count| count.get().get()));
            assert_eq!(number, expected.map_err(|message| Invalid(message.into())));
        }
        check("off", Ok(None));
        check("5", Ok(Some(5)));
        check("OFF", Err("\"OFF\" isn't a whole number from 1 to 65535, or off"));
    }
}
