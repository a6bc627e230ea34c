//! One connection to the broker, and what is known of it: open, blocked, or why it ended.
//!
//! **Invariant:** lapin's own recovery stays off; a connection that ended is never used again.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures_util::{AsyncRead, AsyncWrite, Stream, StreamExt};
use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, ErrorKind, Event,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
    uri::AMQPUri,
};
use tokio::{net::TcpStream, sync::watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    address::{Access, Broker, Tls},
    blocking::{self, Blocking},
    error::ConnectError,
    server::Server,
    stream::{self, Stream as BrokerStream},
    wire::{Guard, Mended},
};

#[derive(Debug, Clone)]
struct State {
    /// Why the broker blocks it, in its words; none where it doesn't.
    blocked: Option<Arc<str>>,
    unblocked_at: Option<Instant>,
    ended: Option<Arc<str>>,
    fault: Option<Fault>,
}

/// Why the broker closed a connection because of what was sent on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// INTERNAL_ERROR: what was sent may have broken something in the broker, or something else has.
    Internal,
    /// Anything else that AMQP calls a hard error.
    Sent,
}

/// What a connection is for, which tells the largest frame that it has to carry. lapin keeps 64 frames' worth of memory
/// for each connection, touched at once: at RabbitMQ's 128 KiB that would be 8 MiB each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Deliveries come in, with a content header as large as the broker let a client send.
    Consume,
    /// Messages with a client's headers go out, and a content header has to fit into a frame.
    Forward,
    /// Replies go out: their headers are ours, and small.
    Reply,
    /// A command of the command line, in a process that doesn't stay.
    Command,
}

impl Use {
    fn frame_max(self) -> u32 {
        match self {
            // RabbitMQ's own, which is all that a client can have sent.
            Self::Consume => 128 * 1024,
            // The most that is passed on of a client's headers, twice.
            Self::Forward => 64 * 1024,
            Self::Reply | Self::Command => 16 * 1024,
        }
    }
}

/// A connection to the broker.
pub struct Link {
    connection: Connection,
    purpose: Use,
    step_limit: Duration,
    state: watch::Receiver<State>,
    mended: Arc<Mended>,
    _events: AbortOnDropHandle<()>,
}

type GuardedStream = Guard<BrokerStream>;

/// Tokio's reactor, for streams that pass the [`Guard`].
#[derive(Debug, Clone)]
struct GuardedTokio {
    tokio: Tokio,
    mended: Arc<Mended>,
}

impl Reactor for GuardedTokio {
    type TcpStream = GuardedStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// lapin makes its streams with the closure given to `Connection::connector`, and registers none.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<GuardedStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.tokio.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let mended = self.mended.clone();
        async move { Ok(Guard::new(stream::plain(TcpStream::connect(address).await?)?, mended)) }
    }
}

