//! What lets a person's program into a conversation that was handed over to it: a capability.
//!
//! **Invariant:** a conversation's key can be worked out by whoever knows its name; the token can't. It is never logged.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{Key, Lane};

/// A random word that belongs to one handover of a conversation.
#[derive(Clone)]
pub struct Token(String);

/// Where a conversation is, and the token of its handover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Its queue.
    pub lane: Lane,
    /// What it is stored under.
    pub key: Key,
    pub token: Token,
}

/// What isn't a pass, or a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a pass to a conversation")]
pub struct InvalidPass;

impl Token {
    /// How long one is, in hexadecimal digits.
    const DIGITS: usize = 32;

    /// One that is these bits, which have to be random.
    pub fn of(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Takes the same time wherever two differ.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        let differing = self.0.bytes().zip(other.0.bytes()).fold(0, |all, (one, two)| all | (one ^ two));
        self.0.len() == other.0.len() && differing == 0
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = InvalidPass;

    fn from_str(text: &str) -> Result<Self, InvalidPass> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_token = text.len() == Self::DIGITS && text.bytes().all(is_digit);
        is_token.then(|| Self(text.to_owned())).ok_or(InvalidPass)
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// As the header holds it: `LANE.KEY.TOKEN`.
impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, key, token } = self;
        write!(f, "{lane}.{key}.{}", token.0)
    }
}

impl FromStr for Pass {
    type Err = InvalidPass;

    fn from_str(text: &str) -> Result<Self, InvalidPass> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(InvalidPass);
        Ok(Self {
            lane: Lane::parse(part()?).ok_or(InvalidPass)?,
            key: part()?.parse().map_err(|_| InvalidPass)?,
            token: part()?.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_pass_is_read_again_as_it_was_written_and_nothing_else_is_one() {
        let pass = Pass { lane: Lane::of("c"), key: Key::of([Some(&b"c"[..])]), token: Token::of(0xabc) };
        let text = pass.to_string();
        assert_eq!(text.parse(), Ok(pass.clone()));
        for wrong in [
            "",
            "..",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}0"),
            &format!("{text}."),
            &text.replace('.', "-"),
            &text.replace("abc", "ABC"),
            &text.replace("0abc", "0xyz"),
            &text.replace("00abc", "0éabc"),
        ] {
            assert_eq!(wrong.parse::<Pass>(), Err(InvalidPass), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_compared_whole_and_isnt_shown() {
        let (one, two) = (Token::of(1 << 127), Token::of(1));
        assert!(one != two && one == one.clone());
        assert!(!format!("{one:?}").contains(&one.0));
        let json = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Token>(&json).unwrap(), one);
        assert!(serde_json::from_str::<Token>("\"x\"").is_err());
    }
}
