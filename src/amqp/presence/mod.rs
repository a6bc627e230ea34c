//! Who is alive: what workers tell one another (service discovery by heartbeats), and what follows from it. Pure.
//!
//! **Invariant:** bounded, whatever is heard: a message that isn't one is passed over, and at most [`MOST`] workers are
//! known.

mod alive;
mod beat;

pub use alive::{Alive, BEAT, GONE, MOST};
pub use beat::{Beat, Lanes, StoreKind};
