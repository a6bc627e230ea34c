//! A number from 0 to 1.

use std::{fmt, str::FromStr};

use super::{Invalid, quote, text::serde_as_text};

/// A number from 0 to 1, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fraction(f32);

impl Fraction {
    pub fn get(self) -> f32 {
        self.0
    }
}

impl FromStr for Fraction {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.parse() {
            Ok(number) if (0.0..=1.0).contains(&number) => Ok(Self(number)),
            _ => Err(Invalid(format!("{} isn't a number from 0 to 1, such as 0.5", quote(text)))),
        }
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Fraction);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_the_range_are_fractions() {
        fn check(text: &str, expected: Option<f32>) {
            assert_eq!(text.parse::<Fraction>().ok().map(Fraction::get), expected, "{text}");
        }
        check("0", Some(0.0));
        check("0.4", Some(0.4));
        check("1", Some(1.0));
        for wrong in ["1.01", "-0.1", "nan", "inf", "40%", "0,4", ""] {
            check(wrong, None);
        }
    }

    #[test]
    fn it_is_shown_as_it_was_written() {
        assert_eq!("0.4".parse::<Fraction>().map(|fraction| fraction.to_string()), Ok("0.4".into()));
    }
}
