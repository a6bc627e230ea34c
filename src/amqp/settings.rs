//! What the AMQP side has to be told; plain values, already checked.

use std::{num::NonZeroU16, time::Duration};

use lapin::{
    tcp::{OwnedIdentity, OwnedTLSConfig},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};

use super::{Names, WorkQueue};

/// Where the broker is and how to speak to it.
#[derive(Clone)]
pub struct Broker {
    /// The nodes of the cluster, tried in random order; never empty.
    pub urls: Vec<AMQPUri>,
    /// Certificates for `amqps`.
    pub tls: OwnedTLSConfig,
    /// How long one step of connecting or declaring may take.
    pub connect_timeout: Duration,
    /// How long a publish may stay unconfirmed, not counting time in which the broker blocks the connection.
    pub confirm_timeout: Duration,
}

/// A node's address, in parts. lapin's own parser loses an IPv6 host, and takes `amqp://host/` for a virtual host
/// without a name.
#[derive(Clone)]
pub struct AmqpAddress {
    /// Whether to use TLS.
    pub tls: bool,
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
    /// The virtual host.
    pub vhost: String,
    /// The largest frame, in bytes.
    pub frame_max: Option<u32>,
    /// The most channels.
    pub channel_max: Option<u16>,
    /// Seconds between heartbeats; 0 switches them off.
    pub heartbeat: u16,
    /// Milliseconds for connecting to this node.
    pub connection_timeout: Option<u64>,
    /// The SASL mechanism's name.
    pub auth_mechanism: Option<&'static str>,
}

/// A URL that lapin can't use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CHATBOT_AMQP_URL: {0}")]
pub struct InvalidAmqpUrl(String);

impl AmqpAddress {
    /// The address as lapin takes it.
    ///
    /// # Errors
    /// [`InvalidAmqpUrl`] where lapin knows no such SASL mechanism.
    pub fn into_uri(self) -> Result<AMQPUri, InvalidAmqpUrl> {
        let auth_mechanism = self.auth_mechanism.map(str::parse).transpose().map_err(InvalidAmqpUrl)?;
        Ok(AMQPUri {
            scheme: if self.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo { username: self.user, password: self.password },
                host: self.host,
                port: self.port,
            },
            vhost: self.vhost,
            query: AMQPQueryString {
                frame_max: self.frame_max,
                channel_max: self.channel_max,
                heartbeat: Some(self.heartbeat),
                connection_timeout: self.connection_timeout,
                auth_mechanism,
            },
        })
    }
}

/// Certificates and a key, each PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// The authorities that sign the broker's certificate, beside the system's.
    pub ca: Option<String>,
    /// This client's certificate.
    pub certificate: Option<String>,
    /// Its key.
    pub key: Option<String>,
}

impl Tls {
    /// As lapin takes it.
    pub fn into_config(self) -> OwnedTLSConfig {
        let identity = self.certificate.zip(self.key);
        OwnedTLSConfig {
            identity: identity.map(|(pem, key)| OwnedIdentity::PKCS8 { pem: pem.into_bytes(), key: key.into_bytes() }),
            cert_chain: self.ca,
        }
    }
}

/// Whether the worker declares its exchanges and queues or only proves that they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopologyMode {
    /// Declare.
    Declare,
    /// Prove existence, declare nothing.
    Verify,
}

/// From when on requests are turned away, `overloaded`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overload {
    /// How many messages may wait in a queue.
    pub max_depth: Option<u32>,
    /// How long a message may have waited.
    pub max_age: Option<Duration>,
}

/// Everything that the AMQP side has to be told.
#[derive(Clone)]
pub struct Settings {
    /// The broker.
    pub broker: Broker,
    /// The names of exchanges and queues.
    pub names: Names,
    /// Declare or verify.
    pub topology: TopologyMode,
    /// How many unacknowledged deliveries of requests and inline intents a worker holds, each queue.
    pub prefetch: NonZeroU16,
    /// The same for intents that are dispatched by queue.
    pub prefetch_queued: NonZeroU16,
    /// What to consume.
    pub consume: Consume,
    /// The largest body, in bytes, as received and as decompressed.
    pub max_body: usize,
    /// How many bytes of bodies may be worked on at a time.
    pub memory_budget: usize,
    /// From when on requests are turned away.
    pub overload: Overload,
    /// How long after its arrival a request that names no deadline is of no more use.
    pub default_ttl: Option<Duration>,
    /// How long deliveries in flight may take to finish at shutdown.
    pub shutdown_grace: Duration,
    /// Patterns of names that replies may go to; all where empty.
    pub reply_allow: Vec<String>,
    /// The worker's name in connection names and dead letters.
    pub worker: String,
}

/// Which queues a worker consumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consume {
    /// All.
    All,
    /// Some.
    Some(Vec<Consumed>),
}

/// One thing that a worker may consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consumed {
    /// One work queue.
    Work(WorkQueue),
    /// All intents' queues.
    Intents,
    /// Where the broker puts messages.
    Died,
}

impl Consume {
    /// Whether a work queue is consumed.
    pub fn work(&self, queue: &WorkQueue) -> bool {
        match self {
            Self::All => true,
            Self::Some(list) => list.iter().any(|consumed| match consumed {
                Consumed::Work(wanted) => wanted == queue,
                Consumed::Intents => matches!(queue, WorkQueue::Intent(_)),
                Consumed::Died => false,
            }),
        }
    }

    /// Whether the queue where the broker puts messages is consumed.
    pub fn died(&self) -> bool {
        match self {
            Self::All => true,
            Self::Some(list) => list.contains(&Consumed::Died),
        }
    }
}
