//! Fetches what a message names by its address: a picture, a recording.
//!
//! A user chooses the address, so anything behind it may be hostile, and so may the choice itself (server-side request
//! forgery).
//!
//! **Invariant:** only hosts that the operator allows are asked, at public addresses ([`addresses`]), which is looked at
//! once a name is resolved, for the very addresses that are connected to, and anew at each redirect. No proxy is used, as it
//! would resolve names by itself. Nothing is sent but the request: no credentials, no cookies, no referrer. No answer is
//! read beyond its bound, nor waited for past its time. No error tells more of an address than its host.

mod hosts;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION},
    redirect::Policy,
};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

pub use self::hosts::AllowedHost;
use super::{addresses, innermost};

/// How often a redirect is followed.
const REDIRECTS: usize = 3;
/// How often an address is asked, where the connection broke or its server failed.
const TRIES: usize = 2;

/// From where anything is fetched, and within which bounds.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// The hosts that may be asked; none: nothing is fetched.
    pub hosts: Vec<AllowedHost>,
    /// The most that is read for one message, in bytes.
    pub max_size: usize,
    /// For one address, with its redirects.
    pub timeout: Duration,
}

/// Fetches from addresses that messages name.
#[derive(Debug)]
pub struct Fetcher {
    client: Client,
    settings: FetchSettings,
    is_allowed: fn(IpAddr) -> bool,
    /// When a failure of each kind was told last.
    told: Mutex<HashMap<std::mem::Discriminant<FetchError>, Instant>>,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub bytes: Bytes,
    /// What its server says that it is, where it says so; else what was promised.
    pub media_type: String,
}

/// Why nothing was fetched; for the operator, without what a user wrote but the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("the host '{0}' isn't among CHATBOT_ATTACHMENTS_HOSTS")]
    NotAllowed(String),
    #[error("'{0}' has no public address")]
    NotPublic(String),
    #[error("it can't be read as an address")]
    NoAddress,
    #[error("it redirects more than {REDIRECTS} times")]
    Redirects,
    #[error("its server answered {0}")]
    Status(u16),
    #[error("it is larger than the {0} bytes that CHATBOT_ATTACHMENTS_MAX_SIZE leaves for it")]
    TooLarge(usize),
    #[error("it is something else than what the message said that it is")]
    MediaType,
    #[error("its server can't be reached: {0}")]
    Unreachable(String),
    #[error("it took too long")]
    TimedOut,
}

/// None of a name's addresses is public.
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
struct NotPublic;

