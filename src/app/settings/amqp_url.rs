//! The address of a broker's node, with credentials: `amqp://user:password@host:5672/vhost`.
//!
//! **Invariant:** the password is never shown, in an error neither; nor is any part of a URL that can't be read, since
//! a password that isn't percent-encoded may end up in any part of it. <https://www.rabbitmq.com/docs/uri-spec>

use std::{fmt, net::Ipv6Addr, str::FromStr};

use secrecy::SecretString;
use url::{Host, ParseError, Url};

use crate::config::types::{Invalid, text::serde_as_text};

const FORM: &str = "write amqp://USER:PASSWORD@HOST:5672/VHOST, or amqps:// for TLS";
const ENCODE: &str = "percent-encode what isn't a letter or digit in its user name, password and virtual host, such as \
                      / as %2F, @ as %40, # as %23, ? as %3F, : as %3A, % as %25, a comma as %2C";
/// AMQP's short string: the longest virtual host, in bytes.
const MAX_VHOST: usize = 255;
const MECHANISMS: [&str; 5] = ["plain", "amqplain", "external", "anonymous", "rabbit-cr-demo"];

/// The address of a broker's node.
#[derive(Debug, Clone)]
pub struct AmqpUrl {
    pub tls: bool,
    /// A name or an IP address; an IPv6 address without its brackets.
    pub host: String,
    /// The port; 5672, or 5671 with TLS, where the URL names none.
    pub port: u16,
    /// The user; `guest` where the URL names none.
    pub user: String,
    /// The password; `guest` where the URL names none, or an empty one.
    pub password: SecretString,
    /// The virtual host; `/` where the path is empty or `/`.
    pub vhost: String,
    pub options: AmqpUrlOptions,
}

/// What a URL's query says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AmqpUrlOptions {
    /// The largest frame, in bytes; 0 leaves it to the broker.
    pub frame_max: Option<u32>,
    /// The most channels; 0 leaves it to the broker.
    pub channel_max: Option<u16>,
    /// Seconds between heartbeats; 0 switches them off.
    pub heartbeat: Option<u16>,
    /// Milliseconds for the connection to open.
    pub connection_timeout: Option<u64>,
    /// The SASL mechanism, lower case: `plain`, `amqplain`, `external`, `anonymous` or `rabbit-cr-demo`.
    pub auth_mechanism: Option<&'static str>,
}

impl FromStr for AmqpUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // The URL standard leaves tabs and line breaks out without a word.
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(invalid("the URL holds white space", "write one URL, or several with commas between them"));
        }
        let url = Url::parse(text).map_err(unreadable)?;
        let tls = match url.scheme() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(invalid("the URL doesn't begin with amqp:// or amqps://", FORM)),
        };
        if url.cannot_be_a_base() {
            return Err(invalid("the URL has no // after its scheme", FORM));
        }
        if url.fragment().is_some() {
            return Err(invalid("the URL holds a #", ENCODE));
        }
        let host = match url.host() {
            Some(Host::Domain(host)) if !host.is_empty() => decode(host)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(invalid("the URL names no host", FORM)),
        };
        let port = match url.port() {
            Some(0) => return Err(invalid("the URL's port is 0", FORM)),
            Some(port) => port,
            None if tls => 5671,
            None => 5672,
        };
        let user = if url.username().is_empty() { "guest".into() } else { decode(url.username())? };
        let password = url.password().map_or_else(|| Ok("guest".into()), decode)?.into();
        Ok(Self { tls, host, port, user, password, vhost: vhost(url.path())?, options: options(&url)? })
    }
}

fn invalid(fault: &str, remedy: &str) -> Invalid {
    Invalid(format!("{fault}: {remedy}"))
}

fn unreadable(error: ParseError) -> Invalid {
    match error {
        ParseError::RelativeUrlWithoutBase => {
            invalid("the URL doesn't begin with amqp:// or amqps://", &format!("{FORM}; a comma in a password is %2C"))
        }
        ParseError::EmptyHost => invalid("the URL names no host", FORM),
        ParseError::InvalidPort => {
            invalid("the URL's port isn't a number up to 65535, or its password holds one of / ? # ,", ENCODE)
        }
        _ => invalid("the URL's host can't be read", ENCODE),
    }
}

