//! AMQP's values, as properties, headers and arguments hold them: made, and measured.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

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

/// What an entry of a table or an array takes in memory beside its bytes: a key and a value in a tree's node, and an
/// allocation for each.
const ENTRY: usize = 144;

/// What properties take in memory, about, in bytes. Their short strings are few; headers are what a client can fill: one
/// of 30 KiB takes what it has on the wire, ten thousand small ones take twenty times that.
pub(crate) fn weight(properties: &BasicProperties) -> usize {
    let strings = [
        properties.content_type(),
        properties.content_encoding(),
        properties.correlation_id(),
        properties.reply_to(),
        properties.expiration(),
        properties.message_id(),
        properties.kind(),
        properties.user_id(),
        properties.app_id(),
        properties.cluster_id(),
    ];
    let strings: usize = strings.into_iter().flatten().map(|text| text.as_str().len()).sum();
    strings + properties.headers().as_ref().map_or(0, table_weight)
}

fn table_weight(table: &FieldTable) -> usize {
    table.inner().iter().map(|(name, value)| ENTRY + name.as_str().len() + value_weight(value)).sum()
}

fn value_weight(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(|item| ENTRY / 2 + value_weight(item)).sum(),
        AMQPValue::FieldTable(table) => table_weight(table),
        other => size_of(other),
    }
}

/// A table's size on the wire, in bytes, without its length.
pub(crate) fn table_size(table: &FieldTable) -> usize {
    table.inner().iter().map(|(name, value)| 2 + name.as_str().len() + size_of(value)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_of_headers_is_that_of_their_bytes_and_of_their_number() {
        fn check(entries: &[(String, AMQPValue)], at_least: usize, at_most: usize) {
            let mut table = FieldTable::default();
            for (name, value) in entries {
                table.insert(short(name), value.clone());
            }
            let weight = weight(&BasicProperties::default().with_headers(table));
            assert!((at_least..=at_most).contains(&weight), "{weight} of {} headers", entries.len());
        }
        check(&[], 0, 0);
        check(&[("big".to_owned(), text(&"x".repeat(30_000)))], 30_000, 31_000);
        let many: Vec<_> = (0..4_000).map(|number| (format!("{number:04}"), AMQPValue::Void)).collect();
        check(&many, 500_000, 700_000);
        let nested = AMQPValue::FieldArray(vec![AMQPValue::Void; 30_000].into());
        check(&[("array".to_owned(), nested)], 1_000_000, 3_000_000);
    }
}
