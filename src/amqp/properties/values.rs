//! Values of properties and headers: made, and measured.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::domain::MAX_SHORT;

/// The properties that are short strings, as complaints call them.
pub(super) const STRINGS: [&str; 10] = [
    "content type",
    "content encoding",
    "correlation id",
    "reply_to",
    "expiration",
    "message id",
    "type",
    "user id",
    "app id",
    "cluster id",
];

/// Properties as they are, but for headers, and for those of [`STRINGS`] that aren't to be kept.
pub(super) fn copied(from: &BasicProperties, keeps: impl Fn(&'static str) -> bool) -> BasicProperties {
    let mut to = BasicProperties::default();
    let strings = [
        (from.content_type(), BasicProperties::with_content_type as fn(BasicProperties, ShortString) -> _),
        (from.content_encoding(), BasicProperties::with_content_encoding),
        (from.correlation_id(), BasicProperties::with_correlation_id),
        (from.reply_to(), BasicProperties::with_reply_to),
        (from.expiration(), BasicProperties::with_expiration),
        (from.message_id(), BasicProperties::with_message_id),
        (from.kind(), BasicProperties::with_type),
        (from.user_id(), BasicProperties::with_user_id),
        (from.app_id(), BasicProperties::with_app_id),
        (from.cluster_id(), BasicProperties::with_cluster_id),
    ];
    for ((value, with), name) in strings.into_iter().zip(STRINGS) {
        if let Some(value) = value.as_ref().filter(|_| keeps(name)) {
            to = with(to, value.clone());
        }
    }
    if let Some(mode) = from.delivery_mode() {
        to = to.with_delivery_mode(*mode);
    }
    if let Some(priority) = from.priority() {
        to = to.with_priority(*priority);
    }
    if let Some(timestamp) = from.timestamp() {
        to = to.with_timestamp(*timestamp);
    }
    to
}

/// A short string; what is longer than AMQP allows is cut at a character's end.
pub(crate) fn short(value: &str) -> ShortString {
    ShortString::try_new(truncated(value, MAX_SHORT)).unwrap_or_default()
}

/// A text's start, of at most so many bytes, cut at a character's end.
pub(super) fn truncated(value: &str, bytes: usize) -> &str {
    &value[..value.floor_char_boundary(bytes)]
}

/// A header that holds text.
pub(super) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// A header that holds a number.
pub(super) fn number(value: u64) -> AMQPValue {
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
pub(super) fn table_size(table: &FieldTable) -> usize {
    table.inner().iter().map(|(name, value)| 2 + name.as_str().len() + size_of(value)).sum()
}
