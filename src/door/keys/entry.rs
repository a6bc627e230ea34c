//! A key, as the file of keys tells of it.

use std::{fmt::Write, num::NonZeroU32, sync::Arc};

use super::{KeyHash, Origin};

/// The requests a minute of a public key that says nothing of it.
const PUBLIC_RATE: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// The most requests a minute.
pub const MAX_RATE: u32 = 1_000_000;
/// The longest name, in characters.
pub const MAX_NAME: usize = 64;

/// A key of the file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose it is: the sender that the bot sees.
    pub name: Arc<str>,
    pub hash: KeyHash,
    pub kind: EntryKind,
    /// The requests a minute; `None`: no limit, or a public key's default.
    pub rate: Option<NonZeroU32>,
}

/// What sort of a key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// It stands in pages of these origins, so anybody may read it.
    Public { origins: Vec<Origin> },
    /// A program's.
    Secret { names_senders: bool },
}

impl Entry {
    pub fn is_public(&self) -> bool {
        matches!(self.kind, EntryKind::Public { .. })
    }

    /// The requests a minute that it may make: from one address, if it is public.
    pub fn limit(&self) -> Option<NonZeroU32> {
        self.rate.or(self.is_public().then_some(PUBLIC_RATE))
    }

    /// Whether it is for pages of this origin.
    pub(super) fn is_for(&self, origin: &str) -> bool {
        matches!(&self.kind, EntryKind::Public { origins } if origins.iter().any(|own| own.is(origin)))
    }

    /// The lines of the file that tell of it.
    pub fn to_toml(&self) -> String {
        let mut lines = format!("[keys.{}]\nhash = \"{}\"\n", quoted(&self.name), self.hash);
        match &self.kind {
            EntryKind::Public { origins } => {
                let origins: Vec<String> = origins.iter().map(|origin| format!("\"{origin}\"")).collect();
                let _ = writeln!(lines, "public = true\norigins = [{}]", origins.join(", "));
            }
            EntryKind::Secret { names_senders: true } => lines.push_str("names_senders = true\n"),
            EntryKind::Secret { names_senders: false } => {}
        }
        if let Some(rate) = self.rate {
            let _ = writeln!(lines, "rate = {rate}");
        }
        lines
    }
}

/// What is wrong with a name, and what would be right; `None` where it is one.
pub fn name_fault(name: &str) -> Option<&'static str> {
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    let is_plain = name.trim() == name && !name.chars().any(char::is_control);
    (!fits || !is_plain)
        .then_some("a key's name has 1 to 64 characters, without line breaks, and without white space around it")
}

/// A name as a key of TOML.
fn quoted(name: &str) -> String {
    let is_bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    // Control characters, which TOML has other escapes for, are in no name.
    if is_bare { name.to_owned() } else { format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_on_one_line() {
        fn check(name: &str, expected: bool) {
            assert_eq!(name_fault(name).is_none(), expected, "{name:?}");
        }
        for name in ["shop", "商店", "the \"shop\"", &"商".repeat(64)] {
            check(name, true);
        }
        for name in ["", " ", "a\nb", "a ", "\u{1b}[2J", &"a".repeat(65)] {
            check(name, false);
        }
    }
}