/// Resolves names to the addresses that are allowed. The client connects to these and no others.
struct Public(fn(IpAddr) -> bool);

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let is_allowed = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| is_allowed(address.ip())).collect();
            match allowed.is_empty() {
                true => Err(Box::new(NotPublic) as Box<dyn Error + Send + Sync>),
                false => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

impl Fetcher {
    /// Fetches from these hosts. Nothing is sent yet.
    ///
    /// # Errors
    /// Why the client can't be made, in words.
    pub fn new(settings: FetchSettings) -> Result<Self, String> {
        Self::allowing(settings, addresses::is_public)
    }

    /// The same from addresses of which this is true.
    fn allowing(settings: FetchSettings, is_allowed: fn(IpAddr) -> bool) -> Result<Self, String> {
        // The one that is there stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            // A connection that is kept would be to an address that was looked at for another message.
            .pool_max_idle_per_host(0)
            .connect_timeout(settings.timeout)
            .user_agent(concat!("chatbot-worker/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Public(is_allowed)));
        if settings.hosts.iter().all(AllowedHost::is_plain) {
            // A small container image has no certificates, which would be an error.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|error| innermost(&error))?;
        Ok(Self { client, settings, is_allowed, told: Mutex::default() })
    }

    /// The most that is read for one message, in bytes.
    pub fn max_size(&self) -> usize {
        self.settings.max_size
    }

    /// What is at an address, of the media type that the message promised, and at most so many bytes. A failure is told to the operator, each kind
    /// once a minute.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(
        &self,
        url: &str,
        promised: &str,
        most: usize,
        deadline: Instant,
    ) -> Result<Fetched, FetchError> {
        let end = deadline.min(Instant::now() + self.settings.timeout);
        let fetched = timeout_at(end, self.tried(url, promised, most.min(self.settings.max_size)))
            .await
            .unwrap_or(Err(FetchError::TimedOut));
        if let Err(error) = &fetched {
            self.tell(error);
        }
        fetched
    }

    async fn tried(&self, url: &str, promised: &str, most: usize) -> Result<Fetched, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::NoAddress)?;
        let mut left = TRIES;
        loop {
            left -= 1;
            match self.followed(url.clone(), promised, most).await {
                Err(FetchError::Unreachable(_) | FetchError::Status(500..)) if left > 0 => {}
                fetched => return fetched,
            }
        }
    }

    async fn followed(&self, mut url: Url, promised: &str, most: usize) -> Result<Fetched, FetchError> {
        for _ in 0..=REDIRECTS {
            self.check(&url)?;
            let response = self.client.get(url.clone()).send().await.map_err(|error| broken(&error, &url))?;
            let status = response.status();
            if !status.is_redirection() {
                return if status.is_success() {
                    self.read(response, promised, most).await
                } else {
                    Err(FetchError::Status(status.as_u16()))
                };
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            url = location.and_then(|location| url.join(location).ok()).ok_or(FetchError::Status(status.as_u16()))?;
        }
        Err(FetchError::Redirects)
    }

    /// Whether an address may be asked, as far as that is known before its name is resolved: what is no name never is.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        let host = || url.host_str().unwrap_or_default().to_owned();
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || !self.settings.hosts.iter().any(|allowed| allowed.matches(url)) {
            return Err(FetchError::NotAllowed(host()));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::from(address)),
            Some(Host::Domain(_)) | None => None,
        };
        match literal.is_none_or(self.is_allowed) {
            true => Ok(()),
            false => Err(FetchError::NotPublic(host())),
        }
    }

    async fn read(&self, mut response: Response, promised: &str, most: usize) -> Result<Fetched, FetchError> {
        let header =
            |name| response.headers().get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
        if header(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::MediaType);
        }
        let told = header(CONTENT_TYPE).map(|told| told.split(';').next().unwrap_or_default().trim().to_owned());
        let media_type = agreed(promised, told.as_deref().unwrap_or_default()).ok_or(FetchError::MediaType)?;
        let mut bytes = BytesMut::new();
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(FetchError::TooLarge(most));
        }
        while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::Unreachable(innermost(&error)))? {
            if bytes.len() + chunk.len() > most {
                return Err(FetchError::TooLarge(most));
            }
            bytes.extend_from_slice(&chunk);
        }
        match bytes.is_empty() {
            true => Err(FetchError::MediaType),
            false => Ok(Fetched { bytes: bytes.freeze(), media_type }),
        }
    }

    fn tell(&self, error: &FetchError) {
        const PAUSE: Duration = Duration::from_secs(60);
        let (now, kind) = (Instant::now(), std::mem::discriminant(error));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&kind).is_some_and(|last| now.duration_since(*last) < PAUSE) {
            return;
        }
        told.insert(kind, now);
        tracing::warn!(%error, "an attachment wasn't fetched");
    }
}

/// What the server's word and the message's together say that it is: the server's, where both are pictures or both
/// recordings; the message's, where the server says nothing. A page is neither.
fn agreed(promised: &str, told: &str) -> Option<String> {
    let class = |media_type: &str| match media_type.split('/').next().unwrap_or_default() {
        // One container holds either.
        "video" if promised.starts_with("audio/") => "audio".to_owned(),
        class => class.to_owned(),
    };
    match told {
        "" | "application/octet-stream" | "binary/octet-stream" => Some(promised.to_owned()),
        _ if told == promised => Some(promised.to_owned()),
        _ if matches!(class(told).as_str(), "image" | "audio") && class(told) == class(promised) => {
            Some(told.to_owned())
        }
        _ => None,
    }
}

fn broken(error: &reqwest::Error, url: &Url) -> FetchError {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(found) = cause {
        if found.is::<NotPublic>() {
            return FetchError::NotPublic(url.host_str().unwrap_or_default().to_owned());
        }
        cause = found.source();
    }
    FetchError::Unreachable(innermost(error))
}
