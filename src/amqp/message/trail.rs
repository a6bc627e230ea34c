//! What our headers tell of a message's way so far: read with care, because a client can write them too.
//!
//! **Invariant:** of a message that a client published, no header of ours is believed but the deadline, and none is read but
//! that and a pass to a conversation, which is believed where its token is. Whatever anybody
//! puts in them, they get nothing that they couldn't have had by publishing elsewhere.

use std::{borrow::Cow, time::Duration};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use super::header::{self, integer, text};
use crate::{
    amqp::{Names, WorkQueue, objects::names},
    domain::{Classification, IntentName, Pass},
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
    /// Whether it may be a second copy.
    pub is_repetition: bool,
    /// What lets it speak in a conversation that a person has; whether that holds is for the conversation to say.
    pub pass: Option<Pass>,
    /// Whether it waited for a person, and nobody took it.
    pub is_returned: bool,
}

impl Trail {
    /// Reads a message's way from its properties, which arrived at `now` (Unix milliseconds). Unless a worker relayed it,
    /// that is its deadline and its user.
    pub fn read(
        properties: &BasicProperties,
        is_relayed: bool,
        names: &Names,
        now: u64,
        default_ttl: Option<Duration>,
    ) -> Self {
        let nothing = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&nothing);
        let ttl = properties.expiration().as_ref().and_then(|millis| millis.as_str().parse().ok());
        let ttl = ttl.or_else(|| default_ttl.and_then(|ttl| u64::try_from(ttl.as_millis()).ok()));
        let deadline = header::time(headers, names::DEADLINE).ok().flatten();
        let deadline = deadline.or_else(|| ttl.map(|ttl| now.saturating_add(ttl)));
        let user_id = properties.user_id().as_ref().map(|user| user.as_str().to_owned());
        let pass = text(headers, names::CONVERSATION).and_then(|pass| pass.parse().ok());
        if !is_relayed {
            return Self { attempt: 1, deadline, user_id, pass, ..Self::default() };
        }
        let number = |name| integer(headers, name);
        let small = |name| number(name).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        Self {
            attempt: small(names::ATTEMPT).unwrap_or(1).max(1),
            starts: small(names::STARTS).unwrap_or(0),
            deadline,
            first_queue: text(headers, names::FIRST_QUEUE).and_then(|name| names.work_queue(name)),
            first_routing_key: text(headers, names::FIRST_ROUTING_KEY)
                .filter(|key| key.len() <= crate::domain::MAX_SHORT)
                .map(str::to_owned),
            first_seen: number(names::FIRST_SEEN),
            intent: text(headers, names::INTENT).and_then(|name| IntentName::new(name).ok()),
            classification: text(headers, names::CLASSIFICATION)
                .filter(|json| json.len() <= MAX_CLASSIFICATION)
                .and_then(|json| serde_json::from_str(json).ok()),
            user_id: user_id.or_else(|| {
                text(headers, names::USER_ID).filter(|user| user.len() <= crate::domain::MAX_SHORT).map(str::to_owned)
            }),
            is_repetition: number(names::REDELIVERED).is_some(),
            pass,
            is_returned: number(names::RETURNED).is_some(),
        }
    }

    /// The time left to the deadline at `now` (Unix milliseconds); zero once it has passed.
    pub fn time_left(&self, now: u64) -> Option<Duration> {
        self.deadline.map(|deadline| Duration::from_millis(deadline.saturating_sub(now)))
    }
}

/// What of our headers that count is of a type that can't be read, in a sentence.
pub(crate) fn complaint(properties: &BasicProperties, is_relayed: bool) -> Option<String> {
    let headers = properties.headers().as_ref()?;
    let deadline = header::time(headers, names::DEADLINE).err();
    let accepted = || accepted_encoding(headers).err();
    let relayed = || {
        const NUMBERS: [&str; 5] =
            [names::ATTEMPT, names::STARTS, names::FIRST_SEEN, names::REDELIVERED, names::RETURNED];
        const TEXTS: [&str; 5] =
            [names::FIRST_QUEUE, names::FIRST_ROUTING_KEY, names::INTENT, names::CLASSIFICATION, names::USER_ID];
        let numbers = NUMBERS.into_iter().filter_map(|name| header::not_integer(headers, name));
        numbers.chain(TEXTS.into_iter().filter_map(|name| header::not_text(headers, name))).next()
    };
    deadline.or_else(accepted).or_else(|| if is_relayed { relayed() } else { None })
}

