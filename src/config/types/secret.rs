//! A secret: a key or a token, never shown.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};

use super::{Invalid, text::serde_as_text};

/// A key or token that goes into an HTTP header: visible ASCII characters.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromStr for Secret {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            true => Ok(Self(text.into())),
            false => Err(Invalid("it holds a character that no key has: is there a line break in it?".into())),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

serde_as_text!(Secret);
