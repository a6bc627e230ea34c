//! The store in a Redis: for any number of workers.
//!
//! A conversation is one string, `<life>:<version>`, a line break, and the record; it expires by itself. Beside it is another,
//! its life alone, which is there twice as long and so says that it has expired. Reading and writing the two are a script
//! each, and so one step for Redis.
//!
//! **Invariant:** a call takes no longer than [`LIMIT`], connecting included.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use redis::Cmd;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Cursor, Page, Put, Store, StoreError, Stored,
    record::{expired, is_blank},
};
use crate::{
    domain::Key,
    redis_link::{Failed, InvalidRedisUrl, Link, Manner, RedisUrl},
    renewed::Renewed,
};

/// How long a call may take. A disk that is told to keep every write at once may take its time.
const LIMIT: Duration = Duration::from_secs(2);

const MANNER: Manner = Manner {
    variable: VARIABLE,
    used_for: "conversation",
    limit: LIMIT,
    waits: true,
    away: "conversations wait for it",
    back: "conversations go on",
};

const VARIABLE: &str = "CHATBOT_CONVERSATION_REDIS_URL";

/// What a conversation's second key ends with.
const EXPIRED: &str = ":expired";

/// The value of the first key, and whether the second is there.
const GET: &str = "return {redis.call('GET', KEYS[1]), redis.call('EXISTS', KEYS[2])}";

/// Sets a key where its value begins with a head, or, for an empty head, where there is none, and none of this life was: 1
/// where it did. With it the second key, or, without a time for that, takes it away.
const PUT: &str = "\
if ARGV[1] == '' then
  if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('GET', KEYS[2]) == ARGV[4] then return 0 end
elseif redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[5] == '' then
  redis.call('DEL', KEYS[2])
else
  redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
end
return 1";

/// Deletes both keys: 1 where the first was there.
const DELETE: &str = "redis.call('DEL', KEYS[2]) return redis.call('DEL', KEYS[1])";

/// Writes as a turn does, for a moment.
const TRY: &str = "return redis.call('SET', KEYS[1], '', 'PX', 1)";

pub struct RedisStore {
    link: Arc<Link>,
    prefix: String,
    expires: Duration,
    _watching: AbortOnDropHandle<()>,
}

impl RedisStore {
    /// Starts to connect, and goes on without waiting for it. Conversations are kept for `expires` after their last turn,
    /// under keys that begin with `prefix`. To be called in a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`].
    pub fn start(url: Renewed<RedisUrl>, prefix: &str, expires: Duration) -> Result<Self, InvalidRedisUrl> {
        let link = Arc::new(Link::start(url, MANNER)?);
        let watching = AbortOnDropHandle::new(tokio::spawn(watch(link.clone())));
        Ok(Self { link, prefix: format!("{prefix}:conversation:"), expires, _watching: watching })
    }

    /// What speaks against keeping conversations in this Redis, a sentence each, with what to do.
    ///
    /// # Errors
    /// [`StoreError`], where it can't be reached.
    pub async fn doubts(&self) -> Result<Vec<String>, StoreError> {
        doubts(&self.link).await.map_err(|error| failure(&error))
    }

    /// Writes a key of its own, which expires at once.
    ///
    /// # Errors
    /// [`StoreError`], where it takes no writes.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        let mut command = Cmd::new();
        // No conversation's key ends so.
        command.arg("EVAL").arg(TRY).arg(1).arg(format!("{}check", self.prefix));
        self.link.command::<()>("put", &command).await.map_err(|error| failure(&error))
    }

    fn key(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// A script that is called for a conversation.
    fn script(&self, script: &str, key: &Key) -> Cmd {
        let first = self.key(key);
        let second = format!("{first}{EXPIRED}");
        let mut command = Cmd::new();
        command.arg("EVAL").arg(script).arg(2).arg(first).arg(second);
        command
    }

    fn read(&self, key: &Key, value: Bytes) -> Result<Stored, StoreError> {
        let read = || {
            let end = value.iter().position(|&byte| byte == b'\n')?;
            let (life, version) = std::str::from_utf8(&value[..end]).ok()?.split_once(':')?;
            let version = version.parse().ok().filter(|version| *version > 0)?;
            Some(Stored { life: life.parse().ok()?, version, bytes: value.slice(end + 1..) })
        };
        read().ok_or_else(|| {
            let key = self.key(key);
            StoreError::Unusable(format!("Redis holds something else than a conversation under {key}: delete that key"))
        })
    }
}

