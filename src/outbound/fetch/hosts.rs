//! The hosts from which attachments are fetched, as the operator writes them.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// A host, or all hosts below one, by one scheme and at one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    /// Whether it is asked by `http://`, and not by `https://`.
    plain: bool,
    hosts: Hosts,
    /// None: the scheme's own.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Any,
    /// All names that end with this, behind a dot.
    Below(String),
    One(String),
}

impl AllowedHost {
    /// Whether it is asked without TLS.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether an address is one of its.
    pub(super) fn matches(&self, url: &Url) -> bool {
        let scheme = if self.plain { "http" } else { "https" };
        let (Some(host), true) = (url.host_str(), url.scheme() == scheme) else { return false };
        // A name may end with the dot of the root.
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_host = match &self.hosts {
            Hosts::Any => true,
            Hosts::One(own) => host == own,
            Hosts::Below(end) => {
                host.strip_suffix(end.as_str()).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
            }
        };
        is_host && self.port.map_or_else(|| url.port().is_none(), |port| url.port_or_known_default() == Some(port))
    }
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |fault: &str| {
            format!("{fault}: write a host such as files.example.com, *.example.com or http://files.example.com:8080")
        };
        let (plain, rest) = match text.split_once("://") {
            None => (false, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (true, rest),
            Some(_) => return Err(wrong("the host begins neither with http:// nor with https://")),
        };
        // An IPv6 address has colons of its own.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !rest.ends_with(']') => {
                let port = port.parse().map_err(|_| wrong("what follows the colon is no port"))?;
                (host, Some(port))
            }
            _ => (rest, None),
        };
        let name = |host: &str| -> Result<String, String> {
            let parsed = Host::parse(host).ok().filter(|_| !host.contains('*'));
            let parsed = parsed.ok_or_else(|| wrong("that is no host"))?.to_string();
            Ok(parsed.strip_suffix('.').map(str::to_owned).unwrap_or(parsed))
        };
        let hosts = match host.strip_prefix("*.") {
            _ if host == "*" => Hosts::Any,
            Some(end) => Hosts::Below(name(end)?),
            None => Hosts::One(name(host)?),
        };
        Ok(Self { plain, hosts, port })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.plain { "http://" } else { "" })?;
        match &self.hosts {
            Hosts::Any => f.write_str("*")?,
            Hosts::Below(end) => write!(f, "*.{end}")?,
            Hosts::One(host) => f.write_str(host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_host_lets_its_own_addresses_through() {
        fn check(host: &str, url: &str, expected: bool) {
            let allowed: AllowedHost = host.parse().unwrap();
            assert_eq!(allowed.matches(&url.parse().unwrap()), expected, "{host} {url}");
            assert_eq!(allowed.to_string().parse(), Ok(allowed), "{host}");
        }
        check("files.example.com", "https://files.example.com/a.png", true);
        check("https://Files.Example.com", "https://files.EXAMPLE.com./a", true);
        check("files.example.com", "http://files.example.com/a", false);
        check("files.example.com", "https://files.example.com:8443/a", false);
        check("files.example.com", "https://files.example.com:443/a", true);
        check("files.example.com", "https://xfiles.example.com/", false);
        check("files.example.com", "https://files.example.com.evil.example/", false);
        check("*.example.com", "https://a.b.example.com/", true);
        check("*.example.com", "https://example.com/", false);
        check("*.example.com", "https://evilexample.com/", false);
        check("*", "https://anything.example/", true);
        check("*", "http://anything.example/", false);
        check("http://files:8080", "http://files:8080/a", true);
        check("http://files:8080", "http://files/a", false);
        check("http://files:8080", "https://files:8080/a", false);
        check("[2606:4700::1]:8443", "https://[2606:4700:0::1]:8443/", true);
        check("文件.example", "https://xn--7zv51k.example/", false);
        check("文件.example", "https://文件.example/", true);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for wrong in ["", "ftp://h", "a b", "h:port", "h:99999", "*.", "h/path", "user@h", "a*b.example"] {
            let found = wrong.parse::<AllowedHost>();
            assert!(found.as_ref().is_err_and(|fault| fault.contains("write a host such as")), "{wrong}: {found:?}");
        }
    }
}
