//! A connection to the broker: where it is, how it is opened, what is known of it, and what guards it on the wire.

pub mod address;
mod blocking;
pub mod error;
pub mod link;
pub mod server;
mod stream;
pub mod wire;
