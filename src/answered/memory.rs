//! What this process has answered, and what it is working on.
//!
//! **Invariant:** bounded by count, bytes and age; the oldest answer goes first. A request is worked on by at most one
//! claim, and whoever waits for it hears its outcome, or that there will be none.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use metrics::{Gauge, gauge};
use tokio::sync::oneshot;

use super::Key;
use crate::domain::{Outcome, Reply};

/// How much is remembered, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most answers.
    pub entries: usize,
    /// The most bytes of all answers together.
    pub bytes: usize,
    /// How long an answer is remembered, here and where it is shared.
    pub age: Duration,
}

/// What is known of a request that comes again.
pub(super) enum Known {
    /// Its answer.
    Answered(Arc<Reply>),
    /// It is being worked on; its outcome comes here, or an error where the work was given up.
    Running(oneshot::Receiver<Outcome>),
    /// Nothing; it is now claimed by whoever asked.
    Claimed,
}

pub(super) struct Memory {
    bounds: Bounds,
    state: Mutex<State>,
    entries: Gauge,
    bytes: Gauge,
}

#[derive(Default)]
struct State {
    known: HashMap<Key, Entry>,
    /// The answers, the oldest first. One that was replaced since is still here, and skipped.
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
    answers: usize,
}

enum Entry {
    Running(Vec<oneshot::Sender<Outcome>>),
    Answered { reply: Arc<Reply>, bytes: usize, at: Instant },
}

impl Memory {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            entries: gauge!("chatbot_answered_entries"),
            bytes: gauge!("chatbot_answered_bytes"),
        }
    }

    /// Claims a request that comes for the first time; false where the same is being worked on. What was answered under
    /// its key before is another request's by a client that uses its message ids again, and is forgotten.
    pub(super) fn claim(&self, key: Key) -> bool {
        let mut state = self.state();
        if matches!(state.known.get(&key), Some(Entry::Running(_))) {
            return false;
        }
        state.forget(&key);
        state.known.insert(key, Entry::Running(Vec::new()));
        true
    }

    /// What is known of a request that comes again.
    pub(super) fn look_up(&self, key: Key) -> Known {
        let mut state = self.state();
        state.expire(self.bounds.age, Instant::now());
        match state.known.get_mut(&key) {
            Some(Entry::Answered { reply, .. }) => Known::Answered(reply.clone()),
            Some(Entry::Running(waiting)) => {
                let (sender, receiver) = oneshot::channel();
                waiting.push(sender);
                Known::Running(receiver)
            }
            None => {
                state.known.insert(key, Entry::Running(Vec::new()));
                Known::Claimed
            }
        }
    }

    /// Ends a claim: tells whoever waits, and remembers the answer where there is one.
    pub(super) fn finish(&self, key: Key, outcome: Option<&Outcome>) {
        let mut state = self.state();
        let Some(Entry::Running(waiting)) = state.known.remove(&key) else { return };
        if let Some(Outcome::Reply(reply)) = outcome {
            state.remember(key, reply.clone(), &self.bounds);
            self.entries.set(state.answers as f64);
            self.bytes.set(state.bytes as f64);
        }
        drop(state);
        // Where there is no outcome, dropping the senders says so.
        if let Some(outcome) = outcome {
            for sender in waiting {
                let _ = sender.send(outcome.clone());
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, key: Key, reply: Arc<Reply>, bounds: &Bounds) {
        let (bytes, at) = (size(&reply), Instant::now());
        self.expire(bounds.age, at);
        if bytes > bounds.bytes {
            return;
        }
        self.known.insert(key, Entry::Answered { reply, bytes, at });
        self.order.push_back((at, key));
        self.bytes += bytes;
        self.answers += 1;
        while self.order.len() > bounds.entries || self.bytes > bounds.bytes {
            self.drop_oldest();
        }
    }

    fn expire(&mut self, age: Duration, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= age) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((oldest, key)) = self.order.pop_front() else { return };
        if matches!(self.known.get(&key), Some(Entry::Answered { at, .. }) if *at == oldest) {
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(Entry::Answered { bytes, .. }) = self.known.remove(key) {
            self.bytes -= bytes;
            self.answers -= 1;
        }
    }
}

/// About the memory that an answer takes, in bytes.
fn size(reply: &Reply) -> usize {
    /// The structure itself, its place in the table and in the order, and what an allocation costs beside its bytes.
    const FIXED: usize = 640;
    const RANKED: usize = 40;
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let classification = reply.classification.as_ref();
    FIXED
        + reply.id.len()
        + text(&reply.in_reply_to)
        + text(&reply.receiver)
        + text(&reply.conversation)
        + reply.metadata.as_ref().map_or(0, |metadata| metadata.get().len())
        + reply.text.len()
        + classification.map_or(0, |found| found.ranking.len() * RANKED)
}
