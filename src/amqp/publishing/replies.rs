//! The connection for replies.
//!
//! Whoever sends a request chooses where its reply goes, and on RabbitMQ 3.10 and 4.0 a malformed direct reply-to address
//! closes the connection that publishes to it. Replies are pipelined, so nobody can tell which one it was. Losing this
//! connection therefore doesn't end the session: it is opened again for whatever comes, and the direct replies that were
//! unconfirmed are sent again one at a time on a connection of their own, until the one that breaks that too is known.
//!
//! **Invariant:** only an address that broke a connection when it was alone on it is called bad.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{sync::Mutex, time::sleep};

use super::publisher::{Message, PublishError, Publisher};
use crate::amqp::connection::{
    address::Broker,
    link::{Link, Use, reconnected},
};

/// How long to wait before a refused reply is tried again.
const REFUSED_DELAYS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// How often a connection is opened again for one reply, where no address is known to be at fault.
const REOPENS: usize = 3;

/// How long to wait for a connection's error after that of a publish on it.
const CAUSE_WAIT: Duration = Duration::from_secs(1);

/// Why a reply didn't arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The queue is gone: nobody is there to hear.
    #[error("the reply queue is gone ({0})")]
    Gone(String),
    /// The queue refused it, three times.
    #[error("the reply queue refused the reply {} times; it may be full", REFUSED_DELAYS.len() + 1)]
    Refused,
    /// The queue didn't confirm in time; whether it has the reply isn't known.
    #[error("{0}")]
    Unconfirmed(String),
    /// The address breaks the connection that publishes to it.
    #[error("the broker closes the connection that publishes to this reply_to: {0}")]
    BadAddress(String),
    /// The broker can't be reached.
    #[error("{0}")]
    Lost(String),
}

/// Publishes replies.
pub struct Replies {
    broker: Broker,
    name: String,
    current: RwLock<Arc<Publisher>>,
    reopening: Mutex<()>,
    quarantine: Mutex<Option<Publisher>>,
}

impl Replies {
    /// Opens the connection.
    ///
    /// # Errors
    /// A text that says why the broker can't be reached.
    pub async fn open(broker: &Broker, name: &str) -> Result<Self, String> {
        let publisher = open(broker, name).await?;
        Ok(Self {
            broker: broker.clone(),
            name: name.to_owned(),
            current: RwLock::new(Arc::new(publisher)),
            reopening: Mutex::new(()),
            quarantine: Mutex::new(None),
        })
    }

    /// Publishes a reply and waits for the confirm. `direct` tells that the address is RabbitMQ's direct reply-to.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub async fn send(&self, message: &Message, direct: bool) -> Result<(), ReplyError> {
        let mut reopens = 0;
        let mut refusals = REFUSED_DELAYS.iter();
        loop {
            let publisher = match self.open_publisher() {
                Some(publisher) => publisher,
                // Boxed, like all that is rare on a delivery's way: its task is as large as the largest branch.
                None => Box::pin(self.reopened()).await.map_err(ReplyError::Lost)?,
            };
            match publisher.publish(message).await {
                Ok(()) => return Ok(()),
                Err(PublishError::Returned(why)) => return Err(ReplyError::Gone(why)),
                Err(PublishError::Nacked) => match refusals.next() {
                    Some(delay) => sleep(*delay).await,
                    None => return Err(ReplyError::Refused),
                },
                // A queue of the client's own that doesn't confirm is the client's trouble, not the session's.
                Err(error @ PublishError::Unconfirmed(_)) if !direct => {
                    return Err(ReplyError::Unconfirmed(error.to_string()));
                }
                Err(error @ PublishError::Unconfirmed(_)) => return Err(ReplyError::Lost(error.to_string())),
                // Sent again, alone where its address may be at fault, or where others' are again and again.
                Err(PublishError::Lost(_)) if direct || reopens == REOPENS => {
                    return Box::pin(self.send_alone(message)).await;
                }
                Err(PublishError::Lost(_)) => reopens += 1,
            }
        }
    }

    /// Closes the connections in order.
    pub async fn close(&self, within: Duration) {
        let publisher = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        publisher.link().close(within).await;
        if let Some(publisher) = self.quarantine.lock().await.take() {
            publisher.link().close(within).await;
        }
    }

    /// The connection, as long as it stands.
    fn open_publisher(&self) -> Option<Arc<Publisher>> {
        let publisher = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        publisher.is_open().then_some(publisher)
    }

    /// The connection, opened again by whoever comes first.
    async fn reopened(&self) -> Result<Arc<Publisher>, String> {
        let _one = self.reopening.lock().await;
        if let Some(publisher) = self.open_publisher() {
            return Ok(publisher);
        }
        let opened = Arc::new(open(&self.broker, &self.name).await?);
        reconnected("replies");
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = opened.clone();
        Ok(opened)
    }

    /// Sends one reply with nothing else on the connection.
    async fn send_alone(&self, message: &Message) -> Result<(), ReplyError> {
        let mut quarantine = self.quarantine.lock().await;
        let mut failed = String::new();
        for _ in 0..=REOPENS {
            let publisher = match quarantine.take() {
                Some(publisher) if publisher.is_open() => publisher,
                _ => open(&self.broker, &format!("{} (quarantine)", self.name)).await.map_err(ReplyError::Lost)?,
            };
            match publisher.publish(message).await {
                Err(PublishError::Lost(why)) => {
                    // The confirm's error can come before the connection's; the connection's tells whose fault it was.
                    let _ = tokio::time::timeout(CAUSE_WAIT, publisher.link().ended()).await;
                    if publisher.link().was_at_fault() {
                        return Err(ReplyError::BadAddress(why));
                    }
                    failed = why;
                }
                result => {
                    *quarantine = Some(publisher);
                    return match result {
                        Err(PublishError::Nacked) => Err(ReplyError::Refused),
                        Err(error @ PublishError::Unconfirmed(_)) => Err(ReplyError::Unconfirmed(error.to_string())),
                        Err(PublishError::Returned(why)) => Err(ReplyError::Gone(why)),
                        _ => Ok(()),
                    };
                }
            }
        }
        Err(ReplyError::Lost(failed))
    }
}

async fn open(broker: &Broker, name: &str) -> Result<Publisher, String> {
    let link = Link::open(broker, name, Use::Reply).await.map_err(|error| error.to_string())?;
    tokio::time::timeout(broker.connect_timeout, Publisher::open(link, broker.confirm_timeout))
        .await
        .map_err(|_| format!("no channel within {:?}", broker.connect_timeout))?
        .map_err(|error| error.to_string())
}
