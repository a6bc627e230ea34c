//! Who is alive: what workers tell one another (service discovery by heartbeats), and what follows from it.
//!
//! [`beat`], [`alive`], [`pace`] and [`claim`] are pure; [`line`](self::line) is a queue and a channel, and [`inbox`] what comes
//! of the queue; [`present`] is what a worker knows, and [`attend`] what its session does about it; [`roll_call`] asks from
//! outside.
//!
//! **Invariants:** bounded, whatever is heard: a message that isn't one is passed over, and at most [`MOST`] workers are
//! known. Whatever of it fails, no session ends for that.

mod alive;
mod attend;
mod beat;
mod bot;
mod claim;
mod inbox;
mod line;
mod pace;
mod present;
mod roll_call;

pub use alive::{Alive, BEAT, GONE, MOST};
pub(crate) use attend::Here;
pub use beat::{Beat, Lanes, StoreKind};
pub use bot::BotHeard;
pub(in crate::amqp) use bot::{BOT_TYPE, QUESTION_TYPE};
pub(crate) use present::Presence;
pub use roll_call::roll_call;
