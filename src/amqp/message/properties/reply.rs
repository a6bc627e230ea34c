//! The properties of a reply or an error reply.

use lapin::BasicProperties;

use super::{PERSISTENT, Received};
use crate::amqp::values::short;
use crate::domain::codec::ContentEncoding;

impl Received {
    /// The properties of a reply or an error reply to this message.
    pub fn reply_properties(
        &self,
        kind: &str,
        id: &str,
        request_id: Option<&str>,
        encoding: Option<ContentEncoding>,
    ) -> BasicProperties {
        let mut properties = BasicProperties::default()
            .with_content_type(short("application/json"))
            .with_delivery_mode(PERSISTENT)
            .with_type(short(kind))
            .with_message_id(short(id))
            .with_app_id(short("chatbot-worker"));
        let correlation_id = self.properties.correlation_id().clone().or_else(|| request_id.map(short));
        if let Some(correlation_id) = correlation_id {
            properties = properties.with_correlation_id(correlation_id);
        }
        if let Some(encoding) = encoding {
            properties = properties.with_content_encoding(short(encoding.as_str()));
        }
        for (name, value) in self.properties.headers().iter().flat_map(|table| table.inner()) {
            if matches!(name.as_str(), "traceparent" | "tracestate") {
                let mut headers = properties.headers().clone().unwrap_or_default();
                headers.insert(name.clone(), value.clone());
                properties = properties.with_headers(headers);
            }
        }
        properties
    }
}
