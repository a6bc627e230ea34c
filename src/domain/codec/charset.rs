//! Charsets: from a body's bytes to its text, never with a replacement character.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// What a byte order mark decodes to. It isn't part of the text.
const MARK: char = '\u{FEFF}';

/// How text is written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// Apart from the others, because the Encoding Standard reads `us-ascii` as windows-1252: UTF-8 that is labelled so
    /// would come out garbled, and nobody would know.
    Ascii,
    /// One of the Encoding Standard's.
    Of(&'static Encoding),
}

impl Charset {
    pub(super) const UTF_8: Self = Self::Of(UTF_8);

    /// The charset of that label (`utf-8`, `us-ascii`, `gbk`, `gb18030`, … <https://encoding.spec.whatwg.org/#names-and-labels>),
    /// in upper or lower case. `None` if there is no such label, or only the standard's `replacement`, which reads nothing.
    pub(super) fn from_label(label: &str) -> Option<Self> {
        if ["us-ascii", "ascii", "ansi_x3.4-1968"].iter().any(|ascii| label.eq_ignore_ascii_case(ascii)) {
            return Some(Self::Ascii);
        }
        Encoding::for_label_no_replacement(label.as_bytes()).map(Self::Of)
    }

    /// The text, without its byte order mark. `None` if a byte is malformed in this charset. UTF-8 isn't copied.
    pub(super) fn decode(self, bytes: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
        let text = match self {
            Self::Ascii if !bytes.is_ascii() => return None,
            Self::Ascii => utf8(bytes)?,
            Self::Of(encoding) if encoding == UTF_8 => utf8(bytes)?,
            Self::Of(encoding) => {
                let encoding = marked_utf16(encoding, &bytes).unwrap_or(encoding);
                match bytes {
                    Cow::Borrowed(bytes) => encoding.decode_without_bom_handling_and_without_replacement(bytes)?,
                    Cow::Owned(bytes) => {
                        let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
                        Cow::Owned(text.into_owned())
                    }
                }
            }
        };
        Some(unmarked(text))
    }

    /// The name, as the Encoding Standard writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ascii => "US-ASCII",
            Self::Of(encoding) => encoding.name(),
        }
    }
}

fn utf8(bytes: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// The UTF-16 whose byte order the body itself tells, which wins over a label: `utf-16` leaves the order to the mark,
/// and the Encoding Standard reads it as little-endian, where Java writes it big-endian.
fn marked_utf16(encoding: &'static Encoding, bytes: &[u8]) -> Option<&'static Encoding> {
    let is_utf16 = |encoding| encoding == UTF_16LE || encoding == UTF_16BE;
    let (marked, _) = Encoding::for_bom(bytes)?;
    (is_utf16(encoding) && is_utf16(marked)).then_some(marked)
}

fn unmarked(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(MARK).unwrap_or(text)),
        Cow::Owned(mut text) => {
            if text.starts_with(MARK) {
                text.drain(..MARK.len_utf8());
            }
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn check(label: &str, bytes: &[u8], expected: Option<&str>) {
        let charset = Charset::from_label(label).unwrap();
        assert_eq!(charset.decode(Cow::Borrowed(bytes)).as_deref(), expected, "{label} {bytes:x?}");
        assert_eq!(charset.decode(Cow::Owned(bytes.to_vec())).as_deref(), expected, "{label} {bytes:x?}, owned");
    }

    #[test]
    fn texts() {
        check("utf-8", "你好 😀\0".as_bytes(), Some("你好 😀\0"));
        check("UTF8", b"", Some(""));
        check("us-ascii", b"hello", Some("hello"));
        check("ASCII", b"hello", Some("hello"));
        check("gbk", b"\xc4\xe3\xba\xc3", Some("你好"));
        check("GB2312", b"\xc4\xe3\xba\xc3", Some("你好"));
        check("gb18030", b"\x94\x39\xfc\x36", Some("😀"));
        check("big5", b"\xa7\x41\xa6\x6e", Some("你好"));
        check("iso-8859-1", b"caf\xe9", Some("café"));
        check("utf-16le", b"h\0i\0", Some("hi"));
    }

    #[test]
    fn malformed_bytes_are_never_replaced() {
        check("utf-8", b"\xff", None);
        check("utf-8", b"a\xc4\xe3", None);
        check("utf-8", b"\xed\xa0\x80", None);
        check("utf-8", "你".as_bytes().split_last().unwrap().1, None);
        check("us-ascii", "你".as_bytes(), None);
        check("gbk", b"\xc4", None);
        check("gbk", b"\xff\xff", None);
        check("utf-16le", b"h\0i", None);
        check("utf-16le", b"\x00\xd8a\0", None);
    }

    #[test]
    fn one_byte_order_mark_is_stripped() {
        check("utf-8", b"\xef\xbb\xbfhi", Some("hi"));
        check("utf-8", b"\xef\xbb\xbf\xef\xbb\xbfhi", Some("\u{FEFF}hi"));
        check("gb18030", b"\x84\x31\x95\x33hi", Some("hi"));
        check("utf-16", b"\xff\xfeh\0i\0", Some("hi"));
        check("utf-16", b"\xfe\xff\0h\0i", Some("hi"));
        check("utf-16be", b"\xfe\xff\0h\0i", Some("hi"));
    }

    #[test]
    fn unknown_labels() {
        for label in ["", "gzip", "utf-7", "klingon", "hz-gb-2312", "iso-2022-kr", "replacement", "binary"] {
            assert_eq!(Charset::from_label(label), None, "{label}");
        }
    }

    #[test]
    fn utf8_is_not_copied() {
        assert!(matches!(Charset::UTF_8.decode(Cow::Borrowed(b"\xef\xbb\xbfhi")), Some(Cow::Borrowed("hi"))));
    }
}
