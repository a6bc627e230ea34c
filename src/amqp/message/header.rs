//! What a header holds, in whatever type its client's library wrote it.
//!
//! **Invariant:** pure; what can't be read is an error that says what is there, and never quotes it.

use lapin::types::{AMQPValue, FieldTable};

use super::time::{unix_ms, unix_ms_of};

/// A header that holds a whole number that isn't negative, in any of the types that clients use for one.
pub(crate) fn integer(headers: &FieldTable, name: &str) -> Option<u64> {
    whole(headers.inner().get(name)?)
}

/// A header that holds text.
pub(crate) fn text<'a>(headers: &'a FieldTable, name: &str) -> Option<&'a str> {
    text_of(headers.inner().get(name)?)
}

/// Whether a header says yes: a boolean, the number 1, or such a word, in whatever type a client's library writes it.
pub(crate) fn is_true(headers: &FieldTable, name: &str) -> bool {
    match headers.inner().get(name) {
        Some(AMQPValue::Boolean(value)) => *value,
        Some(value) => {
            whole(value) == Some(1)
                || text_of(value).is_some_and(|text| ["true", "yes"].contains(&&*text.trim().to_ascii_lowercase()))
        }
        None => false,
    }
}

/// A header that holds a point in time: a number, an AMQP timestamp, or digits; in seconds, milliseconds, or less.
/// In Unix milliseconds; none where it isn't set, or set to nothing.
///
/// # Errors
/// What it is instead, in a sentence.
pub(crate) fn time(headers: &FieldTable, name: &str) -> Result<Option<u64>, String> {
    let Some(value) = headers.inner().get(name) else { return Ok(None) };
    let time = match value {
        AMQPValue::Void => return Ok(None),
        AMQPValue::Timestamp(time) => Some(unix_ms(*time)),
        AMQPValue::Float(time) => unix_ms_of(f64::from(*time)),
        AMQPValue::Double(time) => unix_ms_of(*time),
        AMQPValue::DecimalValue(time) => unix_ms_of(f64::from(time.value) / 10_f64.powi(time.scale.into())),
        value => whole(value).map(unix_ms).or_else(|| text_of(value)?.trim().parse().ok().and_then(unix_ms_of)),
    };
    time.map(Some).ok_or_else(|| complaint(name, value, "a time: a number of seconds or milliseconds, or a timestamp"))
}

/// What is wrong with a header that should hold text, in a sentence; none where nothing is.
pub(crate) fn not_text(headers: &FieldTable, name: &str) -> Option<String> {
    let value = headers.inner().get(name)?;
    let is_fine = matches!(value, AMQPValue::Void) || text_of(value).is_some();
    (!is_fine).then(|| complaint(name, value, "a text"))
}

/// What is wrong with a header that should hold a number, in a sentence. One that is negative, or digits that aren't
/// any, is of a type that can be read, and says nothing.
pub(crate) fn not_integer(headers: &FieldTable, name: &str) -> Option<String> {
    let value = headers.inner().get(name)?;
    let is_fine = matches!(
        value,
        AMQPValue::Void
            | AMQPValue::ShortShortInt(_)
            | AMQPValue::ShortInt(_)
            | AMQPValue::LongInt(_)
            | AMQPValue::LongLongInt(_)
    ) || whole(value).is_some()
        || text_of(value).is_some();
    (!is_fine).then(|| complaint(name, value, "a whole number"))
}

/// That a header isn't what it has to be.
pub(crate) fn complaint(name: &str, value: &AMQPValue, expected: &str) -> String {
    format!("the header {name} is {}, but must be {expected}", what(value))
}

fn whole(value: &AMQPValue) -> Option<u64> {
    match value {
        AMQPValue::ShortShortInt(n) => u64::try_from(*n).ok(),
        AMQPValue::ShortShortUInt(n) => Some((*n).into()),
        AMQPValue::ShortInt(n) => u64::try_from(*n).ok(),
        AMQPValue::ShortUInt(n) => Some((*n).into()),
        AMQPValue::LongInt(n) => u64::try_from(*n).ok(),
        AMQPValue::LongUInt(n) => Some((*n).into()),
        AMQPValue::LongLongInt(n) => u64::try_from(*n).ok(),
        value => text_of(value)?.trim().parse().ok(),
    }
}

/// Some libraries write a text of theirs as bytes.
pub(crate) fn text_of(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(value) => std::str::from_utf8(value.as_bytes()).ok(),
        AMQPValue::ShortString(value) => Some(value.as_str()),
        AMQPValue::ByteArray(value) => std::str::from_utf8(value.as_slice()).ok(),
        _ => None,
    }
}

