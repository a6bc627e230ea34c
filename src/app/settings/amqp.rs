//! The section `amqp`: the broker, and how to talk to it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::AmqpUrl;
use crate::{
    config::{
        Conflict, ValueFile,
        types::{BoundedDuration, Count, FilePath, Invalid, List, choose, quote, text::serde_as_text},
    },
    domain::is_valid_name,
};

/// The broker, and how to talk to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Amqp {
    pub url: List<AmqpUrl>,
    #[serde(skip)]
    pub url_file: Option<ValueFile>,
    /// The topic exchange; all names derive from it.
    pub exchange: ExchangeName,
    /// Whether to declare the topology or only to look whether it is there.
    pub topology: Topology,
    /// How many requests and inline intents are in work at once, for each queue.
    pub prefetch: Count,
    /// The same for intents that are handled by way of their queue.
    pub prefetch_queued: Count,
    /// AMQP's heartbeat: whole seconds, 1 s to 1 h.
    pub heartbeat: BoundedDuration<1_000, 3_600_000, 1_000>,
    /// For one attempt to connect to one node, up to 1 h.
    pub connect_timeout: BoundedDuration<1, 3_600_000>,
    /// For the broker's confirm of one publish, up to 1 h.
    pub confirm_timeout: BoundedDuration<1, 3_600_000>,
    /// The authorities that sign the broker's certificate, PEM; the system's where none.
    pub tls_ca_path: Option<FilePath>,
    /// This client's certificate, PEM; set together with its key.
    pub tls_cert_path: Option<FilePath>,
    /// The key of this client's certificate, PEM.
    pub tls_key_path: Option<FilePath>,
}

/// The name of an exchange that queues' names can derive from: `[A-Za-z0-9_-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeName(String);

/// What to do about exchanges and queues at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Declare what isn't there.
    Declare,
    /// Look whether all is there, and declare nothing.
    Verify,
}

impl Amqp {
    pub(super) fn conflict(&self) -> Option<Conflict> {
        let missing = match (&self.tls_cert_path, &self.tls_key_path) {
            (Some(_), None) => {
                "amqp.tls_key_path (CHATBOT_AMQP_TLS_KEY_PATH) too, such as to /etc/chatbot/client-key.pem"
            }
            (None, Some(_)) => {
                "amqp.tls_cert_path (CHATBOT_AMQP_TLS_CERT_PATH) too, such as to /etc/chatbot/client.pem"
            }
            _ => return None,
        };
        Some(Conflict {
            keys: vec!["amqp.tls_cert_path".into(), "amqp.tls_key_path".into()],
            message: format!("a certificate and its key belong together: set {missing}"),
        })
    }
}

impl ExchangeName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExchangeName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !is_valid_name(text) {
            let rule = "use 1 to 64 of the characters A-Z a-z 0-9 _ -, such as chatbot-staging";
            return Err(Invalid(format!(
                "{} can't name the exchange, as queues are named after it: {rule}",
                quote(text)
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ExchangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(ExchangeName);

impl FromStr for Topology {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choose(text, &[("declare", Self::Declare), ("verify", Self::Verify)])
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Declare => "declare",
            Self::Verify => "verify",
        })
    }
}

serde_as_text!(Topology);
