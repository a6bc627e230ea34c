//! Publishing with confirms.
//!
//! **Invariant:** `Ok` means that the broker has confirmed the message and returned nothing.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm, options::BasicPublishOptions, types::ShortString,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{after_others, events, owed::Owed};
use crate::amqp::connection::link::Link;

/// How long a confirm may be late.
const LAST_LOOK: Duration = Duration::from_millis(500);
/// How many messages of whose fate nobody asks may be under way.
const UNHEEDED: usize = 1024;

/// Why a publish wasn't confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker refused it: an answer, not a fault. A full queue does so.
    #[error("the broker refused the message (nack)")]
    Nacked,
    /// No queue takes it; its routing key.
    #[error("no queue takes the routing key '{0}'")]
    Returned(String),
    /// The broker didn't confirm in time: whether it was taken isn't known.
    #[error("the broker didn't confirm the message within {0:?}")]
    Unconfirmed(Duration),
    /// The channel or connection is gone: whether it was taken isn't known.
    #[error("the connection that published was lost: {0}")]
    Lost(String),
}

impl PublishError {
    /// The word that metrics use.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Nacked => "nack",
            Self::Returned(_) => "returned",
            Self::Unconfirmed(_) => "unconfirmed",
            Self::Lost(_) => "lost",
        }
    }
}

/// A message, ready to be published.
#[derive(Debug, Clone)]
pub struct Message {
    /// The exchange; empty for the default exchange.
    pub exchange: ShortString,
    /// The routing key; on the default exchange the queue's name.
    pub routing_key: ShortString,
    /// Whether the broker returns it where no queue takes it.
    pub mandatory: bool,
    /// The properties.
    pub properties: BasicProperties,
    /// The body.
    pub body: Bytes,
}

/// A channel with publisher confirms, on a connection that consumes nothing.
pub struct Publisher {
    link: Link,
    channel: Channel,
    confirm_timeout: Duration,
    /// Held while a publish is handed to lapin, which takes a confirm's number and queues the frames under two locks of
    /// its own: two threads in between would get each other's confirm.
    order: Mutex<()>,
    /// The confirms that nobody waits for any more.
    owed: Owed<PublisherConfirm>,
    /// Places for what nobody asks about.
    unheeded: Arc<Semaphore>,
}

impl Publisher {
    /// Opens a channel with confirms on a connection of its own.
    ///
    /// # Errors
    /// [`PublishError::Lost`].
    pub async fn open(link: Link, confirm_timeout: Duration) -> Result<Self, PublishError> {
        let channel = link.channel().await.map_err(lost)?;
        channel.confirm_select(Default::default()).await.map_err(lost)?;
        Ok(Self {
            link,
            channel,
            confirm_timeout,
            order: Mutex::new(()),
            owed: Owed::default(),
            unheeded: Arc::new(Semaphore::new(UNHEEDED)),
        })
    }

    /// The connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Whether a message can be published at all. One to which too many confirms are owed is as good as closed.
    pub fn is_open(&self) -> bool {
        self.link.is_open() && self.channel.status().connected() && !self.owed.is_full()
    }

