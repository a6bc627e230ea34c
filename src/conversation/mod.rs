//! Conversations: what is kept of one ([`state`]), and where it is kept ([`store`]).
//!
//! **Invariant:** what is kept changes by compare-and-set alone ([`Store::put`]), so that of two workers that have the same
//! turn in work one wins.

pub mod state;
pub mod store;

pub use state::State;
pub use store::{Store, StoreError, Stored};
