//! Properties copied: all of them but for what mustn't pass.

use lapin::{
    BasicProperties,
    types::{FieldTable, ShortString},
};

use crate::amqp::{
    connection::wire::Blemish,
    objects::names,
    values::{short, text},
};

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

/// The properties with which a message is moved: all of them, with the expiration, whose time begins anew, and with what
/// the broker wrote of its deaths. But for
/// - `user_id`, which the broker takes from nobody else than that user: it becomes our header;
/// - headers of ours that a client wrote, unless `is_relayed`: whoever finds it afterwards believes them;
/// - how often the old queue delivered it, which the broker writes anew;
/// - what couldn't be read.
pub(crate) fn moved(properties: &BasicProperties, is_relayed: bool, blemishes: &[Blemish]) -> BasicProperties {
    let unreadable = |name| blemishes.contains(&Blemish::NotUtf8(name));
    let to = copied(properties, |name| name != "user id" && !unreadable(name));
    let mut headers = FieldTable::default();
    for (name, value) in properties.headers().iter().flat_map(|table| table.inner()) {
        let name_is = name.as_str();
        let is_read = [names::DEADLINE, names::CONVERSATION].contains(&name_is);
        let is_believed = is_relayed || is_read || !name_is.starts_with(names::OUR_HEADERS);
        if is_believed && !matches!(name_is, "x-delivery-count" | "x-acquired-count") {
            headers.insert(name.clone(), value.clone());
        }
    }
    if let (Some(user), false) = (properties.user_id(), unreadable("user id")) {
        headers.insert(short(names::USER_ID), text(user.as_str()));
    }
    if headers.inner().is_empty() { to } else { to.with_headers(headers) }
}
