//! Who waits for which answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Heard;

/// How much of an answer may wait to be taken: what is more of its parts is dropped, as the answer itself is whole.
const WAITING: usize = 64;

/// Those who wait, by their correlation ids.
#[derive(Default)]
pub(super) struct Pending(Mutex<HashMap<Arc<str>, mpsc::Sender<Heard>>>);

impl Pending {
    /// One more waits, from now on.
    pub(super) fn wait(&self, correlation: Arc<str>) -> mpsc::Receiver<Heard> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.all().insert(correlation, sender);
        receiver
    }

    /// One waits no more.
    pub(super) fn forget(&self, correlation: &str) {
        self.all().remove(correlation);
    }

    /// Hands a part of an answer to who waits for it.
    pub(super) fn part(&self, correlation: &str, body: Vec<u8>) {
        let all = self.all();
        // One place is the answer's.
        if let Some(waiting) = all.get(correlation).filter(|waiting| waiting.capacity() > 1) {
            let _ = waiting.try_send(Heard::Part(Bytes::from(body)));
        }
    }

    /// Hands the answer to who waits for it; a second one is nobody's.
    pub(super) fn answer(&self, correlation: &str, answer: Heard) {
        if let Some(waiting) = self.all().remove(correlation) {
            let _ = waiting.try_send(answer);
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all().len()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, mpsc::Sender<Heard>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(receiver: &mut mpsc::Receiver<Heard>) -> Vec<Heard> {
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    #[test]
    fn whoever_takes_nothing_loses_parts_and_gets_the_answer() {
        let pending = Pending::default();
        let (mut slow, mut other) = (pending.wait("a".into()), pending.wait("b".into()));
        for part in 0..2 * WAITING {
            pending.part("a", part.to_string().into_bytes());
        }
        pending.part("b", b"x".to_vec());
        pending.answer("a", Heard::Reply(Bytes::from_static(b"whole")));
        pending.answer("a", Heard::Reply(Bytes::from_static(b"again")));
        pending.part("a", b"late".to_vec());
        let heard = taken(&mut slow);
        assert_eq!(heard.len(), WAITING);
        assert_eq!(heard.last(), Some(&Heard::Reply(Bytes::from_static(b"whole"))));
        assert_eq!(taken(&mut other), [Heard::Part(Bytes::from_static(b"x"))]);
        assert_eq!(pending.len(), 1);
        pending.forget("b");
        assert_eq!(pending.len(), 0);
    }
}