/// The virtual host that a path means. An empty one and `/` mean `/`, as in most clients; the specification of
/// RabbitMQ's URIs takes `/` for the virtual host without a name, which nobody has.
fn vhost(path: &str) -> Result<String, Invalid> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.contains(['/', '@']) {
        return Err(invalid(
            "after HOST/, the URL holds another / or an @ (the virtual host / is written %2F)",
            ENCODE,
        ));
    }
    let vhost = if path.is_empty() { "/".into() } else { decode(path)? };
    if vhost.len() > MAX_VHOST {
        return Err(Invalid(format!("the URL's virtual host is longer than {MAX_VHOST} bytes: shorten it")));
    }
    Ok(vhost)
}

fn options(url: &Url) -> Result<AmqpUrlOptions, Invalid> {
    let mut options = AmqpUrlOptions::default();
    if url.query().is_some_and(|query| query.contains('@')) {
        return Err(invalid("the URL holds a ? before an @", ENCODE));
    }
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "frame_max" => {
                let number: u32 = number(&key, &value)?;
                if (1..4096).contains(&number) {
                    return Err(Invalid("the URL's frame_max is below 4096, the least that AMQP allows".into()));
                }
                options.frame_max = Some(number);
            }
            "channel_max" => options.channel_max = Some(number(&key, &value)?),
            "heartbeat" => options.heartbeat = Some(number(&key, &value)?),
            "connection_timeout" => options.connection_timeout = Some(number(&key, &value)?),
            "auth_mechanism" => {
                let known = MECHANISMS.into_iter().find(|name| value.eq_ignore_ascii_case(name));
                let fault =
                    || invalid("the URL's auth_mechanism isn't known", &format!("use {}", MECHANISMS.join(", ")));
                options.auth_mechanism = Some(known.ok_or_else(fault)?);
            }
            other => {
                let known = "use frame_max, channel_max, heartbeat, connection_timeout or auth_mechanism";
                let fault =
                    format!("the URL's query has an unknown key, {:?}", other.chars().take(40).collect::<String>());
                return Err(invalid(&fault, known));
            }
        }
    }
    Ok(options)
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, Invalid> {
    value.parse().map_err(|_| Invalid(format!("the URL's {key} isn't a whole number in range, such as {key}=60000")))
}

/// Decodes `%XX`.
fn decode(text: &str) -> Result<String, Invalid> {
    let fault = || invalid("the URL holds a % that isn't followed by two hexadecimal digits of UTF-8 text", ENCODE);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = digit(rest.next()).zip(digit(rest.next())).ok_or_else(fault)?;
            bytes.push(u8::try_from(high * 16 + low).map_err(|_| fault())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| fault())
}

/// Encodes all but the characters that mean themselves everywhere in a URL.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// The URL with its password masked.
impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        write!(f, "{scheme}://{}:***@", Encoded(&self.user))?;
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]")?,
            Err(_) => Encoded(&self.host).fmt(f)?,
        }
        write!(f, ":{}/{}", self.port, Encoded(&self.vhost))?;
        self.options.fmt(f)
    }
}

