//! An outcome as it is kept with its turn.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    conversation::State,
    domain::{
        Address, Classification, Done, IntentName, Key, Outcome, Spoken,
        codec::{Answered, decode_reply, encode_reply},
    },
    pipeline::{Job, handover},
};

/// An outcome as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kept {
    Reply(Box<RawValue>),
    Forward {
        intent: IntentName,
        classification: Option<Box<Classification>>,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        slots: BTreeMap<String, String>,
    },
    Person(handover::Kept),
    Speak {
        to: Option<Address>,
        spoken: Box<Spoken>,
        done: Box<Done>,
    },
    Done(Box<Done>),
}

/// An outcome as it is written, in JSON; none of one that hasn't happened.
pub(super) fn written(outcome: &Outcome) -> Option<Bytes> {
    let kept = match outcome {
        // As `Kept::Reply` is written, with nothing read again that was just written: each turn has one.
        Outcome::Reply(reply) => return Some([br#"{"reply":"#, &*encode_reply(reply), b"}"].concat().into()),
        Outcome::Forward { intent, classification, slots } => {
            Kept::Forward { intent: intent.clone(), classification: classification.clone(), slots: slots.clone() }
        }
        Outcome::Person(handed) => Kept::Person(handover::Kept::of(handed)),
        Outcome::Speak { to, spoken, done } => {
            Kept::Speak { to: to.clone(), spoken: spoken.clone(), done: done.clone() }
        }
        Outcome::Done(done) => Kept::Done(done.clone()),
        _ => return None,
    };
    serde_json::to_vec(&kept).ok().map(Bytes::from)
}

/// What was written; none where this program can't read it.
pub(super) fn read(outcome: &[u8]) -> Option<Kept> {
    serde_json::from_slice(outcome).ok()
}

impl Kept {
    /// The outcome again, of the same message `job`.
    pub(super) fn outcome(self, key: &Key, job: &Job, state: &State, wait: Duration) -> Option<Outcome> {
        Some(match self {
            Self::Reply(reply) => match decode_reply(reply.get().as_bytes()).ok()? {
                Answered::Reply(reply) => Outcome::Reply(Arc::from(reply)),
                Answered::Error(_) => return None,
            },
            Self::Forward { intent, classification, slots } => Outcome::Forward { intent, classification, slots },
            Self::Person(kept) => Outcome::Person(Box::new(kept.handed(key, job, state, wait))),
            Self::Speak { to, spoken, done } => Outcome::Speak { to, spoken, done },
            Self::Done(done) => Outcome::Done(done),
        })
    }
}
