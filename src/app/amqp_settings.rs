//! The AMQP side's plain settings, made from the sections that operators write.

use std::path::{Path, PathBuf};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::ExposeSecret;

use super::{BuildError, settings};
use crate::{
    amqp::{
        AmqpAddress, Names, Settings, WorkQueue,
        connection::address::{Broker, Tls},
        objects::declare::TopologyMode,
        settings::{Consume, Consumed, Overload},
    },
    config::types::FilePath,
};

/// A file for TLS that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// It can't be read.
    #[error("{variable}: {} can't be read: {error}", path.display())]
    Unreadable {
        /// The setting.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// It doesn't hold what it should.
    #[error(
        "{variable}: {} holds no {what} in PEM; it has to begin with -----BEGIN {}-----",
        path.display(),
        what.to_uppercase()
    )]
    Lacks {
        /// The setting.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
}

/// The plain settings of the AMQP side.
///
/// # Errors
/// [`BuildError`] where a file for TLS, or a URL, can't be used.
pub fn amqp_settings(settings: &settings::Settings) -> Result<Settings, BuildError> {
    let (amqp, worker) = (&settings.amqp, &settings.worker);
    let allowed = settings.reply.allow.iter().flat_map(|patterns| patterns.iter());
    Ok(Settings {
        broker: broker(amqp)?,
        names: Names::new(amqp.exchange.as_str())?,
        topology: match amqp.topology {
            settings::Topology::Declare => TopologyMode::Declare,
            settings::Topology::Verify => TopologyMode::Verify,
        },
        prefetch: amqp.prefetch.get(),
        prefetch_queued: amqp.prefetch_queued.get(),
        consume: consume(worker),
        max_body: worker.max_body.get(),
        memory_budget: worker.memory_budget.get(),
        overload: Overload {
            max_depth: settings.overload.max_depth.get().map(|depth| depth.get()),
            max_age: settings.overload.max_age.get().map(|age| age.get()),
        },
        default_ttl: worker.default_ttl.get().map(|ttl| ttl.get()),
        shutdown_grace: worker.shutdown_grace.get(),
        reply_allow: allowed.map(|pattern| pattern.as_str().to_owned()).collect(),
        worker: worker_name(),
    })
}

/// The broker that the settings name.
///
/// # Errors
/// [`BuildError`] where a file for TLS, or a URL, can't be used.
pub fn broker(amqp: &settings::Amqp) -> Result<Broker, BuildError> {
    let urls = amqp.url.iter().map(|url| {
        let address = AmqpAddress {
            tls: url.tls,
            host: url.host.clone(),
            port: url.port,
            user: url.user.clone(),
            password: url.password.expose_secret().to_owned(),
            vhost: url.vhost.clone(),
            frame_max: url.options.frame_max,
            channel_max: url.options.channel_max,
            heartbeat: url
                .options
                .heartbeat
                .unwrap_or(u16::try_from(amqp.heartbeat.get().as_secs()).unwrap_or(u16::MAX)),
            connection_timeout: url.options.connection_timeout,
            auth_mechanism: url.options.auth_mechanism,
        };
        address.into_uri()
    });
    let file = |variable, path: &Option<FilePath>, what, holds| {
        path.as_ref().map(|path| read(variable, path.as_path(), what, holds)).transpose()
    };
    let tls = Tls {
        ca: file("CHATBOT_AMQP_TLS_CA_PATH", &amqp.tls_ca_path, "certificate", holds_certificate)?,
        certificate: file("CHATBOT_AMQP_TLS_CERT_PATH", &amqp.tls_cert_path, "certificate", holds_certificate)?,
        key: file("CHATBOT_AMQP_TLS_KEY_PATH", &amqp.tls_key_path, "private key", holds_key)?,
    };
    Ok(Broker {
        urls: urls.collect::<Result<_, _>>()?,
        tls: tls.into_config(),
        connect_timeout: amqp.connect_timeout.get(),
        confirm_timeout: amqp.confirm_timeout.get(),
    })
}

fn consume(worker: &settings::Worker) -> Consume {
    use settings::Queues;
    let consumed = worker.queues.iter().map(|queue| match queue {
        Queues::All => None,
        Queues::Requests => Some(Consumed::Work(WorkQueue::Requests)),
        Queues::Intents => Some(Consumed::Intents),
        Queues::Intent(name) => Some(Consumed::Work(WorkQueue::Intent(name.clone()))),
        Queues::Suspects => Some(Consumed::Work(WorkQueue::Suspects)),
        Queues::Died => Some(Consumed::Died),
    });
    // `all` among others is all.
    consumed.collect::<Option<Vec<_>>>().map_or(Consume::All, Consume::Some)
}

/// The host's name and the process id: what tells workers apart in the broker's list of connections.
fn worker_name() -> String {
    let host = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    format!("{}-{}", host.as_deref().map_or("worker", str::trim), std::process::id())
}

fn read(
    variable: &'static str,
    path: &Path,
    what: &'static str,
    holds: fn(&[u8]) -> bool,
) -> Result<String, TlsFileError> {
    let text = std::fs::read_to_string(path).map_err(|error| TlsFileError::Unreadable {
        variable,
        path: path.to_owned(),
        error,
    })?;
    if holds(text.as_bytes()) { Ok(text) } else { Err(TlsFileError::Lacks { variable, path: path.to_owned(), what }) }
}

fn holds_certificate(pem: &[u8]) -> bool {
    CertificateDer::from_pem_slice(pem).is_ok()
}

fn holds_key(pem: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(pem).is_ok()
}
