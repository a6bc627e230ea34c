//! Why Redis can't be used, or refuses a command, and what to do about it.

use std::{sync::Arc, time::Duration};

use redis::{ErrorKind, RedisError};

/// What a Redis says that refuses, wherever in its words that stands (in those about a script it is in their middle), and what
/// to do.
const MENDS: [(&str, &str); 9] = [
    ("OOM", "it holds as much as its maxmemory allows: raise that, or take from it what else it holds"),
    ("READONLY", "it is a replica, which takes no writes: name the primary"),
    ("MISCONF", "it can't write its snapshot to its disk: see to the disk's space, and to its log"),
    ("NOPERM", RIGHTS),
    // The same of SELECT at connecting, and of a command in a script, as different versions say it.
    ("no permissions to", RIGHTS),
    ("user executing the script can't", RIGHTS),
    ("ACL failure in script", RIGHTS),
    ("AuthenticationFailed", "it knows no such user with this password, or the user is off"),
    ("NOAUTH", "it asks for a password: write redis://USER:PASSWORD@HOST:6379/0"),
];
const RIGHTS: &str =
    "its user lacks a right: grant it (the ACL SETUSER for all of them is in docs/OPERATING.md, \"Redis\")";

/// Why a command wasn't carried out, or perhaps was, without an answer.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// There is no connection; with why connecting failed last.
    #[error("{}", .0.as_deref().unwrap_or("it can't be reached"))]
    Away(Option<Arc<str>>),
    /// A connection or an answer took too long.
    #[error("it didn't {0} within {1:?}")]
    TooSlow(&'static str, Duration),
    /// The URL asks for TLS, and what answers there speaks none.
    #[error("what answers there speaks no TLS: write redis:// for rediss://, or the port for TLS")]
    SpeaksNoTls,
    /// The URL asks for no TLS, and what answers there speaks it.
    #[error("what answers there speaks TLS: write rediss:// for redis://, or the port without TLS")]
    SpeaksTls,
    /// The network's error, or Redis's own.
    #[error("{0}")]
    Redis(#[from] RedisError),
}

impl Failed {
    /// Whether Redis itself has answered so, on a connection that works.
    pub fn is_an_answer(&self) -> bool {
        matches!(self, Self::Redis(error) if !error.is_unrecoverable_error())
    }

    /// Whether Redis refuses the command, and may carry out others.
    pub(super) fn is_a_refusal(&self) -> bool {
        matches!(self, Self::Redis(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension))
    }

    /// What to do about it, where that is known.
    pub fn mend(&self) -> Option<&'static str> {
        self.known().map(|(_, mend)| mend)
    }

    fn known(&self) -> Option<(&'static str, &'static str)> {
        let Self::Redis(error) = self else { return None };
        let said = format!("{} {error}", error.code().unwrap_or_default());
        MENDS.into_iter().find(|(word, _)| said.contains(word))
    }

    /// What kind of fault it is: one of another kind is news.
    pub(super) fn cause(&self) -> String {
        let Self::Redis(error) = self else { return self.to_string() };
        match (self.known(), error.code()) {
            (Some((word, _)), _) => word.to_owned(),
            (None, Some(code)) => code.to_owned(),
            // The system's words and those about TLS. What follows a colon may be another each time, such as the time.
            (None, None) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Client) => {
                error.to_string().split(':').next().unwrap_or_default().to_owned()
            }
            (None, None) => error.category().to_owned(),
        }
    }

    /// Whether it is what comes of speaking TLS to who speaks none, or the other way round; it may be much else.
    pub(super) fn may_be_mismatch(&self) -> bool {
        match self {
            Self::TooSlow(what, _) => *what == "connect",
            Self::Redis(error) => {
                matches!(error.kind(), ErrorKind::Io | ErrorKind::Client | ErrorKind::Parse)
                    && !error.is_connection_refusal()
            }
            _ => false,
        }
    }
}
