//! The AMQP side's plain settings, made from the sections that operators write.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use secrecy::ExposeSecret;

use super::{BuildError, settings};
use crate::{
    amqp::{
        AmqpAddress, Names, Settings, WorkQueue,
        connection::address::{Access, Broker, Tls},
        objects::declare::TopologyMode,
        settings::{Consume, Consumed, Overload},
    },
    config::types::FilePath,
    renewed::Renewed,
    utf8,
};

/// How often a worker looks whether what leads messages to it is still there.
const UPKEEP: Duration = Duration::from_secs(60);

/// A file for TLS that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    #[error("{variable}: {} {reason}", path.display())]
    Unreadable {
        variable: &'static str,
        path: PathBuf,
        /// In words that follow the path.
        reason: String,
    },
    #[error(
        "{variable}: {} holds no {what} in PEM; it has to begin with -----BEGIN {}-----",
        path.display(),
        what.to_uppercase()
    )]
    Lacks {
        variable: &'static str,
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    #[error(
        "the certificate and the key that CHATBOT_AMQP_TLS_CERT_PATH and CHATBOT_AMQP_TLS_KEY_PATH name don't \
             belong together ({0})"
    )]
    Pair(rustls::Error),
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
        upkeep: UPKEEP,
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

/// The broker that the settings name. Its files are read again at each connect.
///
/// # Errors
/// [`BuildError`] where a file for TLS, or a URL, can't be used.
pub fn broker(amqp: &settings::Amqp) -> Result<Broker, BuildError> {
    let access = access(amqp)?;
    let renewed = amqp.clone();
    Ok(Broker {
        access: Renewed::new(access, move || read_again(&renewed)),
        connect_timeout: amqp.connect_timeout.get(),
        confirm_timeout: amqp.confirm_timeout.get(),
    })
}

/// What the files hold now. A certificate whose key isn't there yet isn't taken: the old pair is good until both are.
fn read_again(amqp: &settings::Amqp) -> Result<Access, String> {
    let access = match &amqp.url_file {
        Some(file) => access(&settings::Amqp { url: file.read()?, ..amqp.clone() }),
        None => access(amqp),
    };
    let access = access.map_err(|error| error.to_string())?;
    if let Some((certificate, key)) = access.tls.certificate.as_ref().zip(access.tls.key.as_ref()) {
        belong_together(certificate, key).map_err(|error| error.to_string())?;
    }
    Ok(access)
}

fn access(amqp: &settings::Amqp) -> Result<Access, BuildError> {
    let nodes = amqp.url.iter().map(|url| AmqpAddress {
        tls: url.tls,
        host: url.host.clone(),
        port: url.port,
        user: url.user.clone(),
        password: url.password.expose_secret().to_owned(),
        vhost: url.vhost.clone(),
        frame_max: url.options.frame_max,
        channel_max: url.options.channel_max,
        heartbeat: url.options.heartbeat.unwrap_or(u16::try_from(amqp.heartbeat.get().as_secs()).unwrap_or(u16::MAX)),
        connection_timeout: url.options.connection_timeout,
        auth_mechanism: url.options.auth_mechanism,
    });
    Ok(Access::new(nodes, tls(amqp)?)?)
}

fn tls(amqp: &settings::Amqp) -> Result<Tls, TlsFileError> {
    let file = |variable, path: &Option<FilePath>, what, holds| {
        path.as_ref().map(|path| read(variable, path.as_path(), what, holds)).transpose()
    };
    Ok(Tls {
        ca: file("CHATBOT_AMQP_TLS_CA_PATH", &amqp.tls_ca_path, "certificate", holds_certificate)?,
        certificate: file("CHATBOT_AMQP_TLS_CERT_PATH", &amqp.tls_cert_path, "certificate", holds_certificate)?,
        key: file("CHATBOT_AMQP_TLS_KEY_PATH", &amqp.tls_key_path, "private key", holds_key)?,
    })
}

