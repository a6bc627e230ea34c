//! Exchanges, queues, bindings and permissions: what has to be on the broker, and what is there.

pub mod admin;
pub mod ask;
pub mod declare;
pub mod inspect;
pub mod names;
pub mod permissions;
pub mod probe;
pub mod problem;
pub mod rights;
pub mod topology;
