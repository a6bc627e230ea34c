//! The section `retry`: when to try again.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::config::types::{BoundedDuration, List, OFF, entries};

/// The most delays: each is a queue of the broker.
const MAX_DELAYS: usize = 8;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Retry {
    pub delays: Delays,
}

/// One delay, 10 ms to 24 h.
pub type Delay = BoundedDuration<10, 86_400_000>;

/// Up to 8 delays, each longer than the one before it; `None` if retries are off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delays(Vec<Delay>);

impl Delays {
    /// The delays, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().map(|delay| delay.get())
    }
}

impl<'de> Deserialize<'de> for Delays {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = entries(deserializer)?;
        if entries.is_empty() || entries == [OFF] {
            return Ok(Self(Vec::new()));
        }
        let hint = |message: String| D::Error::custom(format!("{message}; write delays such as 1s,5s,30s, or {OFF}"));
        if entries.len() > MAX_DELAYS {
            return Err(hint(format!("{} delays are too many: {MAX_DELAYS} at most", entries.len())));
        }
        let delays = List::<Delay>::read::<D::Error>(&entries).map_err(|error| hint(error.to_string()))?;
        match delays.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => {
                Err(hint(format!("{} follows {}, but each has to be longer than the last", pair[1], pair[0])))
            }
            None => Ok(Self(delays.to_vec())),
        }
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(OFF);
        }
        let delays: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&delays.join(","))
    }
}

impl Serialize for Delays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