/// What a client accepts, as `accept-encoding` says it: a text, or an array of texts.
///
/// # Errors
/// What it is instead, in a sentence.
pub(crate) fn accepted_encoding(headers: &FieldTable) -> Result<Option<Cow<'_, str>>, String> {
    let name = names::ACCEPT_ENCODING;
    let value = match headers.inner().get(name) {
        None | Some(AMQPValue::Void) => return Ok(None),
        Some(value) => value,
    };
    let accepted = match value {
        AMQPValue::FieldArray(items) => {
            items.as_slice().iter().map(header::text_of).collect::<Option<Vec<_>>>().map(|texts| texts.join(",").into())
        }
        value => header::text_of(value).map(Cow::Borrowed),
    };
    accepted.map(Some).ok_or_else(|| header::complaint(name, value, "a text such as 'gzip'"))
}

/// Whether a worker put a message where it is, by what the broker says of it: its exchange, its routing key, and how it
/// last died.
///
/// A client may write to the topic exchange alone. What came by the default exchange, by the one before the retry queues
/// or by one of a migration was published by a worker, or by somebody who may do all that a worker may. What the broker
/// took out of a queue keeps its routing key, and a queue's name is the key of what came by the default exchange; a client
/// can have that by way of a `BCC`, which nobody sees, so the broker's own word is needed as well (and RabbitMQ 3.10 takes
/// over what a client wrote there, so that alone isn't enough).
pub(crate) fn is_relayed(names: &Names, exchange: &str, routing_key: &str, properties: &BasicProperties) -> bool {
    if exchange == names.exchange() {
        return false;
    }
    let is_ours = |exchange: &str| {
        exchange.is_empty()
            || exchange == names.retry_exchange()
            || exchange == names.relay_exchange()
            || names.held_by(exchange).is_some()
    };
    let came_by = || last_death(properties, "exchange");
    is_ours(exchange)
        || exchange == names.died() && names.work_queue(routing_key).is_some() && came_by().is_some_and(is_ours)
}

