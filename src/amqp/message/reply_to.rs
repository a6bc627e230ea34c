//! Where a reply may go.
//!
//! Whoever can publish a request chooses `reply_to`, and the worker's right to publish would carry the reply into any
//! queue of its virtual host.
//!
//! **Invariant:** no reply goes to a queue of this topology, nor to a broker's own name that isn't made for replies.

use lapin::types::ShortString;

use crate::amqp::Names;

const DIRECT: &str = "amq.rabbitmq.reply-to.";
const SERVER_NAMED: &str = "amq.gen-";

/// What begins the address of a queue for RabbitMQ's AMQP 1.0 clients (<https://www.rabbitmq.com/docs/amqp#addresses>).
const QUEUES: &str = "/queues/";
/// What begins other addresses of AMQP 1.0 and STOMP clients, of the first and the second version.
const OTHERS: [&str; 6] = ["/exchanges/", "/exchange/", "/topic/", "/queue/", "/amq/queue/", "/temp-queue/"];

/// An address that replies may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The queue's name, or a direct reply-to address.
    pub address: ShortString,
    /// Whether it is RabbitMQ's direct reply-to.
    /// <https://www.rabbitmq.com/docs/direct-reply-to>
    pub direct: bool,
}

/// Why an address is refused, in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyAddressError {
    /// A queue of the worker's own.
    #[error("reply_to names a queue of the worker's own topology")]
    Ours,
    /// A broker's name that isn't made for replies.
    #[error("reply_to names an object of the broker's (amq.*) that isn't made for replies")]
    Reserved,
    /// It begins as a direct reply-to address does, and doesn't go on as one.
    #[error("reply_to isn't an address that RabbitMQ gives for direct reply-to")]
    Malformed,
    /// The address of something else than a queue, or of a queue in a form that isn't spoken here.
    #[error(
        "reply_to is an address, and not a queue's name: the only form of address that is spoken here is /queues/NAME, \
         percent-encoded"
    )]
    Unspoken,
    /// Not among the patterns of `reply.allow`.
    #[error("reply_to isn't allowed by CHATBOT_REPLY_ALLOW")]
    NotAllowed,
}

/// Checks an address; none where there is no address.
///
/// # Errors
/// [`ReplyAddressError`].
pub fn check(
    address: Option<&ShortString>,
    names: &Names,
    allow: &[String],
) -> Result<Option<ReplyTo>, ReplyAddressError> {
    let Some(address) = address.filter(|address| !address.as_str().is_empty()) else { return Ok(None) };
    let address = queue_of(address)?;
    let name = address.as_str();
    if names.is_ours(name) {
        return Err(ReplyAddressError::Ours);
    }
    let direct = name.starts_with(DIRECT);
    if direct && !name.strip_prefix(DIRECT).is_some_and(is_direct_form) {
        return Err(ReplyAddressError::Malformed);
    }
    if name.starts_with("amq.") && !direct && !name.starts_with(SERVER_NAMED) {
        return Err(ReplyAddressError::Reserved);
    }
    if !allow.is_empty() && !allow.iter().any(|pattern| matches(pattern, name)) {
        return Err(ReplyAddressError::NotAllowed);
    }
    Ok(Some(ReplyTo { address, direct }))
}

/// The queue that an address names: as a rule it is the queue's name. A queue whose name looks like an address is reached
/// by its address: `/queues/%2Fqueues%2Fmine`.
fn queue_of(address: &ShortString) -> Result<ShortString, ReplyAddressError> {
    let text = address.as_str();
    let Some(encoded) = text.strip_prefix(QUEUES) else {
        let is_other = OTHERS.iter().any(|other| text.starts_with(other));
        return if is_other { Err(ReplyAddressError::Unspoken) } else { Ok(address.clone()) };
    };
    let name = percent_encoding::percent_decode_str(encoded).decode_utf8().map_err(|_| ReplyAddressError::Unspoken)?;
    let is_whole = !name.is_empty() && !encoded.contains('/') && is_percent_encoded(encoded);
    let name = is_whole.then(|| ShortString::try_new(&*name).ok()).flatten();
    name.ok_or(ReplyAddressError::Unspoken)
}

/// Whether each `%` begins two hexadecimal digits.
fn is_percent_encoded(text: &str) -> bool {
    let is_hex = |digits: &str| digits.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.split('%').skip(1).all(is_hex)
}

/// Whether this is `<process>.<key>`, each in base64. What RabbitMQ makes of a well-formed one nobody can tell before;
/// but each that is refused here is a connection that isn't lost.
fn is_direct_form(rest: &str) -> bool {
    let base64 = |part: &str| {
        let digits = part.trim_end_matches('=');
        part.len().is_multiple_of(4)
            && (1..=part.len()).contains(&digits.len())
            && part.len() - digits.len() <= 2
            && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
    };
    rest.split_once('.').is_some_and(|(process, key)| base64(process) && base64(key))
}

