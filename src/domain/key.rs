//! What tells one request from every other.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
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

    /// Its bytes, as [`Self::from_bytes`] takes them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// What isn't a key in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 64 hexadecimal digits")]
pub struct InvalidKey;

/// From hexadecimal digits, of either case.
impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut key = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 2 * key.len() {
            return Err(InvalidKey);
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(0).zip(digit(1)).map(|(high, low)| high << 4 | low).ok_or(InvalidKey)?;
        }
        Ok(Self(key))
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
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

    #[test]
    fn what_was_written_is_read_again_and_nothing_else() {
        let key = Key::of([Some(&b"a"[..])]);
        let text = key.to_string();
        assert_eq!((text.parse(), text.to_uppercase().parse()), (Ok(key), Ok(key)));
        assert_eq!(Key::from_bytes(*key.as_bytes()), key);
        let wrong = ["", "0", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "g"), &"é".repeat(32)];
        for wrong in wrong {
            assert_eq!(wrong.parse::<Key>(), Err(InvalidKey), "{wrong}");
        }
    }
}
