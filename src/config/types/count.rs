//! Whole numbers: from 1 to 65535, or to a bound of the setting's own.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    str::FromStr,
};

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

/// A whole number from 1 to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountTo<const MAX: u32>(NonZeroU32);

impl<const MAX: u32> CountTo<MAX> {
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl<const MAX: u32> FromStr for CountTo<MAX> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number: Option<NonZeroU32> = text.parse().ok().filter(|number: &NonZeroU32| number.get() <= MAX);
        number.map(Self).ok_or_else(|| Invalid(format!("{} isn't a whole number from 1 to {MAX}", quote(text))))
    }
}

impl<const MAX: u32> fmt::Display for CountTo<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(CountTo<MAX>, const MAX: u32);

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

    #[test]
    fn numbers_up_to_a_bound_are_counts_to_it() {
        fn check(text: &str, expected: Option<u32>) {
            assert_eq!(text.parse::<CountTo<100_000>>().ok().map(CountTo::get), expected, "{text}");
        }
        check("1", Some(1));
        check("100000", Some(100_000));
        for wrong in ["0", "100001", "-1", "1.5", "", "many"] {
            check(wrong, None);
        }
    }
}
