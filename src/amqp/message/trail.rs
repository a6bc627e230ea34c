//! What our headers tell of a message's way so far: read with care, because a client can write them too.
//!
//! **Invariant:** whatever a client puts in them, it gets nothing that it couldn't have had by publishing elsewhere.

use std::time::Duration;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use crate::{
    amqp::{Names, WorkQueue, objects::names},
    domain::{Classification, IntentName},
};

/// A classification header larger than this is no worker's.
const MAX_CLASSIFICATION: usize = 16 * 1024;

/// A message's way so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trail {
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// How often it was started as a suspect.
    pub starts: u32,
    /// When its answer is of no more use, in Unix milliseconds.
    pub deadline: Option<u64>,
    /// The first work queue.
    pub first_queue: Option<WorkQueue>,
    /// The routing key with which the client published.
    pub first_routing_key: Option<String>,
    /// When a worker first saw it, in Unix milliseconds.
    pub first_seen: Option<u64>,
    /// The intent that it was forwarded to.
    pub intent: Option<IntentName>,
    /// How it was classified.
    pub classification: Option<Classification>,
    /// The `user_id` that the client published with.
    pub user_id: Option<String>,
}

impl Trail {
    /// Reads a message's way from its properties, which arrived at `now` (Unix milliseconds).
    pub fn read(properties: &BasicProperties, names: &Names, now: u64, default_ttl: Option<Duration>) -> Self {
        let nothing = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&nothing);
        let number = |name| integer(headers, name);
        let small = |name| number(name).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let ttl = properties.expiration().as_ref().and_then(|millis| millis.as_str().parse().ok());
        let ttl = ttl.or_else(|| default_ttl.and_then(|ttl| u64::try_from(ttl.as_millis()).ok()));
        Self {
            attempt: small(names::ATTEMPT).unwrap_or(1).max(1),
            starts: small(names::STARTS).unwrap_or(0),
            deadline: number(names::DEADLINE).or_else(|| ttl.map(|ttl| now.saturating_add(ttl))),
            first_queue: text(headers, names::FIRST_QUEUE).and_then(|name| names.work_queue(name)),
            first_routing_key: text(headers, names::FIRST_ROUTING_KEY)
                .filter(|key| key.len() <= crate::domain::MAX_SHORT)
                .map(str::to_owned),
            first_seen: number(names::FIRST_SEEN),
            intent: text(headers, names::INTENT).and_then(|name| IntentName::new(name).ok()),
            classification: text(headers, names::CLASSIFICATION)
                .filter(|json| json.len() <= MAX_CLASSIFICATION)
                .and_then(|json| serde_json::from_str(json).ok()),
            user_id: properties
                .user_id()
                .as_ref()
                .map(|user| user.as_str().to_owned())
                .or_else(|| text(headers, names::USER_ID).map(str::to_owned)),
        }
    }

    /// The time left to the deadline at `now` (Unix milliseconds); zero once it has passed.
    pub fn time_left(&self, now: u64) -> Option<Duration> {
        self.deadline.map(|deadline| Duration::from_millis(deadline.saturating_sub(now)))
    }
}

/// A header that holds a whole number that isn't negative, in any of the types that clients use for one.
pub(crate) fn integer(headers: &FieldTable, name: &str) -> Option<u64> {
    match headers.inner().get(name)? {
        AMQPValue::ShortShortInt(n) => u64::try_from(*n).ok(),
        AMQPValue::ShortShortUInt(n) => Some((*n).into()),
        AMQPValue::ShortInt(n) => u64::try_from(*n).ok(),
        AMQPValue::ShortUInt(n) => Some((*n).into()),
        AMQPValue::LongInt(n) => u64::try_from(*n).ok(),
        AMQPValue::LongUInt(n) => Some((*n).into()),
        AMQPValue::LongLongInt(n) => u64::try_from(*n).ok(),
        AMQPValue::LongString(digits) => std::str::from_utf8(digits.as_bytes()).ok()?.parse().ok(),
        _ => None,
    }
}

/// A header that holds text.
pub(crate) fn text<'a>(headers: &'a FieldTable, name: &str) -> Option<&'a str> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(value) => std::str::from_utf8(value.as_bytes()).ok(),
        AMQPValue::ShortString(value) => Some(value.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    fn read(headers: &[(&str, AMQPValue)], expiration: Option<&str>, ttl: Option<Duration>) -> Trail {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        let mut properties = BasicProperties::default().with_headers(table);
        if let Some(expiration) = expiration {
            properties = properties.with_expiration(expiration.into());
        }
        Trail::read(&properties, &Names::new("shop").unwrap(), 1_000, ttl)
    }

    #[test]
    fn the_deadline_comes_from_the_header_then_the_expiration_then_the_default() {
        let header = [(names::DEADLINE, AMQPValue::LongLongInt(5))];
        let minute = Some(Duration::from_secs(60));
        assert_eq!(read(&header, Some("7"), minute).deadline, Some(5));
        assert_eq!(read(&[], Some("7"), minute).deadline, Some(1_007));
        assert_eq!(read(&[], None, minute).deadline, Some(61_000));
        assert_eq!(read(&[], None, None).deadline, None);
        assert_eq!(read(&header, None, None).time_left(9), Some(Duration::ZERO));
    }

    #[test]
    fn forged_headers_are_read_as_nothing_or_as_little() {
        let long = |text: &str| AMQPValue::LongString(text.into());
        let trail = read(
            &[
                (names::ATTEMPT, AMQPValue::LongLongInt(-3)),
                (names::STARTS, AMQPValue::LongLongInt(i64::MAX)),
                (names::DEADLINE, AMQPValue::Boolean(true)),
                (names::FIRST_QUEUE, long("shop.requests.dead")),
                (names::FIRST_ROUTING_KEY, long(&"k".repeat(256))),
                (names::INTENT, long("a.dead")),
                (names::CLASSIFICATION, long("{]")),
                (names::FIRST_SEEN, AMQPValue::LongString(b"\xff".to_vec().into())),
            ],
            Some("soon"),
            None,
        );
        assert_eq!(trail, Trail { attempt: 1, starts: u32::MAX, ..Trail::default() });
    }

    #[test]
    fn numbers_are_read_in_every_type_that_clients_send() {
        for value in [
            AMQPValue::ShortShortInt(3),
            AMQPValue::ShortShortUInt(3),
            AMQPValue::ShortInt(3),
            AMQPValue::ShortUInt(3),
            AMQPValue::LongInt(3),
            AMQPValue::LongUInt(3),
            AMQPValue::LongLongInt(3),
            AMQPValue::LongString("3".into()),
        ] {
            assert_eq!(read(&[(names::ATTEMPT, value)], None, None).attempt, 3);
        }
    }
}
