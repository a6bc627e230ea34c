//! A connection to Redis that is kept: made anew when it is lost, by one task.
//!
//! While there is none, nobody connects but that task, so a Redis that is away is asked by it alone. A command that isn't
//! answered in time ends the connection too, and a new one counts only when Redis has answered a `PING` on it in the same
//! time: one that is too slow is one that is away.
//!
//! This is not `redis::aio::ConnectionManager`, which keeps the connection when commands time out on it, lets commands
//! wait while it connects, and never tries again after an error that isn't the network's (a wrong password).
//!
//! **Invariant:** a command takes no longer than [`Manner::limit`].

mod failed;
#[cfg(test)]
mod tests;
mod told;
mod wire;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use metrics::counter;
use redis::{Arg, AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

pub use self::failed::Failed;
use self::told::Told;
use crate::renewed::Renewed;

/// How long connecting may take, TLS included. No command waits longer than its own limit for it.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The longest pause between two tries to connect; with its jitter, twice that.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// A connection that lived so long was a good one: the next pause is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(5);

/// A URL that isn't Redis's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} can't be used: write redis://USER:PASSWORD@HOST:6379/0, or rediss:// for TLS")]
pub struct InvalidRedisUrl(&'static str);

/// Where a Redis is, with its password.
#[derive(Clone)]
pub struct RedisUrl(pub SecretString);

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// What a Redis is used for, and how.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// The setting that names it, as a variable.
    pub variable: &'static str,
    /// The metric's word for what it is used for.
    pub used_for: &'static str,
    /// How long a command may take.
    pub limit: Duration,
    /// Whether a command waits, within its limit, for a connection; else it is skipped where there is none.
    pub waits: bool,
    /// What it means for answers that it can't be used.
    pub away: &'static str,
    /// What it means that it can be used again.
    pub back: &'static str,
}

/// A connection that is kept.
pub struct Link {
    shared: Arc<Shared>,
    _keeper: AbortOnDropHandle<()>,
}

struct Shared {
    manner: Manner,
    url: Renewed<RedisUrl>,
    current: watch::Sender<Option<Connected>>,
    lost: Notify,
    connections: AtomicU64,
    /// Where it was last looked for, as `HOST:PORT/DB`.
    address: Mutex<Arc<str>>,
    /// Why connecting failed last, while there is no connection.
    why: Mutex<Option<Arc<str>>>,
    told: Told,
}

#[derive(Clone)]
struct Connected {
    number: u64,
    connection: MultiplexedConnection,
}

/// Connects as a worker does, and tells how long a `PING` took.
///
/// # Errors
/// [`Failed`]: a worker couldn't use it.
pub async fn probe(url: &str, limit: Duration) -> Result<Duration, Failed> {
    opened(&Client::open(url)?, limit).await.map(|(_, took)| took)
}

impl Link {
    /// Starts to connect, and goes on without waiting for it. To be called in a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`].
    pub fn start(url: Renewed<RedisUrl>, manner: Manner) -> Result<Self, InvalidRedisUrl> {
        let client = Client::open(url.last().0.expose_secret()).map_err(|_| InvalidRedisUrl(manner.variable))?;
        let shared = Arc::new(Shared::new(url, manner, &client));
        let keeper = AbortOnDropHandle::new(tokio::spawn(keep(shared.clone())));
        Ok(Self { shared, _keeper: keeper })
    }

    /// Whether Redis can be asked now.
    pub fn is_connected(&self) -> bool {
        self.shared.current.borrow().is_some()
    }

    /// Redis's answer to a command.
    ///
    /// # Errors
    /// [`Failed`]; counted, and told where it is the first.
    pub async fn command<T: FromRedisValue>(&self, operation: &'static str, command: &Cmd) -> Result<T, Failed> {
        let answer = self.question(operation, command).await;
        match &answer {
            Ok(_) => {
                self.shared.works();
                self.shared.carries_out(operation);
            }
            Err(Failed::Away(_)) => {}
            // Other commands may work beside it: it is neither away nor back.
            Err(error) if error.is_a_refusal() => self.shared.refuses(operation, command, error),
            Err(error) => self.shared.fails(error),
        }
        answer
    }

    /// The same for what Redis may refuse, without being of no use for that: it is counted, and not told.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn question<T: FromRedisValue>(&self, operation: &'static str, command: &Cmd) -> Result<T, Failed> {
        let shared = &self.shared;
        let until = Instant::now() + shared.manner.limit;
        let Some(Connected { number, mut connection }) = shared.connected(until).await else {
            shared.count(operation, "away");
            return Err(Failed::Away(shared.why().clone()));
        };
        let answer = match timeout_at(until, command.query_async(&mut connection)).await {
            Ok(answer) => answer.map_err(Failed::Redis),
            Err(_) => Err(Failed::TooSlow("answer", shared.manner.limit)),
        };
        shared.count(operation, if answer.is_ok() { "ok" } else { "error" });
        // An error that Redis itself gave, such as for want of memory, is no reason to connect anew.
        if answer.as_ref().is_err_and(|error| !error.is_an_answer()) {
            shared.lose(number);
        }
        answer
    }

    /// Waits until there is a connection, or none.
    pub async fn until(&self, connected: bool) {
        // The sender lives as long as this does.
        let _ = self.shared.current.subscribe().wait_for(|current| current.is_some() == connected).await;
    }

    /// Counts what came of an operation beside its command.
    pub fn count(&self, operation: &'static str, result: &'static str) {
        self.shared.count(operation, result);
    }
}

