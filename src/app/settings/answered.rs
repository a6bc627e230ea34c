//! The section `answered`: what is remembered of answers.

use std::{fmt, str::FromStr};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{
    Conflict, ValueFile,
    types::{BoundedDuration, BoundedSize, Count, Invalid, OrOff, text::serde_as_text},
};

const FORM: &str = "write redis://USER:PASSWORD@HOST:6379/0, or rediss:// for TLS; percent-encode what isn't a letter \
                    or digit in its user name and password";

/// What is remembered of answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answered {
    /// The most answers, 1 to 65535; off remembers none.
    pub max_entries: OrOff<Count>,
    /// The most bytes of all answers together, 64 KiB to 1 GiB.
    pub max_bytes: BoundedSize<{ 64 << 10 }, { 1 << 30 }>,
    /// How long an answer is remembered, 1 s to 24 h.
    pub ttl: BoundedDuration<1_000, 86_400_000>,
    /// The Redis in which workers share their answers; `None` if they don't.
    pub redis_url: Option<RedisUrl>,
    #[serde(skip)]
    pub redis_url_file: Option<ValueFile>,
}

/// The address of a Redis, with credentials. They are never shown, and nor is a URL that can't be read.
#[derive(Debug, Clone)]
pub struct RedisUrl {
    url: SecretString,
    shown: String,
}

impl Answered {
    pub(super) fn conflict(&self) -> Option<Conflict> {
        let unused = self.redis_url.is_some() && self.max_entries.get().is_none();
        unused.then(|| Conflict {
            keys: vec!["answered.redis_url".into(), "answered.max_entries".into()],
            message: "answered.redis_url names a Redis in which to share answers, but answered.max_entries is off, so \
                      none is remembered: set CHATBOT_ANSWERED_MAX_ENTRIES to a number, or unset \
                      CHATBOT_ANSWERED_REDIS_URL"
                .to_owned(),
        })
    }
}

impl RedisUrl {
    /// The whole URL, with its password.
    pub fn secret(&self) -> &SecretString {
        &self.url
    }
}

impl FromStr for RedisUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = |fault: &str| Invalid(format!("{fault}: {FORM}"));
        let mut url = Url::parse(text).map_err(|_| invalid("the URL can't be read"))?;
        if !matches!(url.scheme(), "redis" | "rediss") {
            return Err(invalid("the URL doesn't begin with redis:// or rediss://"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(invalid("the URL names no host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("the URL holds a ? or a #"));
        }
        let database = url.path().trim_start_matches('/');
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err(invalid("what follows HOST/ in the URL isn't the number of a database"));
        }
        let secret = text.to_owned().into();
        if url.password().is_some() {
            // It can't fail: there is a host.
            let _ = url.set_password(Some("***"));
        }
        Ok(Self { url: secret, shown: url.to_string() })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

serde_as_text!(RedisUrl);

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_url_keeps_its_password_to_itself() {
        fn check(text: &str, shown: &str) {
            let url = text.parse::<RedisUrl>();
            assert_eq!(url.as_ref().map(|url| url.secret().expose_secret()), Ok(text));
            assert_eq!(url.map(|url| url.to_string()), Ok(shown.into()));
        }
        check("redis://h", "redis://h");
        check("redis://127.0.0.1:6379/3", "redis://127.0.0.1:6379/3");
        check("rediss://bot:s3cret@[::1]:6380/0", "rediss://bot:***@[::1]:6380/0");
        check("redis://:s3c%2Fret@h", "redis://:***@h");
    }

    #[test]
    fn what_is_no_url_of_a_redis_is_refused_without_being_shown() {
        fn check(text: &str, fault: &str) {
            let message = text.parse::<RedisUrl>().map(|_| ()).map_err(|error| error.to_string());
            assert!(message.as_ref().is_err_and(|message| message.contains(fault)), "{text}: {message:?}");
            assert!(message.is_err_and(|message| !message.contains("s3c")), "{text}");
        }
        check("localhost:6379", "doesn't begin with redis://");
        check("s3cret", "can't be read");
        check("http://u:s3cret@h", "doesn't begin with redis://");
        check("unix:/run/redis.sock", "doesn't begin with redis://");
        check("redis:///0", "names no host");
        check("redis://u:s3c/ret@h", "can't be read");
        check("redis://u:s3cret@h/zero", "isn't the number of a database");
        check("redis://u:s3cret@h/70000", "isn't the number of a database");
        check("redis://u:s3cret@h?protocol=resp3", "holds a ?");
        check("redis://u:1#s3cret@h", "holds a ? or a #");
        check("redis://u:s3cret@h:99999", "can't be read");
    }
}
