//! A header's value as JSON that keeps its AMQP type.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lapin::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};
use serde::{Deserialize, Serialize};

use super::InvalidRecord;

/// Headers by name.
pub(super) type Headers = BTreeMap<String, Value>;

/// One variant for each of AMQP's types. Floating-point numbers are the hexadecimal digits of their bits, as JSON holds
/// neither all of them nor each exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Value {
    Boolean(bool),
    ShortShortInt(i8),
    ShortShortUint(u8),
    ShortInt(i16),
    ShortUint(u16),
    LongInt(i32),
    LongUint(u32),
    LongLongInt(i64),
    FloatBits(String),
    DoubleBits(String),
    Decimal { scale: u8, value: u32 },
    ShortString(String),
    LongString(String),
    LongStringBase64(String),
    Array(Vec<Value>),
    Timestamp(u64),
    Table(Headers),
    ByteArrayBase64(String),
    Void,
}

/// A table of headers as it is written.
pub(super) fn from_table(table: &FieldTable) -> Headers {
    table.inner().iter().map(|(name, value)| (name.to_string(), from_value(value))).collect()
}

/// A table of headers from what was written.
pub(super) fn to_table(headers: Headers) -> Result<FieldTable, InvalidRecord> {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(short("the name of a header", name)?, to_value(value)?);
    }
    Ok(table)
}

/// A short string, which AMQP lets have 255 bytes.
pub(super) fn short(what: &'static str, text: String) -> Result<ShortString, InvalidRecord> {
    ShortString::try_new(text).map_err(|_| InvalidRecord::TooLong(what))
}

/// Bytes as base64.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes from base64.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, InvalidRecord> {
    STANDARD.decode(text).map_err(|error| InvalidRecord::Base64(error.to_string()))
}

fn from_value(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => Value::Boolean(*value),
        AMQPValue::ShortShortInt(value) => Value::ShortShortInt(*value),
        AMQPValue::ShortShortUInt(value) => Value::ShortShortUint(*value),
        AMQPValue::ShortInt(value) => Value::ShortInt(*value),
        AMQPValue::ShortUInt(value) => Value::ShortUint(*value),
        AMQPValue::LongInt(value) => Value::LongInt(*value),
        AMQPValue::LongUInt(value) => Value::LongUint(*value),
        AMQPValue::LongLongInt(value) => Value::LongLongInt(*value),
        AMQPValue::Float(value) => Value::FloatBits(format!("{:08x}", value.to_bits())),
        AMQPValue::Double(value) => Value::DoubleBits(format!("{:016x}", value.to_bits())),
        AMQPValue::DecimalValue(decimal) => Value::Decimal { scale: decimal.scale, value: decimal.value },
        AMQPValue::ShortString(text) => Value::ShortString(text.to_string()),
        AMQPValue::LongString(text) => match std::str::from_utf8(text.as_bytes()) {
            Ok(text) => Value::LongString(text.to_owned()),
            Err(_) => Value::LongStringBase64(encode(text.as_bytes())),
        },
        AMQPValue::FieldArray(items) => Value::Array(items.as_slice().iter().map(from_value).collect()),
        AMQPValue::Timestamp(seconds) => Value::Timestamp(*seconds),
        AMQPValue::FieldTable(table) => Value::Table(from_table(table)),
        AMQPValue::ByteArray(bytes) => Value::ByteArrayBase64(encode(bytes.as_slice())),
        AMQPValue::Void => Value::Void,
    }
}

fn to_value(value: Value) -> Result<AMQPValue, InvalidRecord> {
    Ok(match value {
        Value::Boolean(value) => AMQPValue::Boolean(value),
        Value::ShortShortInt(value) => AMQPValue::ShortShortInt(value),
        Value::ShortShortUint(value) => AMQPValue::ShortShortUInt(value),
        Value::ShortInt(value) => AMQPValue::ShortInt(value),
        Value::ShortUint(value) => AMQPValue::ShortUInt(value),
        Value::LongInt(value) => AMQPValue::LongInt(value),
        Value::LongUint(value) => AMQPValue::LongUInt(value),
        Value::LongLongInt(value) => AMQPValue::LongLongInt(value),
        Value::FloatBits(bits) => {
            AMQPValue::Float(f32::from_bits(u32::from_str_radix(&bits, 16).map_err(|_| InvalidRecord::Bits(bits))?))
        }
        Value::DoubleBits(bits) => {
            AMQPValue::Double(f64::from_bits(u64::from_str_radix(&bits, 16).map_err(|_| InvalidRecord::Bits(bits))?))
        }
        Value::Decimal { scale, value } => AMQPValue::DecimalValue(DecimalValue { scale, value }),
        Value::ShortString(text) => AMQPValue::ShortString(short("a header", text)?),
        Value::LongString(text) => AMQPValue::LongString(text.into()),
        Value::LongStringBase64(text) => AMQPValue::LongString(decode(&text)?.into()),
        Value::Array(items) => {
            AMQPValue::FieldArray(FieldArray::from(items.into_iter().map(to_value).collect::<Result<Vec<_>, _>>()?))
        }
        Value::Timestamp(seconds) => AMQPValue::Timestamp(seconds),
        Value::Table(headers) => AMQPValue::FieldTable(to_table(headers)?),
        Value::ByteArrayBase64(text) => AMQPValue::ByteArray(decode(&text)?.into()),
        Value::Void => AMQPValue::Void,
    })
}