#[async_trait]
impl Store for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = self.link.command("get", &self.script(GET, key)).await;
        let (kept, was): (Option<Vec<u8>>, bool) = found.map_err(|error| failure(&error))?;
        match kept {
            Some(value) => self.read(key, value.into()).map(Some),
            None => Ok(was.then(expired)),
        }
    }

    async fn put(&self, key: &Key, stored: Stored) -> Result<Put, StoreError> {
        let expected = match stored.version.checked_sub(1) {
            None => return Ok(Put::Conflict),
            Some(0) => Vec::new(),
            Some(before) => head(stored.life, before),
        };
        let value = [head(stored.life, stored.version).as_slice(), &stored.bytes].concat();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut put = self.script(PUT, key);
        put.arg(expected).arg(value).arg(milliseconds(self.expires)).arg(stored.life);
        if is_blank(&stored.bytes) {
            put.arg("");
        } else {
            put.arg(milliseconds(self.expires.saturating_mul(2)));
        }
        match self.link.command("put", &put).await {
            Ok(1) => Ok(Put::Done),
            Ok(_) => Ok(Put::Conflict),
            Err(error) => Err(failure(&error)),
        }
    }

    async fn delete(&self, key: &Key) -> Result<bool, StoreError> {
        let deleted = self.link.command::<u64>("delete", &self.script(DELETE, key)).await;
        deleted.map(|deleted| deleted > 0).map_err(|error| failure(&error))
    }

    async fn page(&self, from: Option<Cursor>, most: usize) -> Result<Page, StoreError> {
        let from = match from {
            Some(Cursor::At(place)) => place,
            _ => 0,
        };
        let mut scan = Cmd::new();
        scan.arg("SCAN").arg(from).arg("MATCH").arg(format!("{}*", self.prefix)).arg("COUNT").arg(most.max(1));
        let scanned = self.link.command("list", &scan).await;
        let (next, names): (u64, Vec<String>) = scanned.map_err(|error| failure(&error))?;
        let is_key = |name: &String| name.strip_prefix(&self.prefix).and_then(|hex| hex.parse::<Key>().ok());
        let mut found = Vec::new();
        for key in names.iter().filter_map(is_key) {
            let kept = self.link.command::<Option<Vec<u8>>>("get", Cmd::new().arg("GET").arg(self.key(&key))).await;
            // One that has expired meanwhile isn't there.
            if let Some(value) = kept.map_err(|error| failure(&error))? {
                found.push((key, self.read(&key, value.into())?));
            }
        }
        Ok(Page { found, next: (next != 0).then_some(Cursor::At(next)) })
    }
}

fn head(life: u64, version: u64) -> Vec<u8> {
    format!("{life}:{version}\n").into_bytes()
}

fn failure(error: &Failed) -> StoreError {
    let mend = error.mend().map(|mend| format!(" ({mend})")).unwrap_or_default();
    StoreError::Away(format!("the Redis of {VARIABLE} can't be used: {error}{mend}"))
}

/// Tells at each connection what speaks against this Redis, where that isn't what was told before.
async fn watch(link: Arc<Link>) {
    let mut told = Vec::new();
    loop {
        link.until(true).await;
        if let Ok(doubts) = doubts(&link).await {
            for doubt in doubts.iter().filter(|doubt| !told.contains(*doubt)) {
                tracing::warn!("{VARIABLE}: {doubt}");
            }
            told = doubts;
        }
        link.until(false).await;
    }
}

async fn doubts(link: &Link) -> Result<Vec<String>, Failed> {
    let mut doubts = Vec::new();
    let mut look = async |section: &str, field: &str, right: &str, wrong: fn(&str) -> String| {
        match link.question::<String>("info", Cmd::new().arg("INFO").arg(section)).await {
            Ok(info) => match info.lines().find_map(|line| line.trim_end().strip_prefix(field)?.strip_prefix(':')) {
                Some(value) if value == right => {}
                Some(value) => doubts.push(wrong(value)),
                None => doubts.push(format!("it doesn't say its {field}: see yourself that it is {right}")),
            },
            Err(error) if error.is_an_answer() => doubts.push(format!(
                "it refuses INFO {section} ({error}), so it isn't known whether its {field} is {right}: grant its user +info"
            )),
            Err(error) => return Err(error),
        }
        Ok(())
    };
    look("persistence", "aof_enabled", "1", |_| {
        "append-only files are off, so a Redis that ends forgets the turns since its last snapshot: set `appendonly yes`"
            .to_owned()
    })
    .await?;
    look("memory", "maxmemory_policy", "noeviction", |policy| {
        format!(
            "its maxmemory-policy is {policy}, so it may drop conversations that go on: set `maxmemory-policy noeviction`, \
             and use another Redis for the answers"
        )
    })
    .await?;
    Ok(doubts)
}
