//! Where the broker is, and by which certificates it is spoken to.

use std::time::Duration;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};

use crate::renewed::Renewed;

/// Where the broker is and how to speak to it.
#[derive(Clone)]
pub struct Broker {
    /// Asked at each connect: certificates and passwords are renewed on disk.
    pub access: Renewed<Access>,
    /// How long one step of connecting or declaring may take.
    pub connect_timeout: Duration,
    /// How long a publish may stay unconfirmed, not counting time in which the broker blocks the connection.
    pub confirm_timeout: Duration,
}

/// The nodes, and what lets this worker in.
#[derive(Clone, PartialEq)]
pub struct Access {
    /// The nodes of the cluster, tried in random order; never empty.
    pub urls: Vec<AMQPUri>,
    /// Certificates for `amqps`.
    pub tls: Tls,
}

impl Access {
    /// # Errors
    /// [`InvalidAmqpUrl`].
    pub fn new(nodes: impl Iterator<Item = AmqpAddress>, tls: Tls) -> Result<Self, InvalidAmqpUrl> {
        Ok(Self { urls: nodes.map(AmqpAddress::into_uri).collect::<Result<_, _>>()?, tls })
    }
}

impl Broker {
    /// Each node by itself, as it was read last.
    pub fn nodes(&self) -> Vec<Self> {
        let Access { urls, tls } = self.access.last();
        let alone = |url| Self { access: Renewed::fixed(Access { urls: vec![url], tls: tls.clone() }), ..self.clone() };
        urls.into_iter().map(alone).collect()
    }
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
#[derive(Clone, Default, PartialEq)]
pub struct Tls {
    /// The authorities that sign the broker's certificate, beside the system's.
    pub ca: Option<String>,
    /// This client's certificate.
    pub certificate: Option<String>,
    /// Its key.
    pub key: Option<String>,
}
