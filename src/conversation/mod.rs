//! Conversations: what is kept of one ([`state`]), in which form ([`record`]), where it is kept ([`store`]), and what a turn
//! makes of it ([`turn()`]).
//!
//! **Invariant:** what is kept changes by compare-and-set alone ([`Store::put`]), so that of two workers that have the same
//! turn in work one wins.

mod ellipsis;
pub mod file;
mod filling;
pub mod follow_up;
pub mod labels;
pub mod memory;
mod packing;
pub mod record;
pub mod redis;
pub mod script;
pub mod slots;
pub mod state;
pub mod store;
pub mod turn;
mod wording;

pub use file::{FileStore, LOCK_LIMIT, OpenError};
pub use labels::Labels;
pub use memory::{Bounds, MemoryStore};
pub use record::{Lookup, Record, RecordError, Who};
pub use redis::RedisStore;
pub use script::Script;
pub use slots::Slots;
pub use state::State;
pub use store::{Cursor, Page, Put, Store, StoreError, Stored};
pub use turn::turn;
