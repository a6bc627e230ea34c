//! Why somebody may not ask, in a sentence for whoever wrote the client.

use std::{fmt, time::Duration};

/// Why somebody may not ask. Its sentence never holds the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no key.
    Missing,
    /// Nobody's key.
    Wrong,
    /// A secret key in an address.
    NotPublic,
    /// A page of another site, which may not ask.
    Origin,
    /// Too often; how long to wait.
    Rate(Duration),
    /// Too many wrong keys came from its address; how long to wait.
    Locked(Duration),
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a key is needed: send it in the header Authorization: Bearer KEY",
            Self::Wrong => {
                "the key isn't known here: look whether it was copied as a whole, and ask whoever runs this bot whether it \
                 still holds"
            }
            Self::NotPublic => {
                "this key is secret, and may not stand in an address, which others log: send it in the header \
                 Authorization: Bearer KEY"
            }
            Self::Origin => {
                "pages of this site may not ask here: whoever runs this bot has to add its origin to the key's origins, or to \
                 CHATBOT_DOOR_ORIGINS where the key isn't public or there is none"
            }
            Self::Rate(_) | Self::Locked(_) => {
                let seconds = self.retry_after().unwrap_or_default();
                let unit = if seconds == 1 { "second" } else { "seconds" };
                let what = match self {
                    Self::Locked(_) => "too many wrong keys came from this address, so no secret key is taken from it",
                    _ => "too many requests",
                };
                return write!(f, "{what}: ask again in {seconds} {unit}");
            }
        })
    }
}

impl Refusal {
    /// In how many whole seconds to ask again, at least 1, where that helps: what `Retry-After` says.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Rate(wait) | Self::Locked(wait) => {
                Some(wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_too_often_is_told_when_to_ask_again() {
        fn check(wait: Duration, seconds: u64, sentence: &str) {
            let refusal = Refusal::Rate(wait);
            assert_eq!((refusal.retry_after(), refusal.to_string().as_str()), (Some(seconds), sentence));
        }
        check(Duration::from_millis(1), 1, "too many requests: ask again in 1 second");
        check(Duration::from_millis(1001), 2, "too many requests: ask again in 2 seconds");
        check(Duration::from_secs(60), 60, "too many requests: ask again in 60 seconds");
        assert_eq!(Refusal::Wrong.retry_after(), None);
    }
}
