//! The connection for replies.
//!
//! Whoever sends a request chooses where its reply goes, and on RabbitMQ 3.10 and 4.0 a malformed direct reply-to address
//! closes the connection that publishes to it. Replies are pipelined, so nobody can tell which one it was. Losing this
//! connection therefore doesn't end the session: it is opened again for whatever comes, and the direct replies that were
//! unconfirmed are sent again one at a time on a connection of their own, until the one that breaks that too is known.
//!
//! **Invariant:** only an address that broke a connection when it was alone on it is called bad; and where the broker speaks
//! of an error of its own, only a direct reply-to that did so twice.

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{sync::Mutex, time::sleep};

use super::{
    publisher::{Message, PublishError, Publisher},
    waiting::{Addresses, Waiting},
};
use crate::amqp::{
    connection::{
        address::Broker,
        link::{Fault, Link, Use, reconnected},
    },
    message::reply_to::ReplyTo,
};

/// How long to wait before a refused reply is tried again.
const REFUSED_DELAYS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// How often a connection is opened again for one reply, where no address is known to be at fault.
const REOPENS: usize = 3;

/// How long to wait for a connection's error after that of a publish on it.
const CAUSE_WAIT: Duration = Duration::from_secs(1);
/// How often an address has to break a connection by an error of the broker's own before it is called bad: RabbitMQ 3.10
/// and 4.0 answer a malformed direct reply-to so, but not only that.
const INTERNAL_ERRORS: usize = 2;

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

/// A connection that publishes replies: lapin's, or a test's.
pub trait Line: Send + Sync {
    /// Publishes, and waits for the confirm.
    fn publish(&self, message: Message) -> impl Future<Output = Result<(), PublishError>> + Send;
    /// Whether anything can be published on it.
    fn is_open(&self) -> bool;
    /// Waits for its end, and tells what the broker found wrong with what was sent.
    fn ended(&self) -> impl Future<Output = Option<Fault>> + Send;
    /// Closes it in order.
    fn close(&self, within: Duration) -> impl Future<Output = ()> + Send;
}

/// What opens connections for replies.
pub trait Open: Send + Sync {
    /// What it opens.
    type Line: Line;
    /// Opens one; `quarantine` tells that it is for replies that are sent alone.
    fn open(&self, quarantine: bool) -> impl Future<Output = Result<Self::Line, String>> + Send;
}

/// Opens connections to a broker.
pub struct Dial {
    broker: Broker,
    name: String,
}

/// Publishes replies.
pub struct Replies<O: Open = Dial> {
    dial: O,
    current: RwLock<Arc<O::Line>>,
    reopening: Mutex<()>,
    quarantine: Mutex<Option<O::Line>>,
    /// Addresses that broke a connection.
    bad: Addresses,
    waiting: Arc<Waiting>,
}

impl Replies {
    /// Opens the connection.
    ///
    /// # Errors
    /// A text that says why the broker can't be reached.
    pub async fn open(broker: &Broker, name: &str) -> Result<Self, String> {
        Self::by(Dial { broker: broker.clone(), name: name.to_owned() }).await
    }

    /// Publishes a part of a reply, where that can be done at once; whether it was. Nobody waits for it. It is on the reply's
    /// own channel, and so comes before it. None goes to an address that broke a connection.
    pub fn say(&self, part: Message) -> bool {
        let Some(line) = self.open_line().filter(|_| !self.bad.has(&part.routing_key)) else { return false };
        let (waiting, address) = (self.waiting.clone(), part.routing_key.clone());
        line.publish_unheeded(part, move || waiting.came_back(&address))
    }

    /// Whether surely nobody waits at an address any more.
    pub async fn is_gone(&self, to: &ReplyTo) -> bool {
        match self.open_line() {
            Some(line) => self.waiting.is_gone(line.link(), &to.address).await,
            None => false,
        }
    }
}

impl<O: Open> Replies<O> {
    async fn by(dial: O) -> Result<Self, String> {
        let line = dial.open(false).await?;
        Ok(Self {
            dial,
            current: RwLock::new(Arc::new(line)),
            reopening: Mutex::new(()),
            quarantine: Mutex::new(None),
            bad: Addresses::default(),
            waiting: Arc::default(),
        })
    }

