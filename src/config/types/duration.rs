//! Durations: `250ms`, `30s`, `5m`, `1h`.

use std::{fmt, str::FromStr, time::Duration};

use super::{Invalid, quote, text::serde_as_text};

/// The units, the largest first, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration of `MIN_MS` to `MAX_MS` milliseconds, a multiple of `STEP_MS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BoundedDuration<const MIN_MS: u64, const MAX_MS: u64, const STEP_MS: u64 = 1>(Duration);

/// A duration shown as a setting is written, in the largest unit that divides it; what is below a millisecond is left
/// out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownDuration(pub Duration);

impl<const MIN_MS: u64, const MAX_MS: u64, const STEP_MS: u64> BoundedDuration<MIN_MS, MAX_MS, STEP_MS> {
    pub fn get(self) -> Duration {
        self.0
    }
}

impl<const MIN_MS: u64, const MAX_MS: u64, const STEP_MS: u64> FromStr for BoundedDuration<MIN_MS, MAX_MS, STEP_MS> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let range = || format!("from {} to {}", shown(MIN_MS), shown(MAX_MS));
        let Some((number, unit)) = split(text) else {
            let remedy = format!("write one {}, with its unit, ms, s, m or h", range());
            return Err(Invalid(format!("{} isn't a duration: {remedy}", quote(text))));
        };
        let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        match ms.filter(|ms| (MIN_MS..=MAX_MS).contains(ms)) {
            None => Err(Invalid(format!("{} is out of range: it must be {}", quote(text), range()))),
            Some(ms) if !ms.is_multiple_of(STEP_MS) => Err(Invalid(format!(
                "{} is too fine: it must be a multiple of {}, {}",
                quote(text),
                shown(STEP_MS),
                range()
            ))),
            Some(ms) => Ok(Self(Duration::from_millis(ms))),
        }
    }
}

/// The digits, and the milliseconds of the unit.
fn split(text: &str) -> Option<(&str, u64)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let &(_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
    (!number.is_empty()).then_some((number, ms))
}

fn shown(ms: u64) -> ShownDuration {
    ShownDuration(Duration::from_millis(ms))
}

impl fmt::Display for ShownDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let unit = UNITS.iter().find(|&&(_, unit)| ms >= unit.into() && ms.is_multiple_of(unit.into()));
        let &(name, unit) = unit.unwrap_or(&("s", 1_000));
        write!(f, "{}{name}", ms / u128::from(unit))
    }
}

impl<const MIN_MS: u64, const MAX_MS: u64, const STEP_MS: u64> fmt::Display
    for BoundedDuration<MIN_MS, MAX_MS, STEP_MS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ShownDuration(self.0).fmt(f)
    }
}

serde_as_text!(BoundedDuration<MIN_MS, MAX_MS, STEP_MS>, const MIN_MS: u64, const MAX_MS: u64, const STEP_MS: u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_and_shown_in_its_largest_whole_unit() {
        fn check(text: &str, ms: u64, expected: &str) {
            let duration = text.parse::<BoundedDuration<0, { u64::MAX }>>();
            assert_eq!(duration.as_ref().map(|duration| duration.get()), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(duration.map(|duration| duration.to_string()), Ok(expected.into()));
        }
        check("0s", 0, "0s");
        check("0h", 0, "0s");
        check("1ms", 1, "1ms");
        check("250ms", 250, "250ms");
        check("1000ms", 1_000, "1s");
        check("90s", 90_000, "90s");
        check("60s", 60_000, "1m");
        check("05m", 300_000, "5m");
        check("1h", 3_600_000, "1h");
        check("18446744073709551615ms", u64::MAX, "18446744073709551615ms");
    }

    #[test]
    fn what_is_no_duration_or_out_of_range_is_refused() {
        fn check(text: &str, fault: &str) {
            let error = text.parse::<BoundedDuration<1_000, 3_600_000, 1_000>>().map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|message| message.contains(fault)), "{text}: {error:?}");
            assert!(error.is_err_and(|message| message.contains("from 1s to 1h")), "{text}");
        }
        for text in ["", "30", "s", "1.5s", "-1s", "30 s", "30S", "1m30s", "2 hours", "1d", "٣s", "30sec", "1µs"] {
            check(text, "isn't a duration");
        }
        check("999ms", "out of range");
        check("61m", "out of range");
        check("18446744073709551616ms", "out of range");
        check("18446744073709551615h", "out of range");
        check("1500ms", "multiple of 1s");
    }
}
