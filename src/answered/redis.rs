//! Answers shared through Redis.
//!
//! A task keeps one connection and makes it anew when it is lost. While there is none, nobody waits for Redis: a command
//! is skipped at once, so a Redis that is away is asked by that task alone, and not by every request. A command that
//! isn't answered in time ends the connection too, and a new one counts only when Redis has answered a `PING` on it in
//! the same time: one that is too slow is one that is away.
//!
//! This is not `redis::aio::ConnectionManager`, which keeps the connection when commands time out on it, lets commands
//! wait while it connects, and never tries again after an error that isn't the network's (a wrong password).
//!
//! **Invariant:** a request waits no longer than [`COMMAND_LIMIT`] for each of its two commands.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use metrics::counter;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::SharedAnswers;
use crate::{
    domain::{
        Key, Reply,
        codec::{Answered, decode_reply, encode_reply},
    },
    renewed::Renewed,
};

/// How long one command may take: there are two to a request at most, one before its work and one after.
pub(super) const COMMAND_LIMIT: Duration = Duration::from_millis(25);
/// How long connecting may take, TLS included. No request waits for it.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The longest pause between two tries to connect; with its jitter, twice that.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// A connection that lived so long was a good one: the next pause is short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(5);
/// The form in which answers are stored. Another one has another number, so that workers of two versions get along.
const FORM: u32 = 1;

/// A URL that isn't Redis's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CHATBOT_ANSWERED_REDIS_URL can't be used: write redis://USER:PASSWORD@HOST:6379/0, or rediss:// for TLS")]
pub struct InvalidRedisUrl;

/// Where a Redis is, with its password.
#[derive(Clone)]
pub struct RedisUrl(pub SecretString);

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

pub struct RedisAnswers {
    link: Arc<Link>,
    prefix: String,
    age: Duration,
    _keeper: AbortOnDropHandle<()>,
}

struct Link {
    url: Renewed<RedisUrl>,
    current: RwLock<Option<Connected>>,
    lost: Notify,
    connections: AtomicU64,
    away: AtomicBool,
}

#[derive(Clone)]
struct Connected {
    number: u64,
    connection: MultiplexedConnection,
}

/// Why a command wasn't carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A connection or an answer took too long.
    #[error("it didn't {0} within {1:?}")]
    TooSlow(&'static str, Duration),
    /// The network's error, or Redis's own.
    #[error("{0}")]
    Redis(#[from] RedisError),
}

/// Connects as a worker does, and tells how long a `PING` took.
///
/// # Errors
/// [`Failed`]: a worker couldn't share its answers.
pub async fn probe(url: &str) -> Result<Duration, Failed> {
    let mut connection = connection(&Client::open(url)?).await?;
    ping(&mut connection).await
}

impl RedisAnswers {
    /// Starts to connect, and goes on without waiting for it. Answers are kept for `age`, under keys that begin with
    /// `prefix`. To be called in a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`].
    pub fn start(url: Renewed<RedisUrl>, prefix: &str, age: Duration) -> Result<Self, InvalidRedisUrl> {
        Client::open(url.last().0.expose_secret()).map_err(|_| InvalidRedisUrl)?;
        let link = Arc::new(Link {
            url,
            current: RwLock::default(),
            lost: Notify::new(),
            connections: AtomicU64::new(0),
            away: AtomicBool::new(false),
        });
        let keeper = AbortOnDropHandle::new(tokio::spawn(keep(link.clone())));
        Ok(Self { link, prefix: format!("{prefix}:answered:{FORM}:"), age, _keeper: keeper })
    }

    /// Whether Redis can be asked now.
    pub fn is_connected(&self) -> bool {
        self.link.connected().is_some()
    }

    fn key(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }
}

#[async_trait]
impl SharedAnswers for RedisAnswers {
    async fn get(&self, key: &Key) -> Option<Reply> {
        let found: Option<Option<Vec<u8>>> = self.link.command("get", Cmd::new().arg("GET").arg(self.key(key))).await;
        let found = found.flatten()?;
        match decode_reply(&found) {
            Ok(Answered::Reply(reply)) => Some(*reply),
            // Somebody else's value: as good as none.
            Ok(Answered::Error(_)) | Err(_) => {
                count("get", "unreadable");
                None
            }
        }
    }

    async fn put(&self, key: &Key, reply: &Reply) {
        let age = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        let mut set = Cmd::new();
        set.arg("SET").arg(self.key(key)).arg(encode_reply(reply)).arg("PX").arg(age);
        let _: Option<()> = self.link.command("put", &set).await;
    }
}

impl Link {
    /// Redis's answer to a command. There is none if it can't be asked, or doesn't answer in time.
    async fn command<T: FromRedisValue>(&self, operation: &'static str, command: &Cmd) -> Option<T> {
        let Some(Connected { number, mut connection }) = self.connected() else {
            count(operation, "away");
            return None;
        };
        match ask(&mut connection, command).await {
            Ok(value) => {
                count(operation, "ok");
                self.works();
                Some(value)
            }
            Err(error) => {
                count(operation, "error");
                self.fails(&error);
                // An error that Redis itself gave, such as for want of memory, is no reason to connect anew.
                if !matches!(&error, Failed::Redis(error) if !error.is_unrecoverable_error()) {
                    self.lose(number);
                }
                None
            }
        }
    }

    fn connected(&self) -> Option<Connected> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives up a connection, unless it has been already.
    fn lose(&self, number: u64) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|connected| connected.number == number) {
            *current = None;
            self.lost.notify_one();
        }
    }

    async fn connect(&self) -> Result<(), Failed> {
        // The password may be another one by now, and the system's CAs are read by each connect.
        let url = self.url.now(CONNECT_LIMIT).await;
        let mut connection = connection(&Client::open(url.0.expose_secret())?).await?;
        ping(&mut connection).await?;
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Connected { number, connection });
        Ok(())
    }

    /// Says so when Redis stops working, and not again until it works.
    fn fails(&self, error: &Failed) {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "Redis can't be used; answers aren't shared, so some work may be done twice");
        }
    }

    fn works(&self) {
        if self.away.load(Ordering::Relaxed) && self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("Redis can be used again; answers are shared");
        }
    }
}

async fn connection(client: &Client) -> Result<MultiplexedConnection, Failed> {
    // Each step has its own limit here.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    Ok(timeout(CONNECT_LIMIT, connecting).await.map_err(|_| Failed::TooSlow("connect", CONNECT_LIMIT))??)
}

async fn ping(connection: &mut MultiplexedConnection) -> Result<Duration, Failed> {
    let asked = Instant::now();
    ask::<()>(connection, Cmd::new().arg("PING")).await?;
    Ok(asked.elapsed())
}

async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<T, Failed> {
    let answer = timeout(COMMAND_LIMIT, command.query_async(connection)).await;
    Ok(answer.map_err(|_| Failed::TooSlow("answer", COMMAND_LIMIT))??)
}

/// Keeps a connection, for ever.
async fn keep(link: Arc<Link>) {
    let mut pauses = pauses();
    loop {
        let since = Instant::now();
        match link.connect().await {
            Ok(()) => {
                count("connect", "ok");
                link.works();
                link.lost.notified().await;
                if since.elapsed() > GOOD_CONNECTION {
                    pauses = self::pauses();
                }
            }
            Err(error) => {
                count("connect", "error");
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

fn count(operation: &'static str, result: &'static str) {
    counter!("chatbot_redis_total", "operation" => operation, "result" => result).increment(1);
}
