//! From a body's bytes to its text: size, compression, charset.

use std::borrow::Cow;

use super::{
    Envelope, amqp10,
    charset::Charset,
    compression::Compression,
    invalid,
    media_type::{Format, MediaType},
    set, too_large, unsupported,
};
use crate::domain::MessageError;

/// A body, decompressed and decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payload<'a> {
    /// How to read the text.
    pub(super) format: Format,
    /// The text; borrowed where it came as UTF-8 without compression.
    pub(super) text: Cow<'a, str>,
}

impl<'a> Payload<'a> {
    /// Reads a body as its properties tell.
    ///
    /// # Errors
    /// `payload_too_large` where it is more than `max_body` bytes, as received or decompressed;
    /// `unsupported_media_type`; `invalid_message` where its bytes aren't what the properties say.
    pub(super) fn read(envelope: &Envelope<'_>, body: &'a [u8], max_body: usize) -> Result<Self, MessageError> {
        if body.len() > max_body {
            return Err(too_large(format!("the body has {} bytes; at most {max_body} are accepted", body.len())));
        }
        let content_type = envelope.content_type.unwrap_or_default();
        let media_type = MediaType::parse(content_type);
        let format = media_type.format().ok_or_else(|| {
            unsupported(format!(
                "the content type {content_type:?} isn't spoken here: use application/json or text/plain"
            ))
        })?;
        let encoding = Encoding::of(envelope)?;
        let charset = match media_type.charset {
            Some(label) => Charset::from_label(label)
                .ok_or_else(|| unsupported(format!("the charset {label:?} isn't spoken here: use utf-8")))?,
            None => encoding.charset.unwrap_or(Charset::UTF_8),
        };
        let body = if amqp10::is_named(envelope.kind) { amqp10::body(body)? } else { Cow::Borrowed(body) };
        let bytes = match encoding.compression {
            Some(compression) => Cow::Owned(compression.decompress(&body, max_body)?),
            None => body,
        };
        let text = charset.decode(bytes).ok_or_else(|| {
            invalid(format!("the body isn't valid {}: name its charset in the content type", charset.name()))
        })?;
        Ok(Self { format, text })
    }
}

/// Whether a body is to be decompressed, and so may take the largest body's room.
pub(super) fn is_compressed(envelope: &Envelope<'_>) -> bool {
    Encoding::of(envelope).is_ok_and(|encoding| encoding.compression.is_some())
}

/// What the property `content_encoding` says: a compression, a charset, or both, in a list (`gzip, UTF-8`, or Spring's
/// `gzip:UTF-8`); and what kombu says of a compression, in a header of its own.
#[derive(Debug, Default, PartialEq, Eq)]
struct Encoding {
    compression: Option<Compression>,
    charset: Option<Charset>,
}

impl Encoding {
    fn of(envelope: &Envelope<'_>) -> Result<Self, MessageError> {
        let mut encoding = Self::parse(set(envelope.content_encoding).unwrap_or_default())?;
        if let Some(name) = set(envelope.compression) {
            let refused =
                |why| unsupported(format!("the header compression is {name:?}{why}: use none, gzip, deflate or zstd"));
            let compression =
                Compression::from_name(name.trim()).ok_or_else(|| refused(", which isn't spoken here"))?;
            if encoding.compression.replace(compression).is_some() {
                return Err(refused(", and content_encoding names a compression, too"));
            }
        }
        Ok(encoding)
    }

