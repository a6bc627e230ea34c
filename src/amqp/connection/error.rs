//! Why there is no connection, in words: what happened, to which node, what to do.

use std::{io, time::Duration};

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
    uri::{AMQPScheme, AMQPUri},
};
use rustls::{AlertDescription, CertificateError};

/// Why there is no connection, or no longer one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// The broker refused the user or the password.
    #[error("{node} refuses the credentials of user '{user}' ({reason}); check CHATBOT_AMQP_URL")]
    Credentials {
        /// The node, without secrets.
        node: String,
        /// The user.
        user: String,
        /// The broker's words.
        reason: String,
    },
    /// The broker doesn't let the user into the virtual host, or there is none of that name.
    #[error("{node} gives no access to the virtual host '{vhost}' ({reason}); create it or grant user '{user}' access")]
    VirtualHost {
        /// The node, without secrets.
        node: String,
        /// The user.
        user: String,
        /// The virtual host.
        vhost: String,
        /// The broker's words.
        reason: String,
    },
    /// Something answers there, but TLS with it fails: a certificate, a key, or the port.
    #[error(transparent)]
    Tls(Trouble),
    /// Anything that may pass.
    #[error(transparent)]
    Unreachable(Trouble),
}

/// What is wrong with a node, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}. {mend}")]
pub struct Trouble {
    /// What happened, with which node; no secrets.
    pub what: String,
    /// What to do, in whole sentences.
    pub mend: &'static str,
}

const START: &str = "Start it, or set CHATBOT_AMQP_URL to where it is (its port for AMQP, not its management page's).";
const RENEW: &str = "Renew it on the broker; or, if it is still good, set this machine's clock right.";
const CERTIFICATE: &str = "Set CHATBOT_AMQP_TLS_CERT_PATH to a certificate that the broker accepts, and \
                           CHATBOT_AMQP_TLS_KEY_PATH to its key; the broker's log tells what it minds.";

impl ConnectError {
    /// No answer.
    pub(crate) fn timeout(url: &AMQPUri, limit: Duration) -> Self {
        Self::Unreachable(Trouble {
            what: format!("{} can't be reached: no answer within {limit:?}", node(url)),
            mend: "Look whether CHATBOT_AMQP_URL is right, and whether a firewall lies between; a slow network may \
                   need a longer CHATBOT_AMQP_CONNECT_TIMEOUT.",
        })
    }

    /// No node to connect to.
    pub(crate) fn no_node() -> Self {
        Self::Unreachable(Trouble {
            what: "no node of a broker is configured".to_owned(),
            mend: "Set CHATBOT_AMQP_URL.",
        })
    }

    /// What lapin's error means.
    pub(crate) fn of(url: &AMQPUri, error: &lapin::Error) -> Self {
        let (user, vhost) = (url.authority.userinfo.username.clone(), url.vhost.clone());
        let away = |what: &str, mend| {
            Self::Unreachable(Trouble { what: format!("{} can't be reached: {what}", node(url)), mend })
        };
        match error.kind() {
            ErrorKind::ProtocolError(refused) => {
                let reason = refused.get_message().to_string();
                match refused.kind() {
                    AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                        Self::Credentials { node: node(url), user, reason }
                    }
                    AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                        Self::VirtualHost { node: node(url), user, vhost, reason }
                    }
                    _ => away(&error.to_string(), "The broker's log tells more."),
                }
            }
            ErrorKind::ParsingError(_) => away(
                "what answers there doesn't speak AMQP",
                "Set CHATBOT_AMQP_URL to the broker's port for AMQP, 5672 by default; its port for TLS, 5671, takes \
                 amqps:// instead of amqp://.",
            ),
            ErrorKind::IOError(io) => match io.get_ref().and_then(|error| error.downcast_ref()) {
                Some(tls) => {
                    let (what, mend) = tls_trouble(tls);
                    Self::Tls(Trouble { what: format!("no TLS with {}: {what}", node(url)), mend })
                }
                None => {
                    let (what, mend) = io_trouble(url, io);
                    away(&what, mend)
                }
            },
            _ => away(&error.to_string(), "The broker's log may tell more."),
        }
    }
}

