//! Text from files, pipes and variables: UTF-8, with or without a byte order mark.
//!
//! Windows' editors and shells put a mark (U+FEFF) in front of a text. It is no part of the text: left there, it makes a
//! password wrong, hides the first line of a PEM file, and is a word to the intent model.

use std::{fs, io, path::Path};

const MARK: &str = "\u{feff}";

/// Why bytes are no text, in words that follow the name of their file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// Two bytes a character, as Windows' "Unicode" files have it, and what PowerShell 5 writes with `>`.
    #[error("is UTF-16 text (Windows calls it \"Unicode\"): save it as UTF-8")]
    Utf16,
    /// Anything else.
    #[error("isn't UTF-8 text")]
    Other,
}

/// The text without its byte order mark.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// The same before anything is known of the bytes.
pub fn bytes_without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK.as_bytes()).unwrap_or(bytes)
}

/// Bytes as text, without a byte order mark.
///
/// # Errors
/// [`NotText`].
pub fn decode(mut bytes: Vec<u8>) -> Result<String, NotText> {
    if bytes.starts_with(MARK.as_bytes()) {
        bytes.drain(..MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| not_text(error.as_bytes()))
}

/// What bytes are that can't be read as UTF-8.
pub fn not_text(bytes: &[u8]) -> NotText {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => NotText::Utf16,
        _ => NotText::Other,
    }
}

/// A file's text, without a byte order mark.
///
/// # Errors
/// Why it can't be read, in words that follow the file's name.
pub fn read(path: &Path) -> Result<String, String> {
    decode_read(fs::read(path))
}

/// What reading a file came to, as its text.
///
/// # Errors
/// As [`read`].
pub fn decode_read(read: io::Result<Vec<u8>>) -> Result<String, String> {
    let bytes = read.map_err(|error| format!("can't be read: {error}"))?;
    decode(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_no_part_of_a_text() {
        fn check(bytes: &[u8], expected: Result<&str, NotText>) {
            assert_eq!(decode(bytes.to_vec()), expected.map(str::to_owned), "{bytes:?}");
        }
        check(b"\xef\xbb\xbfs3cret\r\n", Ok("s3cret\r\n"));
        check("\u{feff}问候".as_bytes(), Ok("问候"));
        check(b"\xef\xbb\xbf", Ok(""));
        check(b"", Ok(""));
        check(b"plain", Ok("plain"));
        // In the middle, it is what its author wrote.
        check("a\u{feff}b".as_bytes(), Ok("a\u{feff}b"));
        check(b"\xff\xfe[\0a\0]\0", Err(NotText::Utf16));
        check(b"\xfe\xff\0[\0a\0]", Err(NotText::Utf16));
        check(b"\xce\xca\xba\xf2", Err(NotText::Other));
        check(b"\xef\xbb", Err(NotText::Other));
    }
}
