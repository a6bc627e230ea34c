//! The properties of a message that is moved to another queue, to be there what it was.

use lapin::{BasicProperties, types::FieldTable};

use super::values::{copied, short, text};
use crate::amqp::{names, wire::Blemish};

/// The properties with which a message is moved: all of them, with the expiration, whose time begins anew, and with what
/// the broker wrote of its deaths. But for
/// - `user_id`, which the broker takes from nobody else than that user: it becomes our header;
/// - how often the old queue delivered it, which the broker writes anew;
/// - what couldn't be read.
pub(crate) fn moved(properties: &BasicProperties, blemishes: &[Blemish]) -> BasicProperties {
    let unreadable = |name| blemishes.contains(&Blemish::NotUtf8(name));
    let to = copied(properties, |name| name != "user id" && !unreadable(name));
    let mut headers = FieldTable::default();
    for (name, value) in properties.headers().iter().flat_map(|table| table.inner()) {
        if !matches!(name.as_str(), "x-delivery-count" | "x-acquired-count") {
            headers.insert(name.clone(), value.clone());
        }
    }
    if let (Some(user), false) = (properties.user_id(), unreadable("user id")) {
        headers.insert(short(names::USER_ID), text(user.as_str()));
    }
    if headers.inner().is_empty() { to } else { to.with_headers(headers) }
}
