//! Services: what is asked over HTTP, for a classification or for an answer, within bounds.
//!
//! A [`Service`] has an [`Endpoint`], which speaks HTTP, and stands it behind a circuit breaker, a limit of requests at
//! once, a time limit and retries. What is asked, and what is read of the answer, is the caller's.

mod breaker;
mod endpoint;
mod failure;
mod service;

pub use self::{
    endpoint::{Answer, Connection, Endpoint, bearer},
    failure::{Failure, Judged, ServiceError},
    service::{Limits, Service},
};

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::{num::NonZeroU16, time::Duration};

    use super::*;

    /// A service of that name, where nobody listens.
    pub(crate) fn nowhere(name: &str) -> Service {
        let url = "http://127.0.0.1:1/api".parse().unwrap();
        let (timeout, max_response) = (Duration::from_secs(1), 1024);
        let connection = Connection { url, local: true, key: None, ca: None, connect_timeout: timeout, max_response };
        Service::new(Endpoint::new(name.into(), connection).unwrap(), &limits())
    }

    /// Three seconds, no retry, ten at once; after three failures left alone for ten seconds.
    pub(crate) fn limits() -> Limits {
        Limits {
            timeout: Duration::from_secs(3),
            retries: 0,
            concurrency: NonZeroU16::new(10).unwrap(),
            breaker_failures: NonZeroU16::new(3).unwrap(),
            breaker_pause: Duration::from_secs(10),
        }
    }
}
