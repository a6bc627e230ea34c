//! Dead letters: read without taking them, published again, taken out, written down whole and put back.
//!
//! **Invariant:** a letter is acked only once that is done for which it is taken out. Whatever ends before (the command,
//! the connection, the broker) leaves it in its queue.

mod filter;
mod letter;
mod reader;
mod record;
mod replay;
#[cfg(test)]
mod tests;
mod value;

pub use filter::Filter;
pub use letter::{Letter, LetterId};
pub use reader::{Held, ReadError, Reader, filled};
pub use record::{InvalidRecord, Record};
pub use replay::{Kept, ReplayError, Replayer};