impl Shared {
    fn new(url: Renewed<RedisUrl>, manner: Manner, client: &Client) -> Self {
        Self {
            manner,
            url,
            current: watch::Sender::new(None),
            lost: Notify::new(),
            connections: AtomicU64::new(0),
            address: Mutex::new(address(client)),
            why: Mutex::default(),
            told: Told::default(),
        }
    }

    fn why(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> MutexGuard<'_, Arc<str>> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connected(&self, until: Instant) -> Option<Connected> {
        let current = self.current.borrow().clone();
        if current.is_some() || !self.manner.waits {
            return current;
        }
        let mut watching = self.current.subscribe();
        let found = timeout_at(until, watching.wait_for(Option::is_some)).await;
        found.ok()?.ok()?.clone()
    }

    /// Gives up a connection, unless it has been already.
    fn lose(&self, number: u64) {
        let lost = self.current.send_if_modified(|current| {
            let is_it = current.as_ref().is_some_and(|connected| connected.number == number);
            if is_it {
                *current = None;
            }
            is_it
        });
        if lost {
            self.lost.notify_one();
        }
    }

    async fn connect(&self) -> Result<(), Failed> {
        // The password may be another one by now, and the system's CAs are read by each connect.
        let url = self.url.now(CONNECT_LIMIT).await;
        let client = Client::open(url.0.expose_secret())?;
        *self.address() = address(&client);
        let (connection, _) = opened(&client, self.manner.limit).await?;
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        self.current.send_replace(Some(Connected { number, connection }));
        Ok(())
    }

    /// Says so when Redis stops working, and when it is for another cause that it doesn't.
    fn fails(&self, error: &Failed) {
        if self.told.fails(&error.cause()) {
            let Manner { variable, away, .. } = self.manner;
            let mend = error.mend().map(|mend| format!("{mend}; ")).unwrap_or_default();
            tracing::warn!(%error, address = %self.address(), setting = variable, "Redis can't be used; {mend}{away}");
        }
    }

    /// Says so when Redis refuses a command, and not again for a while.
    fn refuses(&self, operation: &'static str, command: &Cmd, error: &Failed) {
        if self.told.refuses(operation, &error.cause()) {
            let mend = error.mend().unwrap_or("its log may tell more");
            let Manner { variable, away, .. } = self.manner;
            tracing::warn!(
                %error, command = name(command), address = %self.address(), setting = variable,
                "Redis refuses a command: {mend}; {away}"
            );
        }
    }

    fn works(&self) {
        if let Some(away) = self.told.works() {
            let Manner { variable, back, .. } = self.manner;
            let seconds = away.as_secs_f64();
            tracing::info!(
                address = %self.address(), setting = variable,
                "Redis can be used again, after {seconds:.1} s; {back}"
            );
        }
    }

    fn carries_out(&self, operation: &'static str) {
        if let Some(refused) = self.told.carries_out(operation) {
            let Manner { variable, back, .. } = self.manner;
            let seconds = refused.as_secs_f64();
            tracing::info!(
                operation, address = %self.address(), setting = variable,
                "Redis carries out what it refused, after {seconds:.1} s; {back}"
            );
        }
    }

    fn count(&self, operation: &'static str, result: &'static str) {
        let used_for = self.manner.used_for;
        counter!("chatbot_redis_total", "use" => used_for, "operation" => operation, "result" => result).increment(1);
    }
}

/// `HOST:PORT/DB`: not the user's name, nor the password.
fn address(client: &Client) -> Arc<str> {
    let asked = client.get_connection_info();
    let server = match asked.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => {
            format!("[{host}]:{port}")
        }
        other => other.to_string(),
    };
    format!("{server}/{}", asked.redis_settings().db()).into()
}

/// A command's own word.
fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    }
}

/// A connection on which a `PING` was answered, and how long that took.
async fn opened(client: &Client, limit: Duration) -> Result<(MultiplexedConnection, Duration), Failed> {
    let opening = async {
        let mut connection = connection(client).await?;
        let took = ping(&mut connection, limit).await?;
        Ok::<_, Failed>((connection, took))
    };
    match opening.await {
        Err(error) if error.may_be_mismatch() => {
            Err(wire::mismatch(client.get_connection_info().addr()).await.unwrap_or(error))
        }
        opened => opened,
    }
}

async fn connection(client: &Client) -> Result<MultiplexedConnection, Failed> {
    // Each step has its own limit here.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    Ok(timeout(CONNECT_LIMIT, connecting).await.map_err(|_| Failed::TooSlow("connect", CONNECT_LIMIT))??)
}

async fn ping(connection: &mut MultiplexedConnection, limit: Duration) -> Result<Duration, Failed> {
    let asked = Instant::now();
    let answer = timeout(limit, Cmd::new().arg("PING").query_async::<()>(connection)).await;
    answer.map_err(|_| Failed::TooSlow("answer", limit))??;
    Ok(asked.elapsed())
}

/// Keeps a connection, for ever.
async fn keep(link: Arc<Shared>) {
    let mut pauses = pauses();
    loop {
        let since = Instant::now();
        match link.connect().await {
            Ok(()) => {
                link.count("connect", "ok");
                *link.why() = None;
                link.works();
                link.lost.notified().await;
                if since.elapsed() > GOOD_CONNECTION {
                    pauses = self::pauses();
                }
            }
            Err(error) => {
                link.count("connect", "error");
                *link.why() = Some(error.to_string().into());
                link.fails(&error);
            }
        }
        sleep(pauses.next().unwrap_or(MAX_PAUSE)).await;
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(MAX_PAUSE)
        .without_max_times()
        .build()
}
