//! An origin, as browsers tell it of the page that asks: `https://shop.example.com`.

use std::{fmt, str::FromStr};

use url::Url;

/// The scheme, host and port of a page, in the form in which browsers send it: lower case, and without a port that is the
/// scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Whether an `Origin` header says that it is this one.
    pub fn is(&self, header: &str) -> bool {
        self.0 == header
    }
}

/// Whether a page asks the door that it came from: the host and port of its `Origin` are those of the request's `Host`.
///
/// The scheme isn't compared: a proxy in front may take TLS off, and the door then doesn't know it. The `Host` is believed: where
/// nobody needs a key, it has to be checked before, as a name of another site may lead to this machine.
pub fn is_same_origin(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let own_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    // Browsers leave the scheme's own port out of both; other clients, and proxies, may write it into the Host.
    let host = host.strip_suffix(own_port).unwrap_or(host);
    !authority.is_empty() && authority.eq_ignore_ascii_case(host)
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |fault: &str| {
            Err(format!("{fault}: write an origin such as https://shop.example.com, with its port where it has one"))
        };
        if text == "*" {
            return Err("* would let every page of the web ask in its visitors' browsers: write each origin, such as \
                        https://shop.example.com"
                .to_owned());
        }
        if text == "null" {
            return Err(
                "null is the origin of every page that has none, such as a file or a sandboxed frame, so it lets \
                        all of them in: serve the page from a host, and write that"
                    .to_owned(),
            );
        }
        // A list in another form than the variable's comes as one, or torn at its commas.
        if text.starts_with('[') || text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')) {
            return wrong("several are separated by commas, without quotes or brackets");
        }
        if text.contains('*') {
            return wrong("an origin is one host, without a *");
        }
        let Ok(url) = Url::parse(text) else { return wrong("that is no origin") };
        if !matches!(url.scheme(), "http" | "https") {
            return wrong("the origin begins neither with http:// nor with https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("an origin has no user");
        }
        // The parser adds a slash where none is.
        if url.path() != "/" || text.ends_with('/') || url.query().is_some() || url.fragment().is_some() {
            return wrong("an origin ends with its host or port, without a / behind it");
        }
        Ok(Self(url.origin().ascii_serialization()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_into_the_form_that_browsers_send() {
        fn check(text: &str, expected: &str) {
            let origin = text.parse::<Origin>();
            assert_eq!(origin.as_ref().map(Origin::to_string), Ok(expected.to_owned()), "{text}");
            assert!(origin.is_ok_and(|origin| origin.is(expected)), "{text}");
        }
        check("https://shop.example.com", "https://shop.example.com");
        check("HTTPS://Shop.Example.com:443", "https://shop.example.com");
        check("http://localhost:5173", "http://localhost:5173");
        check("http://[::1]:80", "http://[::1]");
        check("https://商店.example", "https://xn--czrs0t.example");
    }

    #[test]
    fn what_is_no_origin_is_refused_without_being_quoted() {
        fn check(text: &str, fault: &str) {
            let error = text.parse::<Origin>().map(|_| ());
            let told = error.as_ref().is_err_and(|error| error.contains(fault) && !error.contains("s3cret"));
            assert!(told, "{text}: {error:?}");
        }
        check("*", "every page of the web");
        check("null", "every page that has none");
        check("https://*.example.com", "without a *");
        check("shop.example.com", "that is no origin");
        check("ftp://h", "begins neither");
        check("https://u:s3cret@h", "has no user");
        check("https://h/", "without a / behind it");
        check("https://h/s3cret", "without a / behind it");
        check("https://h?s3cret", "without a / behind it");
        check("https://h#s3cret", "without a / behind it");
        check("", "that is no origin");
        for list in
            ["[\"http://a\"]", "[\"http://a\"", "\"http://b\"]", "http://a http://b", "'http://a'", "[http://a]"]
        {
            check(list, "separated by commas");
        }
    }

    #[test]
    fn an_origin_is_the_same_only_as_a_whole() {
        let Ok(origin) = "https://shop.example.com".parse::<Origin>() else { unreachable!() };
        for other in [
            "http://shop.example.com",
            "https://shop.example.com:8443",
            "https://shop.example.com.evil.example",
            "https://evil.shop.example.com",
            "https://shop.example.co",
            "null",
            "",
        ] {
            assert!(!origin.is(other), "{other}");
        }
    }

    #[test]
    fn a_page_of_the_door_itself_is_told_by_its_host_and_port() {
        fn check(origin: &str, host: &str, expected: bool) {
            assert_eq!(is_same_origin(origin, host), expected, "{origin} {host}");
        }
        check("http://127.0.0.1:8000", "127.0.0.1:8000", true);
        check("https://bot.example.com", "bot.example.com", true);
        check("https://bot.example.com", "Bot.example.com:443", true);
        check("http://[::1]:8000", "[::1]:8000", true);
        check("http://127.0.0.1:8001", "127.0.0.1:8000", false);
        check("http://127.0.0.1", "127.0.0.1:8000", false);
        check("https://bot.example.com", "bot.example.com:80", false);
        check("https://evil.example", "bot.example.com", false);
        check("null", "bot.example.com", false);
        check("", "", false);
        check("https://", "", false);
        check("file://bot.example.com", "bot.example.com", false);
    }
}
