//! A service's HTTP endpoint: JSON out, JSON in, within bounds.
//!
//! **Invariant:** no answer is read further than its bound or waited for past its deadline; no redirect is followed; no
//! error tells the text, the key or the URL's query.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use httpdate::parse_http_date;
use reqwest::{
    Certificate, Client, ClientBuilder, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    multipart::Form,
    redirect::Policy,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use url::Url;

use super::{Answer, Failure, ServiceError};

/// How an endpoint is reached.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Where it is.
    pub url: Url,
    /// Whether that is this machine itself, for which no proxy is used.
    pub local: bool,
    /// A header that lets the worker in; its value is sensitive.
    pub key: Option<(HeaderName, HeaderValue)>,
    /// PEM of an authority that signed its certificate, besides the system's.
    pub ca: Option<Vec<u8>>,
    /// For a connection.
    pub connect_timeout: Duration,
    /// The largest answer, in bytes.
    pub max_response: usize,
}

/// A key as the value of a header.
///
/// # Errors
/// Where it holds a character that no header may.
pub fn bearer(key: &str, header: Option<&HeaderName>) -> Result<(HeaderName, HeaderValue), String> {
    let value = if header.is_some() { key.to_owned() } else { format!("Bearer {key}") };
    let mut value = HeaderValue::from_str(&value).map_err(|_| "the key can't be a header's value".to_owned())?;
    value.set_sensitive(true);
    Ok((header.cloned().unwrap_or(AUTHORIZATION), value))
}

/// What connects to an endpoint.
///
/// # Errors
/// As of [`Endpoint::new`].
pub(super) fn client(connection: &Connection) -> Result<ClientBuilder, String> {
    // The one that is there stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client =
        Client::builder().connect_timeout(connection.connect_timeout).redirect(Policy::none()).tcp_nodelay(true);
    if connection.local {
        client = client.no_proxy();
    }
    if connection.url.scheme() == "http" {
        // The system's certificates aren't needed, and a small container image has none, which would be an error.
        client = client.tls_certs_only([]);
    } else if let Some(pem) = &connection.ca {
        let certificates = Certificate::from_pem_bundle(pem).map_err(|error| innermost(&error))?;
        client = client.tls_certs_merge(certificates);
    }
    Ok(client)
}

/// A service's HTTP endpoint.
#[derive(Debug)]
pub struct Endpoint {
    name: Arc<str>,
    client: Client,
    url: Url,
    key: Option<(HeaderName, HeaderValue)>,
    max_response: usize,
}

impl Endpoint {
    /// The endpoint of the service of that name. Nothing is sent yet.
    ///
    /// # Errors
    /// Why the client can't be made, in words.
    pub fn new(name: Arc<str>, connection: Connection) -> Result<Self, String> {
        let client = client(&connection)?.build().map_err(|error| innermost(&error))?;
        let Connection { url, key, max_response, .. } = connection;
        Ok(Self { name, client, url, key, max_response })
    }

    /// The service's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The address as it was given.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The address with `path` behind its own, unless it ends so already.
    pub fn with_path(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let own = url.path().trim_end_matches('/').to_owned();
        if !own.ends_with(path) {
            url.set_path(&format!("{own}{path}"));
        }
        url
    }