impl fmt::Display for AmqpUrlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = [
            self.frame_max.map(|value| format!("frame_max={value}")),
            self.channel_max.map(|value| format!("channel_max={value}")),
            self.heartbeat.map(|value| format!("heartbeat={value}")),
            self.connection_timeout.map(|value| format!("connection_timeout={value}")),
            self.auth_mechanism.map(|value| format!("auth_mechanism={value}")),
        ];
        for (i, pair) in pairs.into_iter().flatten().enumerate() {
            write!(f, "{}{pair}", if i == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

serde_as_text!(AmqpUrl);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn each_part_is_read() {
        fn check(text: &str, expected: (bool, &str, u16, &str, &str, &str)) {
            let url: AmqpUrl = text.parse().unwrap();
            let read = (url.tls, &*url.host, url.port, &*url.user, url.password.expose_secret(), &*url.vhost);
            assert_eq!(read, expected, "{text}");
        }
        check("amqp://h", (false, "h", 5672, "guest", "guest", "/"));
        check("amqps://h", (true, "h", 5671, "guest", "guest", "/"));
        check("amqp://h/", (false, "h", 5672, "guest", "guest", "/"));
        check("amqp://h/%2f", (false, "h", 5672, "guest", "guest", "/"));
        check("amqp://h/prod", (false, "h", 5672, "guest", "guest", "prod"));
        check("amqp://h/a%2Fb", (false, "h", 5672, "guest", "guest", "a/b"));
        check("AMQP://u:p@h:1/v", (false, "h", 1, "u", "p", "v"));
        check("amqp://u@h", (false, "h", 5672, "u", "guest", "/"));
        check("amqp://u:@h", (false, "h", 5672, "u", "guest", "/"));
        check("amqp://a%40b:p%2Fq%3A%25%E4%B8%AD@h", (false, "h", 5672, "a@b", "p/q:%中", "/"));
        check("amqp://u:p@w@h", (false, "h", 5672, "u", "p@w", "/"));
        check("amqp://u:0123@h", (false, "h", 5672, "u", "0123", "/"));
        check("amqp://u:p+q@h", (false, "h", 5672, "u", "p+q", "/"));
        check("amqp://127.0.0.1:5673", (false, "127.0.0.1", 5673, "guest", "guest", "/"));
        check("amqp://[::1]:5673/v", (false, "::1", 5673, "guest", "guest", "v"));
    }

    #[test]
    fn the_query_is_read() {
        let text =
            "amqps://h?frame_max=131072&channel_max=10&heartbeat=5&connection_timeout=900&auth_mechanism=EXTERNAL";
        let url: AmqpUrl = text.parse().unwrap();
        let expected = AmqpUrlOptions {
            frame_max: Some(131_072),
            channel_max: Some(10),
            heartbeat: Some(5),
            connection_timeout: Some(900),
            auth_mechanism: Some("external"),
        };
        assert_eq!(url.options, expected);
    }

    #[test]
    fn it_is_shown_in_full_but_for_the_password() {
        fn check(text: &str, expected: &str) {
            let url: AmqpUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), expected);
            assert!(!format!("{url:?}").contains("s3cret"));
            assert!(expected.parse::<AmqpUrl>().is_ok());
        }
        check("amqp://u:s3cret@h", "amqp://u:***@h:5672/%2F");
        check(
            "amqps://a%40b:s3cret@[::1]/v?heartbeat=5&frame_max=0",
            "amqps://a%40b:***@[::1]:5671/v?frame_max=0&heartbeat=5",
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        fn check(text: &str, fault: &str) {
            let message = text.parse::<AmqpUrl>().unwrap_err().to_string();
            assert!(message.contains(fault), "{text}: {message}");
            for part in ["s3c", "cret", "4dm1n", "h0st"] {
                assert!(!message.contains(part), "{text}: {message}");
            }
        }
        check("", "doesn't begin with amqp://");
        check("h0st:5672", "doesn't begin with amqp://");
        check("4dm1n:s3cret@h0st", "doesn't begin with amqp://");
        check("s3cret@h0st", "a comma in a password is %2C");
        check("http://4dm1n:s3cret@h0st", "doesn't begin with amqp://");
        check("amqp:4dm1n:s3cret@h0st", "no // after its scheme");
        check("amqp://", "names no host");
        check("amqp:///v", "names no host");
        check("amqp://4dm1n:s3cret@", "names no host");
        check("amqp://4dm1n:s3cret@h0st:0", "port is 0");
        check("amqp://4dm1n:s3cret@h0st:65536", "port isn't a number");
        check("amqp://4dm1n:s3c/ret@h0st", "its password holds one of");
        check("amqp://4dm1n:s3c#ret@h0st", "its password holds one of");
        check("amqp://4dm1n:12/s3cret@h0st", "after HOST/, the URL holds another / or an @");
        check("amqp://4dm1n:12#s3cret@h0st", "percent-encode");
        check("amqp://4dm1n:12?s3cret@h0st", "percent-encode");
        check("amqp://4dm1n:s3cret@h0st/a/b", "/ is written %2F");
        check("amqp://4dm1n:s3cret@h0st//", "/ is written %2F");
        check("amqp://4dm1n:s3c%ret@h0st", "followed by two hexadecimal digits");
        check("amqp://4dm1n:s3cret%f@h0st", "followed by two hexadecimal digits");
        check("amqp://4dm1n:s3cret%ff@h0st", "of UTF-8 text");
        check("amqp://4dm1n:s3cret@h 0st", "white space");
        check("amqp://4dm1n:s3cret@h0st\namqp://b", "white space");
        check("amqp://4dm1n:s3cret@[::1", "host can't be read");
        check("amqp://4dm1n:s3cret@h0st?heartbeet=5", "unknown key, \"heartbeet\": use frame_max");
        check("amqp://4dm1n:s3cret@h0st?heartbeat=soon", "heartbeat isn't a whole number");
        check("amqp://4dm1n:s3cret@h0st?heartbeat=70000", "heartbeat isn't a whole number");
        check("amqp://4dm1n:s3cret@h0st?frame_max=100", "below 4096");
        check("amqp://4dm1n:s3cret@h0st?auth_mechanism=magic", "use plain, amqplain");
        check(&format!("amqp://4dm1n:s3cret@h0st/{}", "v".repeat(256)), "longer than 255 bytes");
    }
}