impl Link {
    /// Connects to one of the broker's nodes, in random order.
    ///
    /// # Errors
    /// The last node's [`ConnectError`], but a refusal wins over a node that is away.
    pub async fn open(broker: &Broker, name: &str, purpose: Use) -> Result<Self, ConnectError> {
        let Access { urls, tls } = broker.access.now(broker.connect_timeout).await;
        let tls = Arc::new(tls);
        let mut order: Vec<&AMQPUri> = urls.iter().collect();
        shuffle(&mut order);
        let mut failed = None;
        for url in order {
            let limit = url.query.connection_timeout.map_or(broker.connect_timeout, Duration::from_millis);
            let attempt = tokio::time::timeout(limit, connect(url, &tls, broker.connect_timeout, name, purpose));
            let error = match attempt.await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => ConnectError::of(url, &error),
                Err(_) => ConnectError::timeout(url, limit),
            };
            if failed.is_none() || !matches!(error, ConnectError::Unreachable(_)) {
                failed = Some(error);
            }
        }
        Err(failed.unwrap_or_else(ConnectError::no_node))
    }

    /// Opens a channel.
    ///
    /// # Errors
    /// lapin's, where the connection is gone.
    pub async fn channel(&self) -> Result<Channel, lapin::Error> {
        self.connection.create_channel().await
    }

    /// How long one step, such as a declaration, may take: a node that is cut off from its cluster can leave one hanging.
    pub fn step_limit(&self) -> Duration {
        self.step_limit
    }

    /// What was mended of deliveries on this connection.
    pub(crate) fn mended(&self) -> &Arc<Mended> {
        &self.mended
    }

    /// How the broker introduced itself; none where it didn't in a form that can be read.
    pub fn server(&self) -> Option<Server> {
        Server::read(self.mended.start()?)
    }

    /// Counts the messages that were published on this connection to an address and came back.
    pub(crate) fn returns(&self, exchange: &str, routing_key: &str) -> Option<&AtomicUsize> {
        self.mended.returns().counter(exchange, routing_key)
    }

    /// Whether the broker blocks this connection now.
    pub fn is_blocked(&self) -> bool {
        self.state.borrow().blocked.is_some()
    }

    /// Why the broker blocks this connection now, in its words.
    pub fn blocked_by(&self) -> Option<Arc<str>> {
        self.state.borrow().blocked.clone()
    }

    /// Whether what is asked on it waits while the broker blocks it. A worker has the time; who runs a command is told.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.purpose != Use::Command
    }

    /// Waits until the broker blocks the connection, and tells why, in its words; for ever where the connection ends.
    pub async fn blocked(&self) -> Arc<str> {
        let mut state = self.state.clone();
        let blocked = state.wait_for(|state| state.blocked.is_some()).await.map(|state| state.blocked.clone());
        match blocked {
            Ok(Some(reason)) => reason,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Whether the connection still stands.
    pub fn is_open(&self) -> bool {
        self.state.borrow().ended.is_none()
    }

    /// What the broker found wrong with what was sent when it closed the connection; none where that was an operator's hand,
    /// or it went away.
    pub fn fault(&self) -> Option<Fault> {
        self.state.borrow().fault
    }

    /// Waits until the broker doesn't block the connection, and tells since when it doesn't; at once where the
    /// connection has ended.
    pub async fn unblocked(&self) -> Option<Instant> {
        let mut state = self.state.clone();
        match state.wait_for(|state| state.blocked.is_none() || state.ended.is_some()).await {
            Ok(state) => state.unblocked_at,
            Err(_) => None,
        }
    }

    /// Waits until the connection has ended, and tells why.
    pub async fn ended(&self) -> Arc<str> {
        let mut state = self.state.clone();
        let ended = state.wait_for(|state| state.ended.is_some()).await;
        ended.ok().and_then(|state| state.ended.clone()).unwrap_or_else(|| "closed".into())
    }

    /// Closes the connection in order; a connection that is gone is fine.
    pub async fn close(&self, within: Duration) {
        if let Ok(reason) = lapin::types::ShortString::try_new("the worker stops") {
            // One that ends meanwhile may never answer.
            tokio::select! {
                _ = tokio::time::timeout(within, self.connection.close(200, reason)) => {}
                _ = self.ended() => {}
            }
        }
    }
}

/// A connection was opened again.
pub(crate) fn reconnected(connection: &'static str) {
    metrics::counter!("chatbot_reconnects_total", "connection" => connection).increment(1);
    tracing::info!(connection, "connected again");
}

async fn connect(
    url: &AMQPUri,
    tls: &Arc<Tls>,
    step_limit: Duration,
    name: &str,
    purpose: Use,
) -> Result<Link, lapin::Error> {
    let mut url = url.clone();
    // A URL may ask for more, but not for less than what has to pass; 0 leaves it to the broker.
    let least = purpose.frame_max();
    url.query.frame_max =
        Some(url.query.frame_max.map_or(least, |asked| if asked == 0 { 0 } else { asked.max(least) }));
    let mended = Arc::new(Mended::default());
    let tokio = Tokio::current();
    let reactor = GuardedTokio { tokio: tokio.clone(), mended: mended.clone() };
    let runtime = Runtime::new(RuntimeParts::new(tokio, reactor));
    let (tls, seen) = (tls.clone(), mended.clone());
    let connection = Connection::connector(
        url,
        runtime,
        async move |url, _| Ok(AsyncTcpStream::Plain(Guard::new(stream::connect(&url, &tls).await?, seen.clone()))),
        ConnectionProperties::default().with_connection_name(name.into()),
    )
    .await?;
    blocking::count();
    let (sender, state) = watch::channel(State { blocked: None, unblocked_at: None, ended: None, fault: None });
    let events = connection.events_listener();
    let status = connection.status().clone();
    let listener = tokio::spawn(listen(name.to_owned(), events, sender, move || status.connected()));
    Ok(Link { connection, purpose, step_limit, state, mended, _events: AbortOnDropHandle::new(listener) })
}

async fn listen(
    connection: String,
    events: impl Stream<Item = Event>,
    state: watch::Sender<State>,
    stands: impl Fn() -> bool,
) {
    let mut events = std::pin::pin!(events);
    let mut blocking = None;
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(
                    connection,
                    reason,
                    "the broker blocks publishing on this connection; what it publishes waits until the broker has room again"
                );
                blocking.get_or_insert_with(Blocking::begin);
                state.send_modify(|state| state.blocked = Some(reason.into()));
            }
            Event::ConnectionUnblocked => {
                tracing::info!(connection, "the broker lets publish on this connection again");
                blocking = None;
                state.send_modify(|state| (state.blocked, state.unblocked_at) = (None, Some(Instant::now())));
            }
            // It closed a channel, and whoever uses that hears of it there: a right that is lacking for one object is no
            // reason to give up the connection.
            Event::Error(error) if soft_error(&error).is_some() && stands() => {}
            Event::Error(error) => {
                blocking = None;
                state.send_modify(|state| {
                    state.fault = state.fault.or(fault_of(&error));
                    state.ended.get_or_insert_with(|| error.to_string().into());
                });
            }
            _ => {}
        }
    }
    state.send_modify(|state| {
        state.ended.get_or_insert_with(|| "closed".into());
    });
}