    /// Publishes a message and waits for the broker's confirm.
    ///
    /// # Errors
    /// [`PublishError`]. Time in which the broker blocks the connection doesn't count towards the confirm's.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        after_others().await;
        self.publish_in_order(message).await
    }

    /// The same, handed to lapin when this is polled for the first time: so the order of the first polls is the messages'.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish_in_order(&self, message: Message) -> Result<(), PublishError> {
        let started = Instant::now();
        let result = self.confirmed(message).await;
        events::confirmed(result.as_ref().err().map(PublishError::as_str), started.elapsed());
        result
    }

    /// Publishes a message of whose fate nobody asks; `returned` is called where it comes back. It is left out where the
    /// broker blocks the connection, or many such are under way: whether it was published.
    pub fn publish_unheeded(&self, message: Message, returned: impl FnOnce() + Send + 'static) -> bool {
        if !self.is_open() || self.link.is_blocked() {
            return false;
        }
        let Ok(place) = self.unheeded.clone().try_acquire_owned() else { return false };
        let (channel, mended) = (self.channel.clone(), self.link.mended().clone());
        let Message { exchange, routing_key, mandatory, properties, body } = message;
        let mut publish = Box::pin(async move {
            let _place = place;
            let options = BasicPublishOptions { mandatory, immediate: false };
            let returns = mended.returns().counter(exchange.as_str(), routing_key.as_str());
            let before = count(returns);
            // Its confirm is waited for, as lapin would keep it for good.
            let confirm = channel.basic_publish(exchange, routing_key, options, &body, properties).await;
            if let Ok(confirm) = confirm
                && confirm.await.is_ok()
                && mandatory
                && count(returns) > before
            {
                returned();
            }
        });
        let polled = {
            let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            publish.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        if polled.is_pending() {
            tokio::spawn(publish);
        }
        true
    }

    async fn confirmed(&self, message: Message) -> Result<(), PublishError> {
        let Message { exchange, routing_key, mandatory, properties, body } = message;
        // Only what is mandatory can come back.
        let watched = mandatory.then(|| Watched::new(&self.link, &exchange, &routing_key));
        let mut publish = pin!(async move {
            let options = BasicPublishOptions { mandatory, immediate: false };
            let mut publish = pin!(self.channel.basic_publish(exchange, routing_key, options, &body, properties));
            let confirm = poll_fn(|context| {
                let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
                publish.as_mut().poll(context)
            });
            self.owed.wait(confirm.await.map_err(lost)?).await.map_err(lost)
        });
        let confirmation = loop {
            match timeout(self.confirm_timeout, &mut publish).await {
                Ok(confirmation) => break confirmation?,
                // Time in which the broker blocks the connection doesn't count.
                Err(_) if self.link.is_blocked() || self.was_blocked_lately().await => {
                    self.link.unblocked().await;
                    if !self.is_open() {
                        return Err(PublishError::Lost("closed while the broker blocked it".to_owned()));
                    }
                }
                // A process that was paused finds its time over before it has read what came meanwhile.
                Err(_) => match timeout(LAST_LOOK, &mut publish).await {
                    Ok(confirmation) => break confirmation?,
                    Err(_) => return Err(PublishError::Unconfirmed(self.confirm_timeout)),
                },
            }
        };
        match confirmation {
            // Which message lapin says was returned is not to be relied on; see `Returns`.
            Confirmation::Ack(_) => match watched.filter(Watched::came_back) {
                Some(watched) => Err(PublishError::Returned(watched.routing_key.to_string())),
                None => Ok(()),
            },
            Confirmation::Nack(_) => Err(PublishError::Nacked),
            Confirmation::NotRequested => Err(PublishError::Lost("the channel confirms nothing".to_owned())),
        }
    }

    async fn was_blocked_lately(&self) -> bool {
        !self.link.is_blocked()
            && self.link.unblocked().await.is_some_and(|since| since.elapsed() < self.confirm_timeout)
    }
}

/// Whether a message comes back, as far as its address tells.
struct Watched<'a> {
    returns: Option<&'a AtomicUsize>,
    before: usize,
    routing_key: ShortString,
}

impl<'a> Watched<'a> {
    fn new(link: &'a Link, exchange: &ShortString, routing_key: &ShortString) -> Self {
        let returns = link.returns(exchange.as_str(), routing_key.as_str());
        Self { returns, before: count(returns), routing_key: routing_key.clone() }
    }

    fn came_back(&self) -> bool {
        count(self.returns) > self.before
    }
}

fn count(returns: Option<&AtomicUsize>) -> usize {
    returns.map_or(0, |returns| returns.load(Ordering::Acquire))
}

fn lost(error: lapin::Error) -> PublishError {
    PublishError::Lost(error.to_string())
}
