//! The section `reply`: where replies may go.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::config::types::{Invalid, List, text::serde_as_text};

/// AMQP's short string: the longest name of a queue, in bytes.
const MAX_NAME: usize = 255;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reply {
    /// The reply addresses that are allowed; all that the contract allows where none is set.
    pub allow: Option<List<AddressPattern>>,
}

/// A pattern of reply addresses; `*` stands for any characters, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPattern(String);

impl AddressPattern {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AddressPattern {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > MAX_NAME {
            return Err(Invalid(format!(
                "a pattern longer than {MAX_NAME} bytes, which no queue's name is: write one such as replies.*"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(AddressPattern);
