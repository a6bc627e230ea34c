//! Sizes in bytes: `512`, `512B`, `256KiB`, `1MiB`, `1GiB`.

use std::{fmt, str::FromStr};

use super::{Invalid, quote, text::serde_as_text};

/// The units, the largest first, in bytes.
const UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A size of `MIN` to `MAX` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BoundedSize<const MIN: usize, const MAX: usize>(usize);

/// A number of bytes shown as a setting is written, in the largest unit that divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownSize(pub usize);

impl<const MIN: usize, const MAX: usize> BoundedSize<MIN, MAX> {
    /// The number of bytes.
    pub fn get(self) -> usize {
        self.0
    }
}

impl<const MIN: usize, const MAX: usize> FromStr for BoundedSize<MIN, MAX> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let range = format!("from {} to {}", ShownSize(MIN), ShownSize(MAX));
        let Some((number, unit)) = split(text) else {
            let remedy = format!("write one {range}, with its unit, B, KiB, MiB or GiB");
            return Err(Invalid(format!("{} isn't a size: {remedy}", quote(text))));
        };
        let bytes = number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
        match bytes.filter(|bytes| (MIN..=MAX).contains(bytes)) {
            Some(bytes) => Ok(Self(bytes)),
            None => Err(Invalid(format!("{} is out of range: it must be {range}", quote(text)))),
        }
    }
}

/// The digits, and the bytes of the unit; no unit means bytes.
fn split(text: &str) -> Option<(&str, usize)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let &(_, bytes) = UNITS.iter().find(|(name, _)| *name == unit || unit.is_empty() && *name == "B")?;
    (!number.is_empty()).then_some((number, bytes))
}

impl fmt::Display for ShownSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|&&(_, unit)| self.0 >= unit && self.0.is_multiple_of(unit));
        let &(name, unit) = unit.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for BoundedSize<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ShownSize(self.0).fmt(f)
    }
}

serde_as_text!(BoundedSize<MIN, MAX>, const MIN: usize, const MAX: usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_and_shown_in_its_largest_whole_unit() {
        fn check(text: &str, bytes: usize, expected: &str) {
            let size = text.parse::<BoundedSize<0, { usize::MAX }>>();
            assert_eq!(size.as_ref().map(|size| size.get()), Ok(bytes), "{text}");
            assert_eq!(size.map(|size| size.to_string()), Ok(expected.into()));
        }
        check("0", 0, "0B");
        check("512", 512, "512B");
        check("512B", 512, "512B");
        check("1024", 1024, "1KiB");
        check("1025", 1025, "1025B");
        check("256KiB", 256 << 10, "256KiB");
        check("1024KiB", 1 << 20, "1MiB");
        check("2GiB", 2 << 30, "2GiB");
    }

    #[test]
    fn what_is_no_size_or_out_of_range_is_refused() {
        fn check(text: &str, fault: &str) {
            let error = text.parse::<BoundedSize<1024, { 64 << 20 }>>().map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|message| message.contains(fault)), "{text}: {error:?}");
            assert!(error.is_err_and(|message| message.contains("from 1KiB to 64MiB")), "{text}");
        }
        for text in ["", "KiB", "1KB", "1k", "1M", "1.5MiB", "-1", "1 MiB", "1mib", "big"] {
            check(text, "isn't a size");
        }
        check("1023", "out of range");
        check("65MiB", "out of range");
        check("99999999999999999999999", "out of range");
        check("18446744073709551615GiB", "out of range");
    }
}
