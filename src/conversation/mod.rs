//! Conversations: what is kept of one ([`state`]), where it is kept ([`store`]), and what a turn makes of it ([`turn()`]).
//!
//! **Invariant:** what is kept changes by compare-and-set alone ([`Store::put`]), so that of two workers that have the same
//! turn in work one wins.

mod filling;
pub mod script;
pub mod slots;
pub mod state;
pub mod store;
pub mod turn;

pub use script::Script;
pub use slots::Slots;
pub use state::State;
pub use store::{Store, StoreError, Stored};
pub use turn::turn;