    /// Posts JSON and reads the answer as JSON. `private` is what a user wrote: no error tells it.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        url: &Url,
        body: &impl Serialize,
        private: &[&str],
        deadline: Instant,
    ) -> Result<T, ServiceError> {
        self.post(url, body, private, deadline).await?.read()
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// [`ServiceError`] where no answer comes, or a part of one.
    pub async fn post(
        &self,
        url: &Url,
        body: &impl Serialize,
        private: &[&str],
        deadline: Instant,
    ) -> Result<Answer, ServiceError> {
        let body = serde_json::to_vec(body).map_err(|_| self.error(Failure::Internal, "the request isn't JSON"))?;
        self.open(url, body, &[], private, deadline).await?.whole().await
    }

    /// Posts JSON that is there already, with further headers.
    ///
    /// # Errors
    /// As of [`Self::post`].
    pub async fn post_signed(
        &self,
        url: &Url,
        body: Vec<u8>,
        headers: &[(HeaderName, HeaderValue)],
        private: &[&str],
        deadline: Instant,
    ) -> Result<Answer, ServiceError> {
        self.open(url, body, headers, private, deadline).await?.whole().await
    }

    /// Posts a form, which may hold files.
    ///
    /// # Errors
    /// As of [`Self::post`].
    pub(super) async fn post_form(&self, url: &Url, form: Form, deadline: Instant) -> Result<Answer, ServiceError> {
        self.send(url, |request| request.multipart(form), &[], &[], deadline).await?.whole().await
    }

    /// Posts JSON with further headers, and hands out the answer as soon as it begins.
    ///
    /// # Errors
    /// [`ServiceError`] where none begins.
    pub(super) async fn open(
        &self,
        url: &Url,
        body: Vec<u8>,
        headers: &[(HeaderName, HeaderValue)],
        private: &[&str],
        deadline: Instant,
    ) -> Result<Opened<'_>, ServiceError> {
        let json = |request: RequestBuilder| request.header(CONTENT_TYPE, "application/json").body(body);
        self.send(url, json, headers, private, deadline).await
    }

    async fn send(
        &self,
        url: &Url,
        body: impl FnOnce(RequestBuilder) -> RequestBuilder,
        headers: &[(HeaderName, HeaderValue)],
        private: &[&str],
        deadline: Instant,
    ) -> Result<Opened<'_>, ServiceError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = body(self.client.post(url.clone()).timeout(left));
        for (header, value) in self.key.iter().chain(headers) {
            request = request.header(header, value);
        }
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        let private = private.iter().map(|&text| text.to_owned()).chain(self.secrets(url)).collect();
        Ok(Opened { endpoint: self, read: 0, private, response })
    }

    /// What lets this worker in, which a service may quote.
    fn secrets(&self, url: &Url) -> impl Iterator<Item = String> {
        let key = self.key.as_ref().and_then(|(_, value)| value.to_str().ok());
        let key = key.map(|key| key.strip_prefix("Bearer ").unwrap_or(key).to_owned());
        key.into_iter().chain(url.query_pairs().map(|(_, value)| value.into_owned()).collect::<Vec<_>>())
    }

    /// A failure of this service's.
    pub fn error(&self, failure: Failure, reason: impl Into<String>) -> ServiceError {
        ServiceError::new(&self.name, failure, reason)
    }

    fn broken(&self, error: &reqwest::Error) -> ServiceError {
        match error.is_timeout() && !error.is_connect() {
            true => self.error(Failure::Timeout, "no whole answer in time"),
            false => self.error(Failure::Unreachable, innermost(error)),
        }
    }
}

/// An answer that has begun.
#[derive(Debug)]
pub(super) struct Opened<'e> {
    endpoint: &'e Endpoint,
    response: Response,
    /// How many bytes of it were read.
    read: usize,
    private: Vec<String>,
}

impl Opened<'_> {
    /// Its status.
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Whether it says that it is a stream of events.
    pub(super) fn is_event_stream(&self) -> bool {
        let kind = self.response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
    }

    /// What came next of it; none at its end.
    ///
    /// # Errors
    /// [`ServiceError`] where the connection broke, time ran out, or it is too large.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ServiceError> {
        let chunk = self.response.chunk().await.map_err(|error| self.endpoint.broken(&error))?;
        self.read = self.read.saturating_add(chunk.as_ref().map_or(0, Bytes::len));
        match self.read > self.endpoint.max_response {
            true => {
                let reason = format!("it is larger than {} bytes", self.endpoint.max_response);
                Err(self.endpoint.error(Failure::BadAnswer, reason))
            }
            false => Ok(chunk),
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// As of [`Self::chunk`].
    pub(super) async fn whole(mut self) -> Result<Answer, ServiceError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(self.with_body(body))
    }

    /// The answer, with this for its body.
    pub(super) fn with_body(self, body: Vec<u8>) -> Answer {
        let (status, retry_after) = (self.response.status(), retry_after(self.response.headers()));
        Answer { service: Arc::clone(&self.endpoint.name), status, retry_after, body, private: self.private }
    }
}

/// How long a server asks to be left alone: RFC 9110, 10.2.3, seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    /// A server that asks for more is asked again after this.
    const MOST: Duration = Duration::from_secs(600);
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => parse_http_date(value).ok()?.duration_since(std::time::SystemTime::now()).unwrap_or_default(),
    };
    Some(after.min(MOST))
}

/// The innermost cause, which says what happened; the others say what was tried, and where.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_bounded() {
        fn check(value: &str, expected: Option<u64>) {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers).map(|after| after.as_secs()), expected, "{value}");
        }
        check("7", Some(7));
        check(" 0.5 ", Some(0));
        check("99999999", Some(600));
        check("-1", None);
        check("soon", None);
        check("Wed, 21 Oct 2015 07:28:00 GMT", Some(0));
        let soon = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(90));
        let headers = HeaderMap::from_iter([(RETRY_AFTER, soon.parse().unwrap())]);
        assert!((85..=90).contains(&retry_after(&headers).unwrap().as_secs()));
    }
}
