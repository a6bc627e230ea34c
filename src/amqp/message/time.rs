//! The time as headers and properties hold it.

use std::time::{SystemTime, UNIX_EPOCH};

/// The year 5000, in seconds. A larger number of seconds is one of milliseconds, as many clients fill AMQP's `timestamp`,
/// which is one of seconds; as milliseconds, this number is in 1973.
const YEAR_5000: u64 = 95_617_584_000;

/// Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A time since 1970 in Unix milliseconds, from whatever unit brings it before the year 5000: seconds, milliseconds,
/// microseconds or nanoseconds.
pub(crate) fn unix_ms(time: u64) -> u64 {
    if time < YEAR_5000 {
        time * 1_000
    } else if time < YEAR_5000 * 1_000 {
        time
    } else if time < YEAR_5000 * 1_000_000 {
        time / 1_000
    } else {
        time / 1_000_000
    }
}

/// The same of a number that may have a fraction; none where it is negative, or no number.
pub(crate) fn unix_ms_of(time: f64) -> Option<u64> {
    // Whole milliseconds before the unit is found, as a fraction of a second is some.
    let millis = if time < YEAR_5000 as f64 { time * 1_000.0 } else { time };
    if !(0.0..=u64::MAX as f64).contains(&millis) {
        return None;
    }
    let millis = millis.round() as u64;
    Some(if time < YEAR_5000 as f64 { millis } else { unix_ms(millis) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_one_that_brings_it_before_the_year_5000() {
        fn check(time: u64, expected: u64) {
            assert_eq!(unix_ms(time), expected, "{time}");
        }
        check(0, 0);
        check(1_800_000_000, 1_800_000_000_000);
        check(YEAR_5000 - 1, (YEAR_5000 - 1) * 1_000);
        check(YEAR_5000, YEAR_5000);
        check(1_800_000_000_000, 1_800_000_000_000);
        check(1_800_000_000_000_000, 1_800_000_000_000);
        check(1_800_000_000_000_000_000, 1_800_000_000_000);
        check(u64::MAX, u64::MAX / 1_000_000);
        assert_eq!(unix_ms_of(1e300), None);
        assert_eq!(unix_ms_of(1.5), Some(1_500));
    }
}