/// What a broker that closes a connection finds wrong with what was sent. CONNECTION_FORCED is an operator or a shutdown.
fn fault_of(error: &lapin::Error) -> Option<Fault> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    match error.kind() {
        AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) | AMQPErrorKind::Soft(_) => None,
        AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR) => Some(Fault::Internal),
        AMQPErrorKind::Hard(_) => Some(Fault::Sent),
    }
}

/// That the broker refused one thing, which closes a channel, and why.
pub(crate) fn soft_error(error: &lapin::Error) -> Option<(&AMQPSoftError, &str)> {
    let ErrorKind::ProtocolError(refused) = error.kind() else { return None };
    match refused.kind() {
        AMQPErrorKind::Soft(soft) => Some((soft, refused.get_message().as_str())),
        AMQPErrorKind::Hard(_) => None,
    }
}

/// Fisher–Yates. Only the order in which nodes are tried hangs on it, so the hasher's seed is random enough.
fn shuffle<T>(items: &mut [T]) {
    use std::hash::{BuildHasher, RandomState};
    for last in (1..items.len()).rev() {
        let random = usize::try_from(RandomState::new().hash_one(last)).unwrap_or(0);
        items.swap(last, random % (last + 1));
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPSoftError};

    use super::*;

    #[tokio::test]
    async fn a_connection_is_blocked_with_the_brokers_reason_until_the_broker_says_otherwise() {
        async fn after(events: impl IntoIterator<Item = Event>) -> State {
            let (sender, state) = watch::channel(State { blocked: None, unblocked_at: None, ended: None, fault: None });
            let events = futures_util::stream::iter(events).chain(futures_util::stream::pending());
            let _ = tokio::time::timeout(Duration::ZERO, listen("test".to_owned(), events, sender, || true)).await;
            state.borrow().clone()
        }
        let blocked = || Event::ConnectionBlocked("low on memory".to_owned());
        assert_eq!(after([blocked()]).await.blocked.as_deref(), Some("low on memory"));
        let more = Event::ConnectionBlocked("low on memory & disk".to_owned());
        assert_eq!(after([blocked(), more]).await.blocked.as_deref(), Some("low on memory & disk"));
        let unblocked = after([blocked(), Event::ConnectionUnblocked]).await;
        assert!(unblocked.blocked.is_none() && unblocked.unblocked_at.is_some(), "{unblocked:?}");
    }

    #[tokio::test]
    async fn what_closes_a_channel_alone_does_not_end_the_connection() {
        async fn check(kind: AMQPErrorKind, stands: bool, ended: bool) {
            let error = ErrorKind::ProtocolError(AMQPError::new(kind, "why".into())).into();
            let (sender, state) = watch::channel(State { blocked: None, unblocked_at: None, ended: None, fault: None });
            let events = futures_util::stream::iter([Event::Error(error)]).chain(futures_util::stream::pending());
            let _ = tokio::time::timeout(Duration::ZERO, listen("test".to_owned(), events, sender, || stands)).await;
            assert_eq!(state.borrow().ended.is_some(), ended);
        }
        check(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED), true, false).await;
        check(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED), false, true).await;
        check(AMQPErrorKind::Hard(AMQPHardError::FRAMEERROR), true, true).await;
    }
}
