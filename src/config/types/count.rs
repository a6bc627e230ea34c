//! A whole number from 1 to 65535.

use std::{fmt, num::NonZeroU16, str::FromStr};

use super::{Invalid, quote, text::serde_as_text};

/// A whole number from 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(NonZeroU16);

impl Count {
    pub fn get(self) -> NonZeroU16 {
        self.0
    }
}

impl FromStr for Count {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = |_| Invalid(format!("{} isn't a whole number from 1 to 65535", quote(text)));
        text.parse().map(Self).map_err(invalid)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Count);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_the_range_are_counts() {
        fn check(text: &str, expected: Option<u16>) {
            assert_eq!(text.parse::<Count>().ok().map(|count| count.get().get()), expected, "{text}");
        }
        check("1", Some(1));
        check("0128", Some(128));
        check("65535", Some(65535));
        for wrong in ["0", "65536", "-1", "1.5", "", "many", "1_000", "0x10", "99999999999999999999"] {
            check(wrong, None);
        }
    }
}
