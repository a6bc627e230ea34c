//! A service's HTTP endpoint: JSON out, JSON in, within bounds.
//!
//! **Invariant:** no answer is read further than its bound or waited for past its deadline; no redirect is followed; no
//! error tells the text, the key, the URL's query, or what the server wrote in words of its own.

use std::{error::Error, sync::Arc, time::Duration};

use httpdate::parse_http_date;
use reqwest::{
    Certificate, Client, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use url::Url;

use super::{Failure, ServiceError};

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

/// A service's HTTP endpoint.
#[derive(Debug)]
pub struct Endpoint {
    name: Arc<str>,
    client: Client,
    url: Url,
    key: Option<(HeaderName, HeaderValue)>,
    max_response: usize,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body, whole.
    pub body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Endpoint {
    /// The endpoint of the service of that name. Nothing is sent yet.
    ///
    /// # Errors
    /// Why the client can't be made, in words.
    pub fn new(name: Arc<str>, connection: Connection) -> Result<Self, String> {
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
        } else if let Some(pem) = connection.ca {
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| innermost(&error))?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|error| innermost(&error))?;
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

    /// Posts JSON and reads the answer as JSON.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        url: &Url,
        body: &impl Serialize,
        deadline: Instant,
    ) -> Result<T, ServiceError> {
        let answer = self.post(url, body, deadline).await?;
        self.read(&self.accepted(answer)?)
    }

    /// Posts JSON.
    pub async fn post(&self, url: &Url, body: &impl Serialize, deadline: Instant) -> Result<Answer, ServiceError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = self.client.post(url.clone()).timeout(left).json(body);
        if let Some((header, value)) = &self.key {
            request = request.header(header, value);
        }
        let mut response = request.send().await.map_err(|error| self.broken(&error))?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > self.max_response {
                let reason = format!("it is larger than {} bytes", self.max_response);
                return Err(self.error(Failure::BadAnswer, reason));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, retry_after })
    }

    /// The body, where the server did what it was asked.
    pub fn accepted(&self, answer: Answer) -> Result<Vec<u8>, ServiceError> {
        let Answer { status, body, retry_after } = answer;
        let failure = match status.as_u16() {
            200..=299 => return Ok(body),
            429 => Failure::Throttled,
            503 if retry_after.is_some() => Failure::Throttled,
            408 | 500.. => Failure::Server,
            _ => Failure::Refused,
        };
        let hint = match status.as_u16() {
            300..=399 => ": it redirects, which isn't followed; set the address that it redirects to",
            401 | 403 => ": is the key right?",
            404 | 405 => ": are the address and the model's name right?",
            _ => "",
        };
        let code = code(&body).map(|code| format!(", {code}")).unwrap_or_default();
        let reason = format!("it answered {}{code}{hint}", status.as_u16());
        Err(ServiceError { retry_after, ..self.error(failure, reason) })
    }

    /// An answer's body as JSON of that form.
    pub fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ServiceError> {
        serde_json::from_slice(body).map_err(|error| {
            // The error's own words may quote the answer, which may quote the text.
            let reason = format!("it isn't JSON of the form that was expected, at column {}", error.column());
            self.error(Failure::BadAnswer, reason)
        })
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

/// What an error answer calls itself, where that is a plain word.
fn code(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = ["/error/code", "/error/type", "/code", "/error_type", "/type"]
        .into_iter()
        .find_map(|pointer| body.pointer(pointer)?.as_str())?;
    let plain = code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    plain.then(|| code.to_owned())
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
fn innermost(error: &reqwest::Error) -> String {
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

    #[test]
    fn only_a_plain_word_of_an_error_answer_is_told() {
        fn check(body: &str, expected: Option<&str>) {
            assert_eq!(code(body.as_bytes()).as_deref(), expected, "{body}");
        }
        check(r#"{"error":{"code":"model_not_found","message":"The user said hi"}}"#, Some("model_not_found"));
        check(r#"{"error":{"code":"The user said hi"}}"#, None);
        check(r#"{"error":"Unknown","error_type":"overloaded"}"#, Some("overloaded"));
        check("oops", None);
    }
}