    /// Publishes a reply and waits for the confirm. It is written anew each time that it is tried: a copy to try again with
    /// would be kept of every reply, and hardly one is tried twice. `direct` tells that the address is RabbitMQ's direct
    /// reply-to.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub async fn send(&self, message: impl Fn() -> Message + Sync, direct: bool) -> Result<(), ReplyError> {
        let mut reopens = 0;
        let mut refusals = REFUSED_DELAYS.iter();
        loop {
            let line = match self.open_line() {
                Some(line) => line,
                // Boxed, like all that is rare on a delivery's way: its task is as large as the largest branch.
                None => Box::pin(self.reopened()).await.map_err(ReplyError::Lost)?,
            };
            match line.publish(message()).await {
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
                    return Box::pin(self.send_alone(&message, direct)).await;
                }
                Err(PublishError::Lost(_)) => reopens += 1,
            }
        }
    }

    /// Closes the connections in order.
    pub async fn close(&self, within: Duration) {
        let line = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        line.close(within).await;
        if let Some(line) = self.quarantine.lock().await.take() {
            line.close(within).await;
        }
    }

    /// The connection, as long as it stands.
    fn open_line(&self) -> Option<Arc<O::Line>> {
        let line = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        line.is_open().then_some(line)
    }

    /// The connection, opened again by whoever comes first.
    async fn reopened(&self) -> Result<Arc<O::Line>, String> {
        let _one = self.reopening.lock().await;
        if let Some(line) = self.open_line() {
            return Ok(line);
        }
        let opened = Arc::new(self.dial.open(false).await?);
        reconnected("replies");
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = opened.clone();
        Ok(opened)
    }

    /// Sends one reply with nothing else on the connection.
    async fn send_alone(&self, message: &(impl Fn() -> Message + Sync), direct: bool) -> Result<(), ReplyError> {
        let mut quarantine = self.quarantine.lock().await;
        let (mut failed, mut internal_errors) = (String::new(), 0);
        for _ in 0..=REOPENS {
            let line = match quarantine.take() {
                Some(line) if line.is_open() => line,
                _ => self.dial.open(true).await.map_err(ReplyError::Lost)?,
            };
            match line.publish(message()).await {
                Err(PublishError::Lost(why)) => {
                    // The confirm's error can come before the connection's; the connection's tells whose fault it was.
                    let is_bad = match tokio::time::timeout(CAUSE_WAIT, line.ended()).await {
                        Ok(Some(Fault::Sent)) => true,
                        Ok(Some(Fault::Internal)) if direct => {
                            internal_errors += 1;
                            internal_errors == INTERNAL_ERRORS
                        }
                        _ => false,
                    };
                    if is_bad {
                        self.bad.add(&message().routing_key);
                        return Err(ReplyError::BadAddress(why));
                    }
                    failed = why;
                }
                result => {
                    *quarantine = Some(line);
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

impl Open for Dial {
    type Line = Publisher;

    async fn open(&self, quarantine: bool) -> Result<Publisher, String> {
        let Self { broker, name } = self;
        let name = if quarantine { &format!("{name} (quarantine)") } else { name };
        let link = Link::open(broker, name, Use::Reply).await.map_err(|error| error.to_string())?;
        tokio::time::timeout(broker.connect_timeout, Publisher::open(link, broker.confirm_timeout))
            .await
            .map_err(|_| format!("no channel within {:?}", broker.connect_timeout))?
            .map_err(|error| error.to_string())
    }
}

impl Line for Publisher {
    async fn publish(&self, message: Message) -> Result<(), PublishError> {
        Self::publish(self, message).await
    }

    fn is_open(&self) -> bool {
        Self::is_open(self)
    }

    async fn ended(&self) -> Option<Fault> {
        self.link().ended().await;
        self.link().fault()
    }

    async fn close(&self, within: Duration) {
        self.link().close(within).await;
    }
}