/// A value's type, in words.
fn what(value: &AMQPValue) -> &'static str {
    match value {
        AMQPValue::Boolean(_) => "a boolean",
        AMQPValue::ShortShortInt(n) if *n < 0 => "a negative number",
        AMQPValue::ShortInt(n) if *n < 0 => "a negative number",
        AMQPValue::LongInt(n) if *n < 0 => "a negative number",
        AMQPValue::LongLongInt(n) if *n < 0 => "a negative number",
        AMQPValue::ShortShortInt(_)
        | AMQPValue::ShortShortUInt(_)
        | AMQPValue::ShortInt(_)
        | AMQPValue::ShortUInt(_)
        | AMQPValue::LongInt(_)
        | AMQPValue::LongUInt(_)
        | AMQPValue::LongLongInt(_) => "a whole number",
        AMQPValue::Float(_) | AMQPValue::Double(_) => "a floating-point number out of range",
        AMQPValue::DecimalValue(_) => "a decimal number",
        AMQPValue::Timestamp(_) => "a timestamp",
        AMQPValue::ShortString(_) | AMQPValue::LongString(_) => "a text that can't be read as one",
        AMQPValue::ByteArray(_) => "an array of bytes",
        AMQPValue::FieldArray(_) => "an array",
        AMQPValue::FieldTable(_) => "a table",
        AMQPValue::Void => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::DecimalValue;

    use super::*;

    fn table(value: AMQPValue) -> FieldTable {
        let mut table = FieldTable::default();
        table.insert("h".into(), value);
        table
    }

    #[test]
    fn times_are_read_in_every_type_and_unit_that_clients_send() {
        const MS: u64 = 1_800_000_000_123;
        fn check(value: AMQPValue, expected: Option<u64>) {
            assert_eq!(time(&table(value.clone()), "h"), Ok(expected), "{value:?}");
        }
        let text = |text: &str| AMQPValue::LongString(text.into());
        check(AMQPValue::LongLongInt(1_800_000_000_123), Some(MS));
        check(AMQPValue::LongLongInt(1_800_000_000_123_456), Some(MS));
        check(AMQPValue::LongLongInt(1_800_000_000_123_456_789), Some(MS));
        check(AMQPValue::LongInt(1_800_000_000), Some(1_800_000_000_000));
        check(AMQPValue::LongUInt(1_800_000_000), Some(1_800_000_000_000));
        check(AMQPValue::ShortShortInt(1), Some(1_000));
        // A `datetime` of pika's and a timestamp of Java's are seconds, amqplib's are what one writes.
        check(AMQPValue::Timestamp(1_800_000_000), Some(1_800_000_000_000));
        check(AMQPValue::Timestamp(MS), Some(MS));
        check(AMQPValue::Double(1_800_000_000.123), Some(MS));
        check(AMQPValue::Double(1_800_000_000_123.0), Some(MS));
        check(AMQPValue::Float(0.0), Some(0));
        check(AMQPValue::DecimalValue(DecimalValue { scale: 1, value: 1_800_000_000 }), Some(180_000_000_000));
        check(text("1800000000123"), Some(MS));
        check(text(" 1800000000.123 "), Some(MS));
        check(text("1800000000"), Some(1_800_000_000_000));
        check(AMQPValue::ByteArray(b"1800000000123".to_vec().into()), Some(MS));
        check(AMQPValue::Void, None);
    }

    #[test]
    fn what_is_no_time_is_told_by_its_type_and_not_by_what_it_says() {
        fn check(value: AMQPValue, what: &str) {
            let expected = format!(
                "the header h is {what}, but must be a time: a number of seconds or milliseconds, or a timestamp"
            );
            assert_eq!(time(&table(value.clone()), "h"), Err(expected), "{value:?}");
        }
        check(AMQPValue::Boolean(true), "a boolean");
        check(AMQPValue::FieldTable(FieldTable::default()), "a table");
        check(AMQPValue::FieldArray(Vec::new().into()), "an array");
        check(AMQPValue::LongLongInt(-1), "a negative number");
        for number in [f64::NAN, f64::INFINITY, -1.0] {
            check(AMQPValue::Double(number), "a floating-point number out of range");
        }
        for text in ["soon", "", "2027-01-15T08:00:00Z", "-1", "nan"] {
            check(AMQPValue::LongString(text.into()), "a text that can't be read as one");
        }
        check(AMQPValue::LongString(b"\xff".to_vec().into()), "a text that can't be read as one");
    }
}
