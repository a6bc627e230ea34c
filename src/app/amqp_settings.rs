//! The AMQP side's plain settings, made from the sections that operators write.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::{BuildError, settings};
use crate::amqp::{
    AmqpAddress, Names, Settings, WorkQueue,
    settings::{Broker, Consume, Consumed, Tls, TopologyMode},
};

/// A file for TLS that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {} can't be read: {error}", path.display())]
pub struct TlsFileError {
    variable: &'static str,
    path: PathBuf,
    error: std::io::Error,
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
    let file = |variable, path: &Option<crate::config::types::FilePath>| {
        path.as_ref().map(|path| read(variable, path.as_path())).transpose()
    };
    let tls = Tls {
        ca: file("CHATBOT_AMQP_TLS_CA_PATH", &amqp.tls_ca_path)?,
        certificate: file("CHATBOT_AMQP_TLS_CERT_PATH", &amqp.tls_cert_path)?,
        key: file("CHATBOT_AMQP_TLS_KEY_PATH", &amqp.tls_key_path)?,
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

fn read(variable: &'static str, path: &Path) -> Result<String, TlsFileError> {
    std::fs::read_to_string(path).map_err(|error| TlsFileError { variable, path: path.to_owned(), error })
}
