//! Consuming: a queue's consumers, the channels that they share, and the work of each delivery.

pub(super) mod bindings;
pub(super) mod channels;
pub(super) mod delivery;
pub(super) mod depths;
pub(super) mod ending;
pub(super) mod events;
pub(super) mod lanes;
mod listening;
pub(super) mod overload;
mod prefetch;
pub(super) mod queue;
pub(super) mod unfinished;
