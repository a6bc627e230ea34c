//! What OpenAI's packages send anew by themselves, and by which id that is known again.
//!
//! **Invariant:** a first attempt has an id of its own, as the same text may be said twice in a conversation; its repetitions
//! have the same. Bounded memory, whatever comes.

use std::time::Duration;

use moka::{policy::EvictionPolicy, sync::Cache};
use uuid::Uuid;

/// How many attempts are remembered, the newest, and for how long: their clients have given up by then.
const MOST: u64 = 1_000;
const KEPT: Duration = Duration::from_secs(600);

/// What is sent, by its SHA-256.
pub(super) type Sent = [u8; 32];

/// The ids of the newest attempts, by what was sent.
pub(super) struct Attempts(Cache<Sent, String>);

impl Default for Attempts {
    fn default() -> Self {
        // By their age alone: a newcomer's repetition may be the next that comes.
        Self(Cache::builder().max_capacity(MOST).time_to_live(KEPT).eviction_policy(EvictionPolicy::lru()).build())
    }
}

impl Attempts {
    /// The id of an attempt, by how often its client says that it has tried before; none where that says no number.
    pub(super) fn id(&self, sent: Sent, tried: &str) -> Option<String> {
        let tried: u32 = tried.parse().ok()?;
        let before = if tried == 0 { None } else { self.0.get(&sent) };
        // One whose first attempt came to another door is new here, but what follows it isn't.
        let id = before.unwrap_or_else(|| {
            let id = Uuid::now_v7().to_string();
            self.0.insert(sent, id.clone());
            id
        });
        Some(id)
    }

    #[cfg(test)]
    fn count(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: Sent = [1; 32];
    const YES: Sent = [2; 32];

    #[test]
    fn the_same_said_once_more_is_new_and_its_repetition_is_not() {
        let attempts = Attempts::default();
        let first = attempts.id(NO, "0");
        assert!(first.is_some());
        assert_eq!(attempts.id(NO, "1"), first);
        assert_eq!(attempts.id(NO, "2"), first);
        let other = attempts.id(YES, "0");
        assert_ne!(other, first);
        let second = attempts.id(NO, "0");
        assert!(second != first && second != other, "{second:?}");
        assert_eq!(attempts.id(NO, "1"), second);
        assert_eq!(attempts.id(YES, "1"), other);
    }

    #[test]
    fn a_repetition_that_is_new_here_has_an_id_that_holds_on() {
        let attempts = Attempts::default();
        let id = attempts.id(NO, "1");
        assert!(id.is_some());
        assert_eq!(attempts.id(NO, "2"), id);
        for nonsense in ["", "first", "-1", "1.5"] {
            assert_eq!(attempts.id(NO, nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_newest_are_remembered_and_no_more() {
        let attempts = Attempts::default();
        let sent = |at: u32| {
            let mut sent = [0; 32];
            sent[..4].copy_from_slice(&at.to_be_bytes());
            sent
        };
        for at in 0..3_000 {
            let id = attempts.id(sent(at), "0");
            assert!(attempts.count() <= MOST);
            assert_eq!(attempts.id(sent(at), "1"), id, "{at}");
        }
    }
}