fn consume(worker: &settings::Worker) -> Consume {
    use settings::Queues;
    let consumed = worker.queues.iter().map(|queue| match queue {
        Queues::All => None,
        Queues::Requests => Some(Consumed::Work(WorkQueue::Requests)),
        Queues::Intents => Some(Consumed::Intents),
        Queues::Intent(name) => Some(Consumed::Work(WorkQueue::Intent(name.clone()))),
        Queues::Conversations => Some(Consumed::Conversations),
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
    let unreadable = |reason| TlsFileError::Unreadable { variable, path: path.to_owned(), reason };
    let text = utf8::read(path).map_err(unreadable)?;
    if holds(text.as_bytes()) { Ok(text) } else { Err(TlsFileError::Lacks { variable, path: path.to_owned(), what }) }
}

pub(super) fn holds_certificate(pem: &[u8]) -> bool {
    // Every one: of a file that isn't written to its end, the last is cut off.
    certificates(pem).is_ok_and(|certificates| !certificates.is_empty())
}

fn holds_key(pem: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(pem).is_ok()
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

fn belong_together(certificate: &str, key: &str) -> Result<(), TlsFileError> {
    let unreadable = |error| TlsFileError::Pair(rustls::Error::General(format!("{error}")));
    let chain = certificates(certificate.as_bytes()).map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(unreadable)?;
    CertifiedKey::from_der(chain, key, &default_provider()).map(drop).map_err(TlsFileError::Pair)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

    use std::fs;

    use rcgen::generate_simple_self_signed;

    use super::*;
    use crate::config::Variables;

    /// What is read of files with this certificate and this key, at the start and at a later connect.
    fn read_twice(certificate: &[u8], key: &[u8]) -> [Result<(), String>; 2] {
        let folder = std::env::temp_dir().join(format!("tls-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        let [cert_path, key_path] = ["cert.pem", "cert.key"].map(|name| folder.join(name));
        fs::write(&cert_path, certificate).unwrap();
        fs::write(&key_path, key).unwrap();
        let variables: Variables = [("CERT", cert_path), ("KEY", key_path)]
            .map(|(name, path)| (format!("CHATBOT_AMQP_TLS_{name}_PATH"), path.to_str().unwrap().to_owned()))
            .into_iter()
            .collect();
        let amqp = settings::Settings::load(&variables, &|path| fs::read(path)).unwrap().settings.amqp;
        let first = access(&amqp).map(drop).map_err(|error| error.to_string());
        let later = read_again(&amqp).map(drop);
        fs::remove_dir_all(&folder).unwrap();
        [first, later]
    }

    #[test]
    fn a_pair_that_is_half_renewed_or_half_written_is_told_with_its_file() {
        let [(cert, key), (_, other_key)] = [(), ()].map(|()| {
            let made = generate_simple_self_signed(["h".to_owned()]).unwrap();
            (made.cert.pem(), made.signing_key.serialize_pem())
        });
        let check = |certificate: &[u8], key: &[u8], expected: [Option<&str>; 2]| {
            for (found, expected) in read_twice(certificate, key).into_iter().zip(expected) {
                match (&found, expected) {
                    (Ok(()), None) => {}
                    (Err(told), Some(expected)) => assert!(told.contains(expected), "{told}"),
                    _ => panic!("{found:?}, and not {expected:?}"),
                }
            }
        };
        let (cert, key, other_key) = (cert.as_bytes(), key.as_bytes(), other_key.as_bytes());
        let marked = |pem: &[u8]| [b"\xef\xbb\xbf", pem].concat();
        let crlf = |pem: &[u8]| String::from_utf8_lossy(pem).replace('\n', "\r\n").into_bytes();
        check(cert, key, [None, None]);
        check(&marked(cert), &marked(&crlf(key)), [None, None]);
        check(cert, other_key, [None, Some("CHATBOT_AMQP_TLS_KEY_PATH name don't belong together")]);
        let both = |told| [Some(told), Some(told)];
        check(&cert[..cert.len() / 2], key, both("cert.pem holds no certificate in PEM"));
        check(&[cert, &cert[..cert.len() / 2]].concat(), key, both("cert.pem holds no certificate in PEM"));
        check(cert, b"", both("cert.key holds no private key in PEM"));
        check(b"\xff\xfe-\0", key, both("cert.pem is UTF-16 text"));
    }
}
