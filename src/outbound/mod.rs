//! Services: what is asked over HTTP, for a classification or for an answer, within bounds.
//!
//! A [`Service`] has an [`Endpoint`], which speaks HTTP, and stands it behind a circuit breaker, a limit of requests at
//! once, a budget, a time limit and retries. What is asked, and what is read of the answer, is the caller's. [`chat`],
//! [`embeddings`] and [`transcription`] are the forms of asking.
//!
//! What a message names is no service: [`fetch`] has bounds of its own.

mod addresses;
mod answer;
mod breaker;
mod budget;
pub mod chat;
pub mod embeddings;
mod endpoint;
mod failure;
pub mod fetch;
mod pulse;
mod reach;
mod service;
#[cfg(test)]
pub(crate) mod stub;
pub mod transcription;
mod vectors;
mod words;

pub use self::{
    answer::Answer,
    budget::Budget,
    chat::Usage,
    endpoint::{Connection, Endpoint, bearer, innermost},
    failure::{Failure, Judged, ServiceError},
    reach::reach,
    service::{Limits, Purpose, Service},
    vectors::{Vector, Vectors},
    words::cut,
};

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::{num::NonZeroU16, time::Duration};

    use super::*;

    /// A service of that name, where nobody listens.
    pub(crate) fn nowhere(name: &str) -> Service {
        nowhere_within(name, &limits())
    }

    /// The same, within other bounds.
    pub(crate) fn nowhere_within(name: &str, limits: &Limits) -> Service {
        let url = "http://127.0.0.1:1/api".parse().unwrap();
        let (timeout, max_response) = (Duration::from_secs(1), 1024);
        let connection = Connection { url, local: true, key: None, ca: None, connect_timeout: timeout, max_response };
        Service::new(Endpoint::new(name.into(), connection).unwrap(), limits)
    }

    /// Three seconds, no retry, ten at once; after three failures left alone for ten seconds.
    pub(crate) fn limits() -> Limits {
        Limits {
            purpose: Purpose::Classification,
            timeout: Duration::from_secs(3),
            retries: 0,
            concurrency: NonZeroU16::new(10).unwrap(),
            breaker_failures: NonZeroU16::new(3).unwrap(),
            breaker_pause: Duration::from_secs(10),
        }
    }

    /// What a service answered to this text.
    pub(crate) fn answered(status: u16, body: &str, text: &str) -> Answer {
        Answer {
            service: "x".into(),
            status: reqwest::StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: body.into(),
            private: vec![text.to_owned()],
        }
    }
}
