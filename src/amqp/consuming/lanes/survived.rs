//! What this worker held of a lane when it lost or left it, and outlived.
//!
//! The broker counts how often a delivery came back, and not why: a connection that breaks while a message merely waits
//! its turn counts as a worker's death does. A worker that lives on knows better, for those losses that were its own.
//! **Invariant:** what is told never exceeds the losses of this process, and a message that ends its worker ends this
//! memory too; so it is found out as ever, if later.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use super::PREFETCH;
use crate::domain::Lane;

/// How many messages of a lane are remembered: of some prefetches, as others may have had the lane in between.
const REMEMBERED: usize = 4 * PREFETCH as usize;

/// A message, as this process tells it from others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(u64);

/// How often messages were held when a lane was lost or left, in the life of this process.
#[derive(Default)]
pub(crate) struct Survived {
    hasher: RandomState,
    lanes: Mutex<BTreeMap<Lane, VecDeque<(Mark, u64)>>>,
}

impl Survived {
    /// The mark of a message: of its id, if it has one, and its body.
    pub(super) fn mark(&self, delivery: &lapin::message::Delivery) -> Mark {
        let id = delivery.properties.message_id().as_ref().map(|id| id.as_str().as_bytes());
        Mark(self.hasher.hash_one((id, &delivery.data)))
    }

    /// How often that message was held at a loss that this process outlived.
    pub(super) fn losses(&self, lane: Lane, mark: Mark) -> u64 {
        let lanes = self.lock();
        let remembered = lanes.get(&lane).into_iter().flatten();
        remembered.filter(|(of, _)| *of == mark).map(|(_, losses)| *losses).sum()
    }

    /// A lane was lost or left with these held, and the process is there to tell.
    pub(super) fn lost(&self, lane: Lane, held: impl IntoIterator<Item = Mark>) {
        let held: BTreeSet<Mark> = held.into_iter().collect();
        if held.is_empty() {
            return;
        }
        let mut lanes = self.lock();
        let remembered = lanes.entry(lane).or_default();
        for mark in held {
            let before = remembered.iter().position(|(of, _)| *of == mark).and_then(|at| remembered.remove(at));
            remembered.push_back((mark, before.map_or(0, |(_, losses)| losses) + 1));
        }
        let too_many = remembered.len().saturating_sub(REMEMBERED);
        remembered.drain(..too_many);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Lane, VecDeque<(Mark, u64)>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_by_message_and_lane_and_the_oldest_are_forgotten() {
        let (survived, lane, other) = (Survived::default(), Lane::ALL[0], Lane::ALL[1]);
        // Two that say the same are there once: the broker counts each by itself.
        survived.lost(lane, [1, 2, 2].map(Mark));
        survived.lost(lane, [2].map(Mark));
        survived.lost(other, [1].map(Mark));
        let losses = |lane, mark| survived.losses(lane, Mark(mark));
        assert_eq!([losses(lane, 1), losses(lane, 2), losses(lane, 3), losses(other, 1)], [1, 2, 0, 1]);
        for mark in 0..REMEMBERED as u64 - 1 {
            survived.lost(lane, [Mark(1000 + mark)]);
        }
        assert_eq!([losses(lane, 1), losses(lane, 2), losses(other, 1)], [0, 2, 1], "the last of 128 is left");
    }

    #[test]
    fn a_message_is_known_by_its_id_and_body() {
        use crate::amqp::values::short;
        let survived = Survived::default();
        let of = |id: Option<&str>, body: &str| {
            let mut delivery = lapin::message::Delivery::mock(1, short(""), short(""), true, body.into());
            if let Some(id) = id {
                delivery.properties = delivery.properties.with_message_id(short(id));
            }
            survived.mark(&delivery)
        };
        assert_eq!(of(Some("a"), "hello"), of(Some("a"), "hello"));
        assert!(of(Some("a"), "hello") != of(Some("b"), "hello") && of(None, "hello") != of(None, "hullo"));
    }
}
