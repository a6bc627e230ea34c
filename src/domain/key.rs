//! What tells one request from every other.

use std::fmt;

use sha2::{Digest, Sha256};

/// A request, by all that makes it the same request: another address, name or text makes another key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The SHA-256 (FIPS 180-4) of these parts, each with its length before it, so that none can pass for a piece of
    /// its neighbour. A part that isn't there is not an empty one.
    pub fn of<'a>(parts: impl IntoIterator<Item = Option<&'a [u8]>>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            let length = part.map_or(u64::MAX, |bytes| bytes.len() as u64);
            digest.update(length.to_le_bytes());
            digest.update(part.unwrap_or_default());
        }
        Self(digest.finalize().into())
    }
}

/// In hexadecimal digits.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_passes_for_a_piece_of_another() {
        let keys = [
            Key::of([Some(&b"ab"[..]), Some(b"c")]),
            Key::of([Some(&b"a"[..]), Some(b"bc")]),
            Key::of([Some(&b"abc"[..]), None]),
            Key::of([Some(&b"abc"[..]), Some(b"")]),
            Key::of([None, Some(&b"abc"[..])]),
            Key::of([Some(&b"abc"[..])]),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{index}");
        }
        assert_eq!(keys[0], Key::of([Some(&b"ab"[..]), Some(b"c")]));
    }

    #[test]
    fn a_key_is_written_as_sha_256_is() {
        // FIPS 180-4's "abc" has a length before it here: this is of sixteen zeros, printf '\0%.0s' {1..16} | sha256sum.
        let expected = "374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb";
        assert_eq!(Key::of([Some(&b""[..]), Some(b"")]).to_string(), expected);
    }
}
