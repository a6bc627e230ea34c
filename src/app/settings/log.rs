//! The section `log`: what is logged, and how.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::{Directive, LevelFilter};

use crate::config::types::{Invalid, choose, quote, text::serde_as_text};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Log {
    pub level: LogFilter,
    pub format: LogFormat,
}

/// Directives of tracing-subscriber's `EnvFilter`, each of which it can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object on a line.
    Json,
}

impl LogFilter {
    /// The directives, comma-separated.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const FORM: &str = "use error, warn, info, debug, trace or off, or with levels for targets: info,lapin=warn";
        for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            // EnvFilter takes a word that is no level for a target, and a misspelt `inof` would silence the log.
            let is_level = directive.parse::<LevelFilter>().is_ok();
            if !is_level && !directive.contains(['=', '[']) {
                return Err(Invalid(format!("{} isn't a level: {FORM}", quote(directive))));
            }
            if directive.parse::<Directive>().is_err() {
                return Err(Invalid(format!("{} isn't a log directive: {FORM}", quote(directive))));
            }
        }
        // EnvFilter doesn't trim.
        Ok(Self(text.split(',').map(str::trim).collect::<Vec<_>>().join(",")))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(LogFilter);

impl FromStr for LogFormat {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choose(text, &[("text", Self::Text), ("json", Self::Json)])
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

serde_as_text!(LogFormat);
