//! Delivery ↔ domain: what a delivery says, and the only place where properties are made.
//!
//! **Invariant:** a republished message is built from a list of what may pass, never copied; short strings are made
//! here, so that none is longer than AMQP allows.

mod copy;
mod identity;
mod received;
mod reply;
mod republish;
#[cfg(test)]
mod tests;

pub(crate) use copy::moved;
pub use received::Received;
pub(crate) use received::envelope;
pub(crate) use reply::own_properties;
pub use republish::Purpose;

/// AMQP's persistent delivery mode.
const PERSISTENT: u8 = 2;
/// The same of what needn't outlive the broker.
const TRANSIENT: u8 = 1;
