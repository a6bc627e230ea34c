//! What a worker tells of itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::conversation::Store;

/// The longest text in it that is believed, in bytes.
const MAX_TEXT: usize = 255;
/// The longest message that is read, in bytes.
const MAX_MESSAGE: usize = 4_096;

/// What a worker tells of itself. Fields that a newer program adds are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The worker: no two have the same.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// A hash of all that the bot is made of.
    pub bot: String,
    /// Where it keeps conversations; `None` where its bot has none, or it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreKind>,
    /// The lanes that it delivers from.
    #[serde(default)]
    pub lanes: Lanes,
    /// Whether it takes no lane now, as its store is its own, and another worker may have conversations.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// How many messages it has in work.
    pub in_flight: u64,
    /// Whether it says this as its last word, as it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaves: bool,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::File => "file",
            Self::Redis => "redis",
            Self::Other => "other",
        })
    }
}

/// Where conversations are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    Memory,
    File,
    Redis,
    /// One that this program doesn't know.
    #[serde(other)]
    Other,
}

impl StoreKind {
    /// That of a store.
    pub fn of(store: &dyn Store) -> Self {
        match store.name() {
            "memory" => Self::Memory,
            "file" => Self::File,
            "redis" => Self::Redis,
            _ => Self::Other,
        }
    }

    /// Whether several workers may share it.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Redis | Self::Other)
    }
}

/// Some of the sixteen lanes; written as their hexadecimal digits, `03af`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Lanes(u16);

impl Lanes {
    /// With one more, 0 to 15; another number changes nothing.
    #[must_use]
    pub fn with(self, lane: u8) -> Self {
        Self(self.0 | 1_u16.checked_shl(lane.into()).unwrap_or(0))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a lane is among them.
    pub fn has(self, lane: u8) -> bool {
        self.0.checked_shr(lane.into()).unwrap_or(0) & 1 == 1
    }
}

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..16).filter(|&lane| self.has(lane)).try_for_each(|lane| write!(f, "{lane:x}"))
    }
}

impl From<Lanes> for String {
    fn from(lanes: Lanes) -> Self {
        lanes.to_string()
    }
}

/// Of the digits in it; what else is there is passed over.
impl From<String> for Lanes {
    fn from(digits: String) -> Self {
        let lanes = digits.chars().filter_map(|digit| digit.to_digit(16)).filter_map(|lane| u8::try_from(lane).ok());
        lanes.fold(Self::default(), Self::with)
    }
}

impl Beat {
    /// What a message says; `None` where it isn't one.
    pub fn read(body: &[u8]) -> Option<Self> {
        let beat: Self = (body.len() <= MAX_MESSAGE).then(|| serde_json::from_slice(body).ok())??;
        let texts = [&beat.name, &beat.version, &beat.bot];
        (!beat.name.is_empty() && texts.iter().all(|text| text.len() <= MAX_TEXT)).then_some(beat)
    }

    /// The message, in JSON.
    pub fn write(&self) -> Vec<u8> {
        // A struct of texts and numbers always serialises.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A worker of this name, with nothing else of its own.
    pub(in super::super) fn beat(name: &str) -> Beat {
        Beat {
            name: name.into(),
            version: "0.1.0".into(),
            bot: "b0".into(),
            store: Some(StoreKind::Redis),
            lanes: Lanes::default(),
            waits: false,
            in_flight: 0,
            leaves: false,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let beat = Beat { lanes: Lanes::default().with(0).with(10).with(15), in_flight: 7, ..beat("a") };
        let text = String::from_utf8(beat.write()).unwrap_or_default();
        let expected = r#"{"name":"a","version":"0.1.0","bot":"b0","store":"redis","lanes":"0af","in_flight":7}"#;
        assert_eq!(text, expected);
        assert_eq!(Beat::read(text.as_bytes()), Some(beat.clone()));
        let last = Beat { leaves: true, waits: true, store: None, ..beat };
        assert_eq!(Beat::read(&last.write()), Some(last));
    }

    #[test]
    fn what_a_newer_program_says_is_read_as_far_as_it_is_known() {
        let newer = br#"{"name":"a","version":"9","bot":"b","store":"cloud","lanes":"0z1","in_flight":1,"mood":[]}"#;
        let read = Beat::read(newer);
        let expected = (Some(StoreKind::Other), Lanes::default().with(0).with(1));
        assert_eq!(read.map(|beat| (beat.store, beat.lanes)), Some(expected));
    }

    #[test]
    fn what_is_no_beat_is_passed_over() {
        let long = format!(r#"{{"name":"{}","version":"","bot":"","in_flight":0}}"#, "x".repeat(256));
        let padded = format!(r#"{{"name":"a","version":"","bot":"","in_flight":0}}{}"#, " ".repeat(5_000));
        let nameless = r#"{"name":"","version":"","bot":"","in_flight":0}"#;
        for wrong in ["", "{}", "null", r#"{"name":1}"#, &long, &padded, nameless] {
            assert_eq!(Beat::read(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(Beat::read(br#"{"name":"a","version":"","bot":"","in_flight":0}"#).is_some());
    }

    #[test]
    fn there_are_sixteen_lanes() {
        let all = (0..=255).fold(Lanes::default(), Lanes::with);
        assert_eq!(all.to_string(), "0123456789abcdef");
        assert!(all.has(15) && !all.has(16) && !Lanes::default().has(0));
    }
}
