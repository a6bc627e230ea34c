//! The properties of a reply or an error reply.

use lapin::{BasicProperties, types::FieldTable};

use super::{PERSISTENT, Received, TRANSIENT};
use crate::{
    amqp::{
        message::header,
        values::{short, text, truncated},
    },
    domain::codec::ContentEncoding,
};

/// The longest `traceparent`, in bytes.
pub(super) const MAX_TRACEPARENT: usize = 55;
/// The longest `tracestate`, in bytes.
pub(super) const MAX_TRACESTATE: usize = 512;

impl Received {
    /// The properties of a reply or an error reply to this message.
    pub fn reply_properties(
        &self,
        kind: &str,
        id: &str,
        request_id: Option<&str>,
        encoding: Option<ContentEncoding>,
    ) -> BasicProperties {
        let mut properties = own_properties(kind, id);
        let correlation_id = self.properties.correlation_id().clone().or_else(|| request_id.map(short));
        if let Some(correlation_id) = correlation_id {
            properties = properties.with_correlation_id(correlation_id);
        }
        if let Some(encoding) = encoding {
            properties = properties.with_content_encoding(short(encoding.as_str()));
        }
        let trace = trace(&self.properties);
        if trace.inner().is_empty() { properties } else { properties.with_headers(trace) }
    }
}

impl Received {
    /// The properties of a part of a reply, which needn't outlive the broker.
    pub fn part_properties(&self, kind: &str, id: &str, request_id: Option<&str>) -> BasicProperties {
        self.reply_properties(kind, id, request_id, None).with_delivery_mode(TRANSIENT)
    }
}

/// The properties of a message of ours, of a type and with an id.
pub(crate) fn own_properties(kind: &str, id: &str) -> BasicProperties {
    BasicProperties::default()
        .with_content_type(short("application/json"))
        .with_delivery_mode(PERSISTENT)
        .with_type(short(kind))
        .with_message_id(short(id))
        .with_app_id(short("chatbot-worker"))
}

/// The trace that a client's request belongs to, as far as W3C's Trace Context lets it be: a client's headers may have
/// 32 KiB, and a reply's have to fit into a frame of the replies' connection.
fn trace(properties: &BasicProperties) -> FieldTable {
    let mut trace = FieldTable::default();
    let Some(headers) = properties.headers().as_ref() else { return trace };
    let mut set = |name, value| {
        trace.insert(short(name), text(value));
    };
    if let Some(parent) = header::text(headers, "traceparent").filter(|parent| parent.len() <= MAX_TRACEPARENT) {
        set("traceparent", parent);
    }
    if let Some(state) = header::text(headers, "tracestate").map(trace_state).filter(|state| !state.is_empty()) {
        set("tracestate", state);
    }
    trace
}

/// As many of the list's members as fit: the first is whoever traced last
/// (<https://www.w3.org/TR/trace-context/#tracestate-limits>).
fn trace_state(state: &str) -> &str {
    if state.len() <= MAX_TRACESTATE {
        return state;
    }
    let end = truncated(state, MAX_TRACESTATE + 1).rfind(',').unwrap_or(0);
    state[..end].trim_end()
}
