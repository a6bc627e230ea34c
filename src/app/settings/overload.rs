//! The section `overload`: from when on requests are turned away.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::config::types::{BoundedDuration, Invalid, OrOff, quote, text::serde_as_text};

/// From when on requests are turned away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overload {
    /// How many messages may wait in a queue.
    pub max_depth: OrOff<Depth>,
    /// How long a message may have waited, 1 s to 7 days.
    pub max_age: OrOff<BoundedDuration<1_000, 604_800_000>>,
}

/// A number of messages, 1 to 100 million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth(NonZeroU32);

const MAX_DEPTH: u32 = 100_000_000;

impl Depth {
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl FromStr for Depth {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number: Option<NonZeroU32> = text.parse().ok().filter(|number: &NonZeroU32| number.get() <= MAX_DEPTH);
        number.map(Self).ok_or_else(|| Invalid(format!("{} isn't a whole number from 1 to {MAX_DEPTH}", quote(text))))
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Depth);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_the_range_are_depths() {
        fn check(text: &str, expected: Option<u32>) {
            assert_eq!(text.parse::<Depth>().ok().map(Depth::get), expected, "{text}");
        }
        check("1", Some(1));
        check("100000000", Some(MAX_DEPTH));
        for wrong in ["0", "100000001", "-1", "1.5", "", "many"] {
            check(wrong, None);
        }
    }
}
