//! What this process has answered, and what it is working on.
//!
//! This is no cache in front of something: what is dropped to make room has to be the oldest answer, whose message is the
//! least likely to come again, and work that runs is waited for. So it isn't moka, which keeps what is asked for often.
//!
//! **Invariant:** bounded by count, bytes and age; the oldest answer goes first. A request is worked on by at most one
//! claim, and those who wait for it hear its outcome, or that there will be none.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use metrics::{Gauge, gauge};
use tokio::sync::oneshot;

use crate::domain::{Choice, Classification, Details, Done, Entity, Key, Outcome, Reply, Scored, Source};

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
    Answered(Outcome),
    /// It is being worked on; its outcome comes here, or an error where the work was given up.
    Running(oneshot::Receiver<Outcome>),
    /// Nothing; the caller has the claim on it now.
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
    Answered { outcome: Outcome, bytes: usize, at: Instant },
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
            Some(Entry::Answered { outcome, .. }) => Known::Answered(outcome.clone()),
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

    /// Ends a claim: tells those who wait, and remembers the answer where there is one.
    pub(super) fn finish(&self, key: Key, outcome: Option<&Outcome>) {
        let mut state = self.state();
        let Some(Entry::Running(waiting)) = state.known.remove(&key) else { return };
        if let Some(outcome @ (Outcome::Reply(_) | Outcome::Done(_))) = outcome {
            state.remember(key, outcome.clone(), &self.bounds);
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
    fn remember(&mut self, key: Key, outcome: Outcome, bounds: &Bounds) {
        let (bytes, at) = (size_of_answer(&outcome), Instant::now());
        self.expire(bounds.age, at);
        if bytes > bounds.bytes {
            return;
        }
        self.known.insert(key, Entry::Answered { outcome, bytes, at });
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

/// About the memory that what is remembered takes, in bytes.
fn size_of_answer(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Reply(reply) => size(reply),
        Outcome::Done(done) => {
            let texts = [Some(&done.id), done.in_reply_to.as_ref(), done.conversation.as_ref()];
            let texts = texts.into_iter().flatten().map(|text| text.len() + ALLOCATION);
            size_of::<Done>() + ENTRY + texts.sum::<usize>()
        }
        // Nothing else is remembered.
        _ => ENTRY,
    }
}

/// What an answer takes beside itself: its place in the table and in the order.
const ENTRY: usize = size_of::<(Key, Entry)>() + size_of::<(Instant, Key)>();

/// About the memory that a reply takes, in bytes. Each part is named, so that a new one isn't left out.
fn size(reply: &Reply) -> usize {
    /// The structure itself, and its place.
    const FIXED: usize = size_of::<Reply>() + ENTRY;
    let Reply {
        id,
        in_reply_to,
        receiver,
        conversation,
        metadata,
        text,
        locale,
        intent,
        classification,
        entities,
        details: Details { handler: _, data, sources, choices, usage: _, state, finish: _ },
    } = reply;
    let some = |text: &Option<String>| text.as_ref().map_or(0, |text| text.len() + ALLOCATION);
    let texts = [id.len(), text.len(), intent.as_str().len()];
    FIXED
        + texts.iter().map(|length| length + ALLOCATION).sum::<usize>()
        + [in_reply_to, receiver, conversation, locale].into_iter().map(some).sum::<usize>()
        + metadata.as_ref().map_or(0, |metadata| metadata.get().len() + ALLOCATION)
        + classification.as_ref().map_or(0, classified)
        + entities.iter().map(entity).sum::<usize>()
        + data.as_ref().map_or(0, |data| data.get().len() + ALLOCATION)
        + sources.iter().map(source).sum::<usize>()
        + state.as_ref().and_then(|it| it.slot.as_ref()).map_or(0, |slot| slot.len() + ALLOCATION)
        + choices.iter().map(|choice| choice_size(&choice.title, &choice.value)).sum::<usize>()
}

fn source(source: &Source) -> usize {
    let Source { id, title, text, path, url, score: _ } = source;
    let texts = [Some(id), Some(text), title.as_ref(), path.as_ref(), url.as_ref()];
    size_of::<Source>() + texts.into_iter().flatten().map(|text| text.len() + ALLOCATION).sum::<usize>()
}

fn choice_size(title: &str, value: &str) -> usize {
    size_of::<Choice>() + title.len() + value.len() + 2 * ALLOCATION
}

/// What an allocation costs beside its bytes.
const ALLOCATION: usize = 16;

fn classified(classification: &Classification) -> usize {
    let Classification { confidence: _, fallback: _, predicted, ranking, model, entities, transcript } = classification;
    let scored = |scored: &Scored| size_of::<Scored>() + scored.name.as_str().len() + ALLOCATION;
    predicted.as_ref().map_or(0, scored)
        + ranking.iter().map(scored).sum::<usize>()
        // All answers of a model share its name.
        + model.as_ref().map_or(0, |_| ALLOCATION)
        + entities.iter().map(entity).sum::<usize>()
        + transcript.as_ref().map_or(0, |text| text.len() + ALLOCATION)
}

fn entity(entity: &Entity) -> usize {
    let Entity { name, value, text, start: _, end: _ } = entity;
    size_of::<Entity>() + [name, value, text].into_iter().map(|text| text.len() + ALLOCATION).sum::<usize>()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;
    use crate::domain::IntentName;

    #[test]
    fn each_part_of_an_answer_counts() {
        let intent = |name: &str| IntentName::new(name).unwrap();
        let bare = Reply {
            id: "id".to_owned(),
            in_reply_to: None,
            receiver: None,
            conversation: None,
            metadata: None,
            text: "text".to_owned(),
            locale: None,
            intent: intent("refund"),
            classification: None,
            entities: Vec::new(),
            details: Details::default(),
        };
        let long = || "x".repeat(1_000);
        let scored = || Scored::new(intent(&"i".repeat(60)), 0.5);
        let named = || Entity { name: long(), value: long(), text: long(), start: 0, end: 1 };
        let classification = Classification {
            confidence: None,
            fallback: true,
            predicted: None,
            ranking: Vec::new(),
            model: None,
            entities: Vec::new(),
            transcript: None,
        };
        let with = |classification| Reply { classification: Some(classification), ..bare.clone() };
        // Each with what it adds at the least.
        let more = [
            (Reply { locale: Some(long()), ..bare.clone() }, 1_000),
            (Reply { conversation: Some(long()), ..bare.clone() }, 1_000),
            (Reply { entities: vec![named(), named()], ..bare.clone() }, 6_000),
            (with(Classification { predicted: Some(scored()), ..classification.clone() }), 60),
            (with(Classification { ranking: vec![scored(); 5], ..classification.clone() }), 300),
            (with(Classification { entities: vec![named()], ..classification.clone() }), 3_000),
        ];
        for (reply, least) in more {
            assert!(size(&reply) >= size(&bare) + least, "{reply:?}: {} and {}", size(&reply), size(&bare));
        }
    }
}
