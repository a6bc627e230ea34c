//! Which of the sixteen queues of conversations one belongs to.

use std::fmt;

use flate2::Crc;

/// One of the sixteen queues in which conversations wait, each in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(u8);

impl Lane {
    /// All of them.
    pub const ALL: [Self; 16] = {
        let mut all = [Self(0); 16];
        let mut at = 1;
        while at < 16 {
            all[at as usize] = Self(at);
            at += 1;
        }
        all
    };

    /// The lane of a conversation: the low four bits of zlib's CRC-32 (RFC 1952, section 8) of its id's UTF-8 bytes, which
    /// every language has in its standard library.
    pub fn of(conversation: &str) -> Self {
        let mut crc = Crc::new();
        crc.update(conversation.as_bytes());
        Self(crc.sum().to_le_bytes()[0] & 0xf)
    }

    /// The lane that is written so.
    pub fn parse(digit: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.to_string() == digit)
    }
}

/// A lower-case hexadecimal digit.
impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `python3 -c 'import zlib; print(f"{zlib.crc32(ID.encode()) & 15:x}")'`.
    #[test]
    fn a_conversation_is_in_the_lane_that_other_programs_find() {
        for (conversation, lane) in [
            ("", "0"),
            ("c1", "1"),
            ("c2", "b"),
            ("order-42", "e"),
            ("会话一", "e"),
            ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "a"),
        ] {
            assert_eq!(Lane::of(conversation).to_string(), lane, "{conversation:?}");
        }
        for lane in Lane::ALL {
            assert_eq!(Lane::parse(&lane.to_string()), Some(lane));
        }
        for other in ["", "10", "F", "g", "-1", "00"] {
            assert_eq!(Lane::parse(other), None, "{other}");
        }
    }
}
