//! AMQP's values, as properties, headers and arguments hold them: made, and measured.

use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::domain::MAX_SHORT;

/// A short string; what is longer than AMQP allows is cut at a character's end.
pub(crate) fn short(value: &str) -> ShortString {
    ShortString::try_new(truncated(value, MAX_SHORT)).unwrap_or_default()
}

/// A text's start, of at most so many bytes, cut at a character's end.
pub(crate) fn truncated(value: &str, bytes: usize) -> &str {
    &value[..value.floor_char_boundary(bytes)]
}

/// A header that holds text.
pub(crate) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// A header that holds a number.
pub(crate) fn number(value: u64) -> AMQPValue {
    AMQPValue::LongLongInt(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A value's size on the wire, in bytes. Its depth is bounded by the wire's guard.
fn size_of(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::Boolean(_) | AMQPValue::ShortShortInt(_) | AMQPValue::ShortShortUInt(_) => 1,
        AMQPValue::ShortInt(_) | AMQPValue::ShortUInt(_) => 2,
        AMQPValue::LongInt(_) | AMQPValue::LongUInt(_) | AMQPValue::Float(_) => 4,
        AMQPValue::DecimalValue(_) => 5,
        AMQPValue::LongLongInt(_) | AMQPValue::Double(_) | AMQPValue::Timestamp(_) => 8,
        AMQPValue::ShortString(text) => 1 + text.as_str().len(),
        AMQPValue::LongString(text) => 4 + text.len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.len(),
        AMQPValue::FieldArray(items) => 4 + items.as_slice().iter().map(|item| 1 + size_of(item)).sum::<usize>(),
        AMQPValue::FieldTable(table) => 4 + table_size(table),
        AMQPValue::Void => 0,
    }
}

/// A table's size on the wire, in bytes, without its length.
pub(crate) fn table_size(table: &FieldTable) -> usize {
    table.inner().iter().map(|(name, value)| 2 + name.as_str().len() + size_of(value)).sum()
}
