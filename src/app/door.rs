//! The door's plain settings, made from the sections that operators write.

use std::{io, net::SocketAddr};

use super::{BuildError, broker, settings::Settings};
use crate::{
    amqp::Names,
    door::{
        self, Door,
        keys::{Keys, KeysError},
    },
};

/// Why a door can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorFault {
    /// The broker's address, or the exchange's name, can't be used.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The file of keys can't be used.
    #[error("CHATBOT_DOOR_KEYS_PATH: {0}")]
    Keys(#[from] KeysError),
    /// The address can't be listened on.
    #[error("CHATBOT_DOOR_LISTEN: can't listen on {0}: {1}; choose another address or port with CHATBOT_DOOR_LISTEN")]
    Listen(SocketAddr, io::Error),
}

/// Opens the door of these settings on an address.
///
/// # Errors
/// [`DoorFault`].
pub async fn door(settings: &Settings, address: SocketAddr) -> Result<Door, DoorFault> {
    let section = &settings.door;
    let names = Names::new(settings.amqp.exchange.as_str()).map_err(BuildError::from)?;
    let keys = match &section.keys_path {
        Some(path) => Keys::open(path.as_path())?,
        None => Keys::off(),
    };
    let plain = door::Settings {
        keys: keys.with_origins(section.origins.iter().flat_map(|origins| origins.iter().cloned()).collect()),
        trusted_proxies: section.trusted_proxies.iter().flat_map(|proxies| proxies.iter().copied()).collect(),
        timeout: section.timeout.get(),
        max_body: settings.worker.max_body.get(),
        max_connections: usize::try_from(section.max_connections.get()).unwrap_or(usize::MAX),
        grace: settings.worker.shutdown_grace.get(),
    };
    let broker = broker(&settings.amqp)?;
    Door::bind(address, broker, names, plain).await.map_err(|error| DoorFault::Listen(address, error))
}