/// What the broker wrote when it last dead-lettered a message, which comes first in `x-death`
/// (<https://www.rabbitmq.com/docs/dlx#effects>). `x-first-death-…` tells of the delay of a retry, once there was one.
pub(crate) fn last_death<'a>(properties: &'a BasicProperties, what: &str) -> Option<&'a str> {
    let headers = properties.headers().as_ref()?;
    let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(newest) = deaths.as_slice().first()? else { return None };
    text(newest, what)
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
        Trail::read(&properties, true, &Names::new("shop").unwrap(), 1_000, ttl)
    }

    #[test]
    fn the_deadline_comes_from_the_header_then_the_expiration_then_the_default() {
        let header = [(names::DEADLINE, AMQPValue::Timestamp(5))];
        let minute = Some(Duration::from_secs(60));
        assert_eq!(read(&header, Some("7"), minute).deadline, Some(5_000));
        assert_eq!(read(&[], Some("7"), minute).deadline, Some(1_007));
        assert_eq!(read(&[], None, minute).deadline, Some(61_000));
        assert_eq!(read(&[], None, None).deadline, None);
        assert_eq!(read(&header, None, None).time_left(5_001), Some(Duration::ZERO));
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

    /// What a client could say to be taken for somebody else, or for a message that a worker sent on.
    #[test]
    fn of_a_clients_headers_only_the_deadline_is_believed() {
        let long = |text: &str| AMQPValue::LongString(text.into());
        let mut table = FieldTable::default();
        for (name, value) in [
            (names::USER_ID, long("the-manager")),
            (names::ATTEMPT, AMQPValue::LongLongInt(3)),
            (names::STARTS, AMQPValue::LongLongInt(2)),
            (names::FIRST_QUEUE, long("shop.suspects")),
            (names::FIRST_ROUTING_KEY, long("request.other")),
            (names::FIRST_SEEN, AMQPValue::LongLongInt(i64::MAX)),
            (names::INTENT, long("refund")),
            (names::CLASSIFICATION, long(r#"{"ranking":[]}"#)),
            (names::REDELIVERED, AMQPValue::LongLongInt(1)),
            (names::RETURNED, AMQPValue::LongLongInt(1)),
            (names::DEADLINE, AMQPValue::Timestamp(1_800_000_000)),
        ] {
            table.insert(name.into(), value);
        }
        let properties = BasicProperties::default().with_headers(table);
        let names = Names::new("shop").unwrap();
        let trail = Trail::read(&properties, false, &names, 1_000, None);
        let deadline = Some(1_800_000_000_000);
        assert_eq!(trail, Trail { attempt: 1, deadline, ..Trail::default() });
        let trail = Trail::read(&properties, true, &names, 1_000, None);
        assert_eq!((trail.user_id.as_deref(), trail.attempt, trail.starts), (Some("the-manager"), 3, 2));
        // The broker vouches for the property.
        let trail = Trail::read(&properties.with_user_id("clerk".into()), true, &names, 1_000, None);
        assert_eq!(trail.user_id.as_deref(), Some("clerk"));
    }

    #[test]
    fn a_worker_relayed_what_no_client_can_have_published() {
        fn check(exchange: &str, routing_key: &str, died_of: Option<&str>, expected: bool) {
            let mut headers = FieldTable::default();
            if let Some(exchange) = died_of {
                let mut death = FieldTable::default();
                death.insert("exchange".into(), AMQPValue::LongString(exchange.into()));
                headers.insert("x-death".into(), AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()));
            }
            let (names, properties) = (Names::new("shop").unwrap(), BasicProperties::default().with_headers(headers));
            let relayed = is_relayed(&names, exchange, routing_key, &properties);
            assert_eq!(relayed, expected, "{exchange:?} {routing_key:?} {died_of:?}");
        }
        check("shop", "request", None, false);
        check("shop", "intent.refund", Some(""), false);
        check("shop", "shop.intent.refund", Some(""), false);
        check("", "shop.intent.refund", None, true);
        check("", "shop.requests", None, true);
        check("shop.retry", "shop.requests", None, true);
        check("shop.holding.requests", "request", None, true);
        check("shop.holding.intent.refund", "intent.refund", None, true);
        check("another", "shop.requests", Some(""), false);
        check("amq.topic", "shop.requests", None, false);
        // What the broker took out of a queue: by how it had come into that.
        check("shop.died", "shop.intent.refund", Some(""), true);
        check("shop.died", "shop.intent.refund", Some("shop.holding.intent.refund"), true);
        check("shop.died", "intent.refund", Some("shop"), false);
        check("shop.died", "request.web", Some("shop"), false);
        // A queue's name for a key, and a BCC that leads there.
        check("shop.died", "shop.intent.refund", Some("shop"), false);
        // What a client wrote of its death, on RabbitMQ 3.10.
        check("shop.died", "intent.refund", Some(""), false);
        check("shop.died", "shop.requests.dead", Some(""), false);
        check("shop.died", "shop.intent.refund", None, false);
    }

    #[test]
    fn a_header_of_ours_of_a_type_that_cannot_be_read_is_told() {
        fn check(name: &str, value: AMQPValue, is_relayed: bool, expected: Option<&str>) {
            let mut table = FieldTable::default();
            table.insert(name.into(), value);
            let complaint = complaint(&BasicProperties::default().with_headers(table), is_relayed);
            assert_eq!(complaint.as_deref(), expected, "{name}");
        }
        let text = |text: &str| AMQPValue::LongString(text.into());
        let table = || AMQPValue::FieldTable(FieldTable::default());
        check(names::DEADLINE, AMQPValue::Timestamp(5), false, None);
        let deadline = "the header chatbot-deadline is a table, but must be a time: a number of seconds or \
                        milliseconds, or a timestamp";
        check(names::DEADLINE, table(), false, Some(deadline));
        check(names::DEADLINE, table(), true, Some(deadline));
        check(names::ACCEPT_ENCODING, text("gzip"), false, None);
        check(names::ACCEPT_ENCODING, AMQPValue::FieldArray(vec![text("br"), text("zstd")].into()), false, None);
        check(names::ACCEPT_ENCODING, AMQPValue::Void, false, None);
        let accepted = |what: &str| format!("the header accept-encoding is {what}, but must be a text such as 'gzip'");
        check(names::ACCEPT_ENCODING, AMQPValue::Boolean(true), false, Some(&accepted("a boolean")));
        check(names::ACCEPT_ENCODING, AMQPValue::FieldArray(vec![table()].into()), false, Some(&accepted("an array")));
        // A client's own use of these names is nobody's business.
        check(names::ATTEMPT, table(), false, None);
        check(names::ATTEMPT, table(), true, Some("the header chatbot-attempt is a table, but must be a whole number"));
        check(names::ATTEMPT, AMQPValue::LongInt(-1), true, None);
        check(names::INTENT, table(), true, Some("the header chatbot-intent is a table, but must be a text"));
        check("mine", table(), true, None);
    }
}
