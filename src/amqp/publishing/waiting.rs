//! Whether anybody still waits at an address for replies: asked by a passive declaration, which is answered for a direct
//! reply-to as well (tried on RabbitMQ 3.10 to 4.3).
//!
//! **Invariant:** only the broker's word that there is no such queue means that nobody waits. An address of which it may
//! not be asked is known as such, and isn't asked again.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use lapin::{
    Channel,
    options::QueueDeclareOptions,
    protocol::AMQPSoftError,
    types::{FieldTable, ShortString},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::amqp::connection::link::{Link, soft_error};

/// How many are asked at a time, each on a channel of its own, as a no closes it.
const AT_A_TIME: usize = 16;
/// How many addresses are remembered.
const MOST: usize = 1_000;

/// Some addresses, no more than [`MOST`].
#[derive(Default)]
pub(super) struct Addresses(Mutex<HashSet<ShortString>>);

impl Addresses {
    pub(super) fn has(&self, address: &ShortString) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(address)
    }

    fn take(&self, address: &ShortString) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(address)
    }

    /// Adds one. Where there are too many, all are forgotten, and found again.
    pub(super) fn add(&self, address: &ShortString) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(address.clone());
    }
}

/// Asks whether anybody still waits.
pub(super) struct Waiting {
    places: Semaphore,
    /// Channels that were used and stand.
    idle: Mutex<Vec<Channel>>,
    cannot_be_asked: Addresses,
    /// Where something was published to, and came back.
    came_back: Addresses,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            places: Semaphore::new(AT_A_TIME),
            idle: Mutex::default(),
            cannot_be_asked: Addresses::default(),
            came_back: Addresses::default(),
        }
    }
}

impl Waiting {
    /// Something that was published to an address came back: it may be asked, if it mayn't else.
    pub(super) fn came_back(&self, address: &ShortString) {
        self.came_back.add(address);
    }

    /// Whether surely nobody waits at an address. What the broker doesn't answer in time isn't known.
    pub(super) async fn is_gone(&self, link: &Link, address: &ShortString) -> bool {
        // Another's exclusive queue is refused as long as it is there, and each refusal is a line in the broker's log.
        if self.cannot_be_asked.has(address) && !self.came_back.take(address) {
            return false;
        }
        let asked = async {
            let _place = self.places.acquire().await.ok()?;
            let channel = match self.idle() {
                Some(channel) => channel,
                None => link.channel().await.ok()?,
            };
            let options = QueueDeclareOptions { passive: true, ..Default::default() };
            match channel.queue_declare(address.clone(), options, FieldTable::default()).await {
                Ok(_) => self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel),
                Err(error) => return soft_error(&error).map(|(why, _)| why.clone()),
            }
            None
        };
        match timeout(link.step_limit(), asked).await {
            Ok(Some(AMQPSoftError::NOTFOUND)) => true,
            Ok(Some(AMQPSoftError::RESOURCELOCKED | AMQPSoftError::ACCESSREFUSED)) => {
                self.cannot_be_asked.add(address);
                false
            }
            _ => false,
        }
    }

    /// A channel that stands: those of a connection that was lost don't.
    fn idle(&self) -> Option<Channel> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|channel| channel.status().connected())
    }
}
