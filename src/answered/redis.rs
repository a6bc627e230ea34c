//! Answers shared through Redis, by a connection that is kept ([`crate::redis_link`]).
//!
//! **Invariant:** a request waits no longer than [`COMMAND_LIMIT`] for each of its two commands, and not at all while
//! there is no connection.

use std::time::Duration;

use async_trait::async_trait;
use redis::Cmd;

use super::SharedAnswers;
use crate::{
    domain::{
        Key, Reply,
        codec::{Answered, decode_reply, encode_reply},
    },
    redis_link::{self, Failed, InvalidRedisUrl, Link, Manner, RedisUrl},
    renewed::Renewed,
};

/// How long one command may take: there are two to a request at most, one before its work and one after.
pub(super) const COMMAND_LIMIT: Duration = Duration::from_millis(25);
/// The form in which answers are stored. Another one has another number, so that workers of two versions get along.
const FORM: u32 = 1;

const MANNER: Manner = Manner {
    variable: "CHATBOT_ANSWERED_REDIS_URL",
    used_for: "answered",
    limit: COMMAND_LIMIT,
    waits: false,
    away: "answers aren't shared, so some work may be done twice",
    back: "answers are shared",
};

pub struct RedisAnswers {
    link: Link,
    prefix: String,
    age: Duration,
}

/// Connects as a worker does, and tells how long a `PING` took.
///
/// # Errors
/// [`Failed`]: a worker couldn't share its answers.
pub async fn probe(url: &str) -> Result<Duration, Failed> {
    redis_link::probe(url, COMMAND_LIMIT).await
}

impl RedisAnswers {
    /// Starts to connect, and goes on without waiting for it. Answers are kept for `age`, under keys that begin with
    /// `prefix`. To be called in a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`].
    pub fn start(url: Renewed<RedisUrl>, prefix: &str, age: Duration) -> Result<Self, InvalidRedisUrl> {
        Ok(Self { link: Link::start(url, MANNER)?, prefix: format!("{prefix}:answered:{FORM}:"), age })
    }

    /// Whether Redis can be asked now.
    pub fn is_connected(&self) -> bool {
        self.link.is_connected()
    }

    fn key(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }
}

#[async_trait]
impl SharedAnswers for RedisAnswers {
    async fn get(&self, key: &Key) -> Option<Reply> {
        let found: Option<Vec<u8>> = self.link.command("get", Cmd::new().arg("GET").arg(self.key(key))).await.ok()?;
        match decode_reply(&found?) {
            Ok(Answered::Reply(reply)) => Some(*reply),
            // Somebody else's value: as good as none.
            Ok(Answered::Error(_)) | Err(_) => {
                self.link.count("get", "unreadable");
                None
            }
        }
    }

    async fn put(&self, key: &Key, reply: &Reply) {
        let age = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        let mut set = Cmd::new();
        set.arg("SET").arg(self.key(key)).arg(encode_reply(reply)).arg("PX").arg(age);
        // What went wrong was counted and told.
        let _: Result<(), Failed> = self.link.command("put", &set).await;
    }
}