    fn parse(content_encoding: &str) -> Result<Self, MessageError> {
        let refused = || {
            unsupported(format!(
                "the content encoding {content_encoding:?} isn't spoken here: use none, gzip, deflate or zstd"
            ))
        };
        let mut encoding = Self::default();
        for element in content_encoding.split(',').map(str::trim) {
            // A charset may have a colon in its name (`ISO_8859-1:1987`).
            if let Some(charset) = Charset::from_label(element) {
                if encoding.charset.replace(charset).is_some() {
                    return Err(refused());
                }
                continue;
            }
            for name in element.split(':').map(str::trim) {
                if ["", "identity", "binary"].iter().any(|nothing| name.eq_ignore_ascii_case(nothing)) {
                    continue;
                }
                let twice = match Compression::from_name(name) {
                    Some(compression) => encoding.compression.replace(compression).is_some(),
                    None => encoding.charset.replace(Charset::from_label(name).ok_or_else(refused)?).is_some(),
                };
                if twice {
                    return Err(refused());
                }
            }
        }
        Ok(encoding)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::domain::{ErrorCode, codec::ContentEncoding};

    const GBK: &[u8] = b"\xc4\xe3\xba\xc3";

    fn read<'a>(content_type: &str, content_encoding: &str, body: &'a [u8]) -> Result<Payload<'a>, MessageError> {
        let envelope = Envelope {
            content_type: Some(content_type),
            content_encoding: Some(content_encoding),
            ..Envelope::default()
        };
        Payload::read(&envelope, body, 100)
    }

    #[test]
    fn charsets_of_type_and_encoding() {
        fn check(content_type: &str, content_encoding: &str, body: &[u8], expected: Result<&str, ErrorCode>) {
            let text = read(content_type, content_encoding, body).map(|payload| payload.text);
            let text = text.as_deref().map_err(|error| error.code);
            assert_eq!(text, expected, "{content_type:?} {content_encoding:?}");
        }
        let utf8 = "你好".as_bytes();
        let unsupported = Err(ErrorCode::UnsupportedMediaType);
        let invalid = Err(ErrorCode::InvalidMessage);
        check("", "", utf8, Ok("你好"));
        check("", "utf-8", utf8, Ok("你好"));
        check("text/plain", "UTF-8", utf8, Ok("你好"));
        check("text/plain", "binary", utf8, Ok("你好"));
        check("text/plain", "Identity", utf8, Ok("你好"));
        check("text/plain", "gbk", GBK, Ok("你好"));
        check("application/octet-stream", "gb18030", GBK, Ok("你好"));
        check("text/plain; charset=gbk", "", GBK, Ok("你好"));
        check("text/plain; charset=gbk", "utf-8", GBK, Ok("你好"));
        check("text/plain; charset=\"utf-8\"", "gbk", utf8, Ok("你好"));
        check("text/plain", "ISO_8859-1:1987", b"caf\xe9", Ok("café"));
        check("text/plain", "identity:utf-8", utf8, Ok("你好"));
        check("text/plain", "us-ascii", b"hi", Ok("hi"));
        check("text/plain", "us-ascii", utf8, invalid);
        check("text/plain", "", GBK, invalid);
        check("application/json", "", GBK, invalid);
        check("text/plain; charset=utf-8", "gbk", GBK, invalid);
        check("text/plain; charset=klingon", "", b"hi", unsupported);
        check("text/plain; charset=klingon", "utf-8", b"hi", unsupported);
        check("text/html", "", b"hi", unsupported);
        for encoding in [
            "br",
            "zip:UTF-8",
            "compress",
            "gzip, zstd",
            "gzip, gzip",
            "gzip:deflate",
            "utf-8, gbk",
            "utf-8:gbk",
            "utf-8; gzip",
            "gzip/UTF-8",
        ] {
            check("text/plain", encoding, b"hi", unsupported);
        }
    }

    #[test]
    fn compressed_text_of_any_charset() {
        for (name, compression) in [("gzip", ContentEncoding::Gzip), ("ZSTD", ContentEncoding::Zstd)] {
            let utf8 = compression.compress("你好".as_bytes()).unwrap();
            let gbk = compression.compress(GBK).unwrap();
            assert_eq!(read("text/plain", name, &utf8).unwrap().text, "你好");
            assert_eq!(read("text/plain; charset=gbk", name, &gbk).unwrap().text, "你好");
            assert_eq!(read("text/plain", &format!("{name}, UTF-8"), &utf8).unwrap().text, "你好");
            assert_eq!(read("text/plain", &format!("gbk,{name}"), &gbk).unwrap().text, "你好");
            // Spring's.
            assert_eq!(read("text/plain", &format!("{name}:UTF-8"), &utf8).unwrap().text, "你好");
            assert_eq!(read("text/plain", &format!("GBK : {name}"), &gbk).unwrap().text, "你好");
        }
        assert_eq!(read("text/plain", "gzip", b"plain").unwrap_err().code, ErrorCode::InvalidMessage);
        assert_eq!(read("text/plain", "zstd", b"plain").unwrap_err().code, ErrorCode::InvalidMessage);
    }

    #[test]
    fn the_limit_holds_as_received() {
        let length = |body: &[u8]| read("", "", body).map(|payload| payload.text.len()).map_err(|error| error.code);
        assert_eq!(length(&[b'x'; 100]), Ok(100));
        assert_eq!(length(&[b'x'; 101]), Err(ErrorCode::PayloadTooLarge));
    }

    #[test]
    fn plain_utf8_is_not_copied() {
        assert!(matches!(read("application/json", "utf-8", b"{}").unwrap().text, Cow::Borrowed("{}")));
    }

    /// Bodies as kombu makes them: `Producer.publish(…, compression=…)`.
    #[test]
    fn kombus_header_names_a_compression() {
        const HELLO: &[u8] = b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15"; // zlib.compress(b"hello")
        fn check(encoding: &str, header: &str, body: &[u8], expected: Result<&str, ErrorCode>) {
            let envelope = Envelope {
                content_type: Some("text/plain"),
                content_encoding: Some(encoding),
                compression: Some(header),
                ..Envelope::default()
            };
            let text = Payload::read(&envelope, body, 100).map(|payload| payload.text);
            assert_eq!(text.as_deref().map_err(|error| error.code), expected, "{encoding:?} {header:?}");
            let is_unfolded = !header.is_empty() && expected.is_ok() || encoding == "gzip";
            assert_eq!(is_compressed(&envelope), is_unfolded && expected.is_ok(), "{encoding:?} {header:?}");
        }
        let unsupported = Err(ErrorCode::UnsupportedMediaType);
        let zstd = ContentEncoding::Zstd.compress("你好".as_bytes()).unwrap();
        let gzip = ContentEncoding::Gzip.compress(GBK).unwrap();
        check("utf-8", "application/x-gzip", HELLO, Ok("hello"));
        check("", "application/x-gzip", HELLO, Ok("hello"));
        check("binary", "zlib", HELLO, Ok("hello"));
        check("utf-8", "application/zstd", &zstd, Ok("你好"));
        check("gbk", "application/x-gzip", &gzip, Ok("你好"));
        check("utf-8", "", b"hello", Ok("hello"));
        check("gzip", "", &ContentEncoding::Gzip.compress(b"hello").unwrap(), Ok("hello"));
        check("gzip", "application/x-gzip", HELLO, unsupported);
        for other in ["application/x-bz2", "application/x-lzma", "application/x-brotli", "snappy"] {
            check("utf-8", other, HELLO, unsupported);
        }
    }
}
