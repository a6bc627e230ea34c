//! Times as people read them.

use std::time::Duration;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An age in its largest unit, such as `3d`.
pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A time in Unix milliseconds as RFC 3339 has it; as a number where it is beyond that.
pub(super) fn time(millis: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| millis.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let check = |seconds, expected: &str| assert_eq!(age(Duration::from_secs(seconds)), expected);
        check(0, "0s");
        check(59, "59s");
        check(60, "1m");
        check(7_199, "1h");
        check(86_400 * 3, "3d");
    }

    #[test]
    fn a_time_that_no_calendar_holds_is_a_number() {
        assert_eq!(time(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
    }
}
