//! The section `http`: where health and metrics are served.

use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::config::types::{Invalid, OrOff, quote, text::serde_as_text};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Http {
    /// The address; port 0 picks one.
    pub listen: OrOff<ListenAddress>,
}

/// An IP address of this machine, and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress(SocketAddr);

impl ListenAddress {
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for ListenAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let remedy = "write 127.0.0.1:8080, or 0.0.0.0:8080 to be reached from elsewhere";
        text.parse()
            .map(Self)
            .map_err(|_| Invalid(format!("{} isn't an IP address with a port: {remedy}", quote(text))))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(ListenAddress);
