//! How a broker introduces itself when a connection opens.

use lapin::{
    protocol::{AMQPClass, connection::AMQPMethod, parse_class},
    types::{AMQPValue, FieldTable},
};

/// The oldest version whose quorum queues dead-letter at least once.
/// <https://www.rabbitmq.com/docs/quorum-queues#dead-lettering>
pub const OLDEST: (u32, u32) = (3, 10);

/// A broker, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Such as `RabbitMQ`.
    pub product: String,
    /// Such as `4.3.0`.
    pub version: String,
    /// The cluster's name.
    pub cluster: String,
}

impl Server {
    /// Reads the payload of a `connection.start`; none where it isn't one.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let Ok((_, AMQPClass::Connection(AMQPMethod::Start(start)))) = parse_class(payload) else { return None };
        let property = |name| text(&start.server_properties, name).unwrap_or_else(|| "unknown".to_owned());
        Some(Self { product: property("product"), version: property("version"), cluster: property("cluster_name") })
    }

    /// Whether it is known to be older than [`OLDEST`].
    pub fn is_too_old(&self) -> bool {
        self.number().is_some_and(|number| number < OLDEST)
    }

    /// Whether each quorum queue costs the node file handles, which a low limit of open files runs out of.
    pub fn spends_files_on_queues(&self) -> bool {
        self.number().is_some_and(|number| number < (4, 0))
    }

    /// Whether a queue whose consumer's node dies waits a minute for it, unless a policy says otherwise.
    pub fn waits_for_dead_consumers(&self) -> bool {
        self.number().is_some_and(|number| number >= (4, 3))
    }

    fn number(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split('.').map(str::parse::<u32>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    }
}

fn text(table: &FieldTable, name: &str) -> Option<String> {
    match table.inner().get(name)? {
        AMQPValue::LongString(value) => Some(value.to_string()),
        AMQPValue::ShortString(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        let check = |version: &str, expected: bool| {
            let server = Server { product: "RabbitMQ".into(), version: version.into(), cluster: "c".into() };
            assert_eq!(server.is_too_old(), expected, "{version}");
        };
        for old in ["3.9.29", "3.8", "2.10.0"] {
            check(old, true);
        }
        for good in ["3.10.8", "3.13.0-rc.1", "4.0.1", "10.0.0", "unknown", "", "4"] {
            check(good, false);
        }
    }

    #[test]
    fn what_a_version_does_is_known() {
        let check = |version: &str, files: bool, waits: bool| {
            let server = Server { product: "RabbitMQ".into(), version: version.into(), cluster: "c".into() };
            let known = (server.spends_files_on_queues(), server.waits_for_dead_consumers());
            assert_eq!(known, (files, waits), "{version}");
        };
        check("3.10.8", true, false);
        check("3.13.7", true, false);
        check("4.0.5", false, false);
        check("4.3.6", false, true);
        check("10.0.0", false, true);
        check("unknown", false, false);
    }

    #[test]
    fn bytes_that_are_no_introduction_are_none() {
        for bytes in [&b""[..], b"\0\x0a\0\x0a", b"\0\x0a\0\x0a\0\x09\xff\xff\xff\xff", b"\0\x0a\0\x1e\0\0"] {
            assert_eq!(Server::read(bytes), None);
        }
    }
}
