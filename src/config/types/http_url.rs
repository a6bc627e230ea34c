//! The URL of an HTTP service.

use std::{fmt, str::FromStr};

use url::{Host, Url};

use super::{Invalid, text::serde_as_text};

/// An `http://` or `https://` URL without a password, whose query is never shown, as some carry a key there.
#[derive(Debug, Clone)]
pub struct HttpUrl(Url);

impl HttpUrl {
    pub fn get(&self) -> &Url {
        &self.0
    }

    /// Whether what is sent there can be read on the way: it isn't encrypted, and leaves this machine.
    pub fn is_exposed(&self) -> bool {
        self.0.scheme() == "http" && !is_loopback(&self.0)
    }
}

/// Whether a URL's host is this machine itself.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl FromStr for HttpUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let remedy = "write one such as https://api.example.com/v1";
        let url = Url::parse(text).map_err(|error| Invalid(format!("the URL can't be read, {error}: {remedy}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Invalid(format!("the URL begins neither with http:// nor with https://: {remedy}")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Invalid("the URL holds a user: a key goes into api_key".into()));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        if shown.query().is_some() {
            shown.set_query(Some("***"));
        }
        f.write_str(shown.as_str())
    }
}

serde_as_text!(HttpUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_its_query() {
        fn check(text: &str, expected: Result<&str, &str>) {
            match (text.parse::<HttpUrl>().map(|url| url.to_string()), expected) {
                (Ok(shown), Ok(expected)) => assert_eq!(shown, expected, "{text}"),
                (Err(Invalid(message)), Err(fault)) => {
                    assert!(message.contains(fault) && !message.contains("s3cret"), "{text}: {message}");
                }
                (found, _) => unreachable!("{text}: {found:?}"),
            }
        }
        check("https://api.deepseek.com/v1", Ok("https://api.deepseek.com/v1"));
        check("http://[::1]:11434/v1?key=s3cret", Ok("http://[::1]:11434/v1?***"));
        check("api.deepseek.com/v1", Err("can't be read"));
        check("ftp://h/s3cret", Err("begins neither"));
        check("https://u:s3cret@h", Err("api_key"));
        check("https://", Err("can't be read"));
    }

    #[test]
    fn only_what_leaves_the_machine_unencrypted_is_exposed() {
        fn check(text: &str, expected: bool) {
            assert_eq!(text.parse::<HttpUrl>().map(|url| url.is_exposed()), Ok(expected), "{text}");
        }
        check("http://10.0.0.7/v1", true);
        check("http://vllm:8000/v1", true);
        check("http://localhost:8000", false);
        check("http://127.1.2.3:8000", false);
        check("http://[::1]:8000", false);
        check("https://api.example.com", false);
    }
}
