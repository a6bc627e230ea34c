//! Bodies of AMQP 1.0 messages, as RabbitMQ hands them to a consumer of AMQP 0-9-1.
//!
//! A body of one data section comes as its bytes. Any other comes as its sections are encoded, with the property `type`
//! set to `amqp-1.0`: most often one string value, which is what several AMQP 1.0 clients make of a text.
//! <https://www.rabbitmq.com/docs/conversions>

use std::borrow::Cow;

use super::invalid;
use crate::domain::MessageError;

/// The property `type` of a body that is encoded so.
const TYPE: &str = "amqp-1.0";

/// Descriptors of body sections (AMQP 1.0, part 3.2).
const DATA: u64 = 0x75;
const SEQUENCE: u64 = 0x76;
const VALUE: u64 = 0x77;

/// Whether the property `type` says that the body is one or several encoded sections.
pub(super) fn is_named(kind: Option<&str>) -> bool {
    kind == Some(TYPE)
}

/// What the sections hold: data sections' bytes joined, or one value that is a string or binary. A body that doesn't begin
/// as a section does is as it is: whoever speaks AMQP 0-9-1 may call a message `amqp-1.0` as well.
///
/// # Errors
/// `invalid_message` where it holds something else, or isn't whole.
pub(super) fn body(bytes: &[u8]) -> Result<Cow<'_, [u8]>, MessageError> {
    let mut reader = Reader(bytes);
    if bytes.first() != Some(&0) || bytes.len() == 1 {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    while !reader.0.is_empty() {
        match reader.descriptor()? {
            DATA => parts.push(reader.bytes("data")?),
            VALUE if parts.is_empty() => {
                let value = reader.bytes("a value")?;
                let is_last = reader.0.is_empty();
                return if is_last { Ok(Cow::Borrowed(value)) } else { Err(malformed()) };
            }
            SEQUENCE => return Err(holds("a sequence")),
            _ => return Err(malformed()),
        }
    }
    match parts.as_slice() {
        [one] => Ok(Cow::Borrowed(one)),
        several => Ok(Cow::Owned(several.concat())),
    }
}

fn malformed() -> MessageError {
    invalid("the type is amqp-1.0, and the body isn't sections of AMQP 1.0 that are whole")
}

fn holds(what: &str) -> MessageError {
    invalid(format!("the AMQP 1.0 body holds {what}: send a string value, or one data section"))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], MessageError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, MessageError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A described type's constructor and its descriptor, a small or a whole unsigned long.
    fn descriptor(&mut self) -> Result<u64, MessageError> {
        match (self.number(1)?, self.number(1)?) {
            (0x00, 0x53) => self.number(1),
            (0x00, 0x80) => self.number(8),
            _ => Err(malformed()),
        }
    }

    /// A string, a symbol or binary, of up to 255 bytes or of more.
    fn bytes(&mut self, what: &str) -> Result<&'a [u8], MessageError> {
        let length = match self.number(1)? {
            0xa0 | 0xa1 | 0xa3 => self.number(1)?,
            0xb0 | 0xb1 | 0xb3 => self.number(4)?,
            0x40 => return Err(holds("null")),
            0x45 | 0xc0 | 0xd0 => return Err(holds("a list")),
            0xc1 | 0xd1 => return Err(holds("a map")),
            _ => return Err(holds(&format!("{what} that is neither a string nor binary"))),
        };
        self.take(usize::try_from(length).map_err(|_| malformed())?)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::domain::{
        DeadReason, ErrorCode,
        codec::{Envelope, decode_request},
    };

    fn check(bytes: &[u8], expected: Option<&str>) {
        let read = body(bytes);
        let read = read.as_deref().map(|text| std::str::from_utf8(text).unwrap());
        assert_eq!(read.ok(), expected, "{bytes:x?}");
    }

    #[test]
    fn strings_and_data_are_read() {
        check(b"\x00\x53\x77\xa1\x05hello", Some("hello"));
        check(b"\x00\x53\x77\xa1\x00", Some(""));
        check(b"\x00\x53\x77\xb1\x00\x00\x00\x06\xe4\xbd\xa0\xe5\xa5\xbd", Some("你好"));
        check(b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x77\xa1\x02hi", Some("hi"));
        check(b"\x00\x53\x77\xa0\x02hi", Some("hi"));
        check(b"\x00\x53\x75\xa0\x02hi", Some("hi"));
        check(b"\x00\x53\x75\xa0\x02he\x00\x53\x75\xb0\x00\x00\x00\x03llo", Some("hello"));
        // No section begins so.
        for plain in ["hello", "{\"body\":\"hi\"}", "", "\0"] {
            check(plain.as_bytes(), Some(plain));
        }
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        for (bytes, words) in [
            (&b"\x00\x53\x77\x40"[..], "holds null"),
            (b"\x00\x53\x77\xc1\x01\x00", "holds a map"),
            (b"\x00\x53\x77\x45", "holds a list"),
            (b"\x00\x53\x77\x54\x07", "neither a string nor binary"),
            (b"\x00\x53\x76\x45", "holds a sequence"),
            (b"\x00\x53\x77\xa1\x05hell", "whole"),
            (b"\x00\x53\x77\xa1\x05hello!", "whole"),
            (b"\x00\x53\x77\xb1\xff\xff\xff\xffhi", "whole"),
            (b"\x00\x53\x73\xc0\x01\x00", "whole"),
            (b"\x00\x53", "whole"),
            (b"\x00\xa3\x04data", "whole"),
        ] {
            let error = body(bytes).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidMessage);
            assert!(error.message.contains(words), "{bytes:x?}: {}", error.message);
        }
    }

    #[test]
    fn the_type_is_the_brokers_word_and_not_the_clients() {
        let envelope = Envelope { kind: Some(TYPE), ..Envelope::default() };
        let read = |body: &[u8]| decode_request(&envelope, body, 100);
        let request = read(b"\x00\x53\x77\xa1\x05hello").unwrap();
        assert_eq!((request.text.as_str(), request.kind()), ("hello", "chat.request"));
        let request = read(b"\x00\x53\x77\xa1\x1d{\"body\":\"hi\",\"type\":\"chat.ask\"}").unwrap_err();
        assert_eq!(request.reason, DeadReason::Error(ErrorCode::InvalidMessage), "the length is wrong by two");
        let request = read(b"\x00\x53\x77\xa1\x1f{\"body\":\"hi\",\"type\":\"chat.ask\"}").unwrap();
        assert_eq!((request.text.as_str(), request.kind()), ("hi", "chat.ask"));
        let reply = read(b"\x00\x53\x77\xa1\x21{\"body\":\"hi\",\"type\":\"chat.reply\"}").unwrap_err();
        assert_eq!(reply.reason, DeadReason::NotARequest);
    }
}