/// Whether a name matches a pattern in which `*` stands for any characters, also none.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(position) = rest.find(part) else { return false };
        rest = &rest[position + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    fn address(name: &str, allow: &[&str]) -> Result<Option<bool>, ReplyAddressError> {
        let allow: Vec<String> = allow.iter().map(|&pattern| pattern.to_owned()).collect();
        let names = Names::new("shop").unwrap();
        check(Some(&ShortString::try_new(name).unwrap()), &names, &allow).map(|found| found.map(|to| to.direct))
    }

    #[test]
    fn addresses_are_let_through_or_refused() {
        for (name, expected) in [
            ("", Ok(None)),
            ("answers", Ok(Some(false))),
            ("shop", Ok(Some(false))),
            ("shop2.requests", Ok(Some(false))),
            ("amq.gen-JzTY20BRgKO", Ok(Some(false))),
            ("amq.rabbitmq.reply-to.g1h2AA5yZXBseQ==.QUJD", Ok(Some(true))),
            ("amq.rabbitmq.reply-to.", Err(ReplyAddressError::Malformed)),
            ("amq.rabbitmq.reply-to.g1h2AA.xx", Err(ReplyAddressError::Malformed)),
            ("amq.rabbitmq.reply-to.g1h2.", Err(ReplyAddressError::Malformed)),
            ("amq.rabbitmq.reply-to.====.g1h2", Err(ReplyAddressError::Malformed)),
            ("amq.rabbitmq.reply-to.g1h2.é123", Err(ReplyAddressError::Malformed)),
            ("amq.rabbitmq.reply-to", Err(ReplyAddressError::Reserved)),
            ("amq.rabbitmq.trace", Err(ReplyAddressError::Reserved)),
            ("shop.requests", Err(ReplyAddressError::Ours)),
            ("shop.requests.dead", Err(ReplyAddressError::Ours)),
            ("shop.anything", Err(ReplyAddressError::Ours)),
        ] {
            assert_eq!(address(name, &[]), expected, "{name}");
        }
    }

    #[test]
    fn an_amqp_1_0_address_of_a_queue_is_that_queue() {
        fn check(address: &str, expected: Result<&str, ReplyAddressError>) {
            let names = Names::new("shop").unwrap();
            let found = super::check(Some(&ShortString::try_new(address).unwrap()), &names, &[]);
            let found = found.map(|to| to.unwrap().address.to_string());
            assert_eq!(found.as_deref().map_err(|error| *error), expected, "{address}");
        }
        let unspoken = Err(ReplyAddressError::Unspoken);
        check("/queues/answers", Ok("answers"));
        check("/queues/my%20answers%2Fof%3Amine", Ok("my answers/of:mine"));
        check("/queues/%E7%AD%94%E6%A1%88", Ok("答案"));
        check("/queues/amq.gen-JzTY20BRgKO", Ok("amq.gen-JzTY20BRgKO"));
        check(
            "/queues/amq.rabbitmq.reply-to.g1h2AA5yZXBseQ%3D%3D.QUJD",
            Ok("amq.rabbitmq.reply-to.g1h2AA5yZXBseQ==.QUJD"),
        );
        check("/queues/%2Fqueues%2Fmine", Ok("/queues/mine"));
        // What a name may not be, an address may not be either.
        check("/queues/shop.requests", Err(ReplyAddressError::Ours));
        check("/queues/shop%2Erequests", Err(ReplyAddressError::Ours));
        check("/queues/amq%2Erabbitmq%2Elog", Err(ReplyAddressError::Reserved));
        for other in [
            "/queues/",
            "/queues/a/b",
            "/queues/%zz",
            "/queues/a%2",
            "/queues/%FF",
            "/exchanges/answers/key",
            "/exchanges/answers",
            "/exchange/answers/key",
            "/topic/answers",
            "/queue/answers",
            "/amq/queue/answers",
        ] {
            check(other, unspoken);
        }
        // Names that a queue may have.
        for name in ["/", "/answers", "answers/key", "/queues", "queues/answers"] {
            check(name, Ok(name));
        }
    }

    #[test]
    fn patterns_narrow() {
        for (name, allow, allowed) in [
            ("web.1", &["web.*"][..], true),
            ("web.1", &["app.*", "web.*"], true),
            ("web", &["web.*"], false),
            ("web.a.b", &["web.*.b"], true),
            ("web.b", &["web.*.b"], false),
            ("exact", &["exact"], true),
            ("exact1", &["exact"], false),
            ("anything", &["*"], true),
            ("aXbXb", &["a*b*b"], true),
            ("ab", &["a*b*b"], false),
            ("amq.rabbitmq.reply-to.g1h2.QUJD", &["web.*"], false),
            ("amq.rabbitmq.reply-to.g1h2.QUJD", &["amq.rabbitmq.reply-to.*"], true),
        ] {
            assert_eq!(address(name, allow).is_ok(), allowed, "{name} {allow:?}");
        }
        assert_eq!(address("shop.requests", &["*"]), Err(ReplyAddressError::Ours));
    }
}