fn io_trouble(url: &AMQPUri, error: &io::Error) -> (String, &'static str) {
    match error.kind() {
        // A port for TLS that is greeted without ends the connection, by a reset or in order.
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => {
            let what = format!("it closed the connection before it let anybody in ({error})");
            let mend = match url.scheme {
                AMQPScheme::AMQP => {
                    "A port for TLS does so: if it is one, write amqps:// instead of amqp:// in CHATBOT_AMQP_URL. Else \
                     the broker is just starting or stopping, or its log tells why."
                }
                AMQPScheme::AMQPS => {
                    "The broker's log tells why. If it asks for a certificate, set CHATBOT_AMQP_TLS_CERT_PATH and \
                     CHATBOT_AMQP_TLS_KEY_PATH."
                }
            };
            (what, mend)
        }
        _ => (error.to_string(), START),
    }
}

fn tls_trouble(error: &rustls::Error) -> (String, &'static str) {
    use AlertDescription as Alert;
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => (
            "its certificate is signed by an authority that isn't trusted here".to_owned(),
            "Set CHATBOT_AMQP_TLS_CA_PATH to that authority's certificate (PEM).",
        ),
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => (
            certified_names(error),
            "Write the host in CHATBOT_AMQP_URL as the certificate names it, or have one issued for the name in the URL.",
        ),
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            ("its certificate has expired".to_owned(), RENEW)
        }
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            ("its certificate isn't valid yet".to_owned(), RENEW)
        }
        rustls::Error::InvalidCertificate(_) => {
            (format!("its certificate is refused here: {error}"), "Give the broker another certificate.")
        }
        rustls::Error::InvalidMessage(_) => (
            "what answers there doesn't speak TLS".to_owned(),
            "A broker's port without TLS, 5672 by default, takes amqp:// in CHATBOT_AMQP_URL; its port for TLS is \
             5671 by default.",
        ),
        rustls::Error::InconsistentKeys(_) => (
            "this worker's certificate and key don't belong together".to_owned(),
            "Set CHATBOT_AMQP_TLS_KEY_PATH to the key of the certificate in CHATBOT_AMQP_TLS_CERT_PATH.",
        ),
        rustls::Error::AlertReceived(Alert::CertificateRequired) => {
            ("it asks for a certificate, and this worker has none to show".to_owned(), CERTIFICATE)
        }
        rustls::Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied),
        ) => (format!("it refuses this worker's certificate ({alert:?})"), CERTIFICATE),
        // Before TLS 1.3, 'no certificate' is a handshake failure as well.
        rustls::Error::AlertReceived(alert) => (
            format!("it ended the handshake ({alert:?})"),
            "The broker's log tells why: versions or ciphers that it doesn't share with this worker, or a certificate \
             that it asks for (CHATBOT_AMQP_TLS_CERT_PATH).",
        ),
        rustls::Error::General(_) => (
            error.to_string(),
            "Install the system's certificates of authorities (Debian: ca-certificates), or set \
             CHATBOT_AMQP_TLS_CA_PATH.",
        ),
        _ => (error.to_string(), "The broker's log may tell more."),
    }
}

/// Whom a certificate is for, where it isn't for the host.
fn certified_names(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) = error
    else {
        return "its certificate is for another host's name".to_owned();
    };
    let names = if presented.is_empty() { "no host's name".to_owned() } else { presented.join(", ") };
    format!("its certificate isn't for '{}' but for {names}", expected.to_str())
}

/// A node as an operator knows it, without user and password.
fn node(url: &AMQPUri) -> String {
    format!("{}://{}:{}", url.scheme, url.authority.host, url.authority.port)
}
