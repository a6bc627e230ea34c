//! The stream to a node: TCP, and TLS on top where its URL asks for that.
//!
//! lapin would make it as well, but with its TLS come forty crates, most of them to read PKCS#12, and each costs every
//! user's first build. rustls and its verifier are here anyway, for HTTP.

use std::{io, sync::Arc};

use lapin::uri::{AMQPScheme, AMQPUri};
use rustls::{
    ClientConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::{
    compat::{Compat, TokioAsyncReadCompatExt},
    either::Either,
};

use super::address::Tls;

/// As lapin reads and writes it.
pub(super) type Stream = Compat<Either<TcpStream, TlsStream<TcpStream>>>;

/// A stream without TLS.
pub(super) fn plain(tcp: TcpStream) -> io::Result<Stream> {
    tcp.set_nodelay(true)?;
    Ok(Either::Left(tcp).compat())
}

/// Connects to a node, as its URL says.
pub(super) async fn connect(url: &AMQPUri, tls: &Tls) -> io::Result<Stream> {
    let host = url.authority.host.as_str();
    let tcp = TcpStream::connect((host, url.authority.port)).await?;
    match url.scheme {
        AMQPScheme::AMQP => plain(tcp),
        AMQPScheme::AMQPS => {
            tcp.set_nodelay(true)?;
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            let connector = TlsConnector::from(Arc::new(config(tls).map_err(io::Error::other)?));
            Ok(Either::Right(connector.connect(name, tcp).await?).compat())
        }
    }
}

/// The system's authorities are read here too, so that they are as they are now.
fn config(tls: &Tls) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(default_provider());
    let authorities = tls.ca.as_deref().map_or_else(|| Ok(Vec::new()), certificates)?;
    let verifier = Verifier::new_with_extra_roots(authorities, provider.clone())?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match tls.certificate.as_deref().zip(tls.key.as_deref()) {
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(unreadable)?;
            builder.with_client_auth_cert(certificates(chain)?, key)
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(unreadable)
}

fn unreadable(error: rustls::pki_types::pem::Error) -> rustls::Error {
    rustls::Error::General(error.to_string())
}
