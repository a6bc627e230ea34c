//! From a body's bytes to its text: size, compression, charset.

use std::borrow::Cow;

use super::{
    ContentEncoding, Envelope,
    charset::Charset,
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
        let encoding = Encoding::parse(set(envelope.content_encoding).unwrap_or_default())?;
        let charset = match media_type.charset {
            Some(label) => Charset::from_label(label)
                .ok_or_else(|| unsupported(format!("the charset {label:?} isn't spoken here: use utf-8")))?,
            None => encoding.charset.unwrap_or(Charset::UTF_8),
        };
        let bytes = match encoding.compression {
            Some(compression) => Cow::Owned(compression.decompress(body, max_body)?),
            None => Cow::Borrowed(body),
        };
        let text = charset.decode(bytes).ok_or_else(|| {
            invalid(format!("the body isn't valid {}: name its charset in the content type", charset.name()))
        })?;
        Ok(Self { format, text })
    }
}

/// What the property `content_encoding` says: a compression, a charset, or (Spring's `gzip, UTF-8`) both.
#[derive(Debug, Default, PartialEq, Eq)]
struct Encoding {
    compression: Option<ContentEncoding>,
    charset: Option<Charset>,
}

impl Encoding {
    fn parse(content_encoding: &str) -> Result<Self, MessageError> {
        let refused = || {
            unsupported(format!("the content encoding {content_encoding:?} isn't spoken here: use none, gzip or zstd"))
        };
        let mut encoding = Self::default();
        for name in content_encoding.split(',').map(str::trim) {
            if ["", "identity", "binary"].iter().any(|nothing| name.eq_ignore_ascii_case(nothing)) {
                continue;
            }
            let twice = match ContentEncoding::from_name(name) {
                Some(compression) => encoding.compression.replace(compression).is_some(),
                None => encoding.charset.replace(Charset::from_label(name).ok_or_else(refused)?).is_some(),
            };
            if twice {
                return Err(refused());
            }
        }
        Ok(encoding)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::domain::ErrorCode;

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
        check("text/plain", "us-ascii", b"hi", Ok("hi"));
        check("text/plain", "us-ascii", utf8, invalid);
        check("text/plain", "", GBK, invalid);
        check("application/json", "", GBK, invalid);
        check("text/plain; charset=utf-8", "gbk", GBK, invalid);
        check("text/plain; charset=klingon", "", b"hi", unsupported);
        check("text/plain; charset=klingon", "utf-8", b"hi", unsupported);
        check("text/html", "", b"hi", unsupported);
        for encoding in ["br", "deflate", "compress", "gzip, zstd", "gzip, gzip", "utf-8, gbk", "utf-8; gzip"] {
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
}
