//! Delivery ↔ domain: what a delivery says, and the only place where properties are made.
//!
//! **Invariant:** a republished message is built from a list of what may pass, never copied; short strings are made
//! here, so that none is longer than AMQP allows.

mod identity;
mod moved;
mod received;
mod reply;
mod republish;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use moved::moved;
pub use received::Received;
pub use republish::Purpose;
pub(crate) use values::short;

/// AMQP's persistent delivery mode.
const PERSISTENT: u8 = 2;
