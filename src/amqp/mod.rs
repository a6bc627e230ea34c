//! Everything that speaks AMQP; the only place that names lapin.
//!
//! **Invariant:** data flows one way: delivery → [`properties`] → [`admit`] → pipeline → outcome → [`settle`].

pub mod acks;
pub mod admit;
mod channels;
pub mod client;
pub(crate) mod clock;
pub mod connect_error;
pub mod connection;
pub mod connections;
mod consuming;
pub mod dead;
mod events;
pub mod inspect;
pub mod migrate;
pub mod names;
mod overload;
pub mod permissions;
mod prefetch;
pub mod properties;
pub mod publisher;
pub mod replace;
pub mod replies;
pub mod reply_to;
pub mod server;
pub mod session;
pub mod settings;
pub mod settle;
pub mod topology;
pub mod trail;
mod turn;
mod unfinished;
pub mod wire;
pub mod worker;

pub use names::{Names, WorkQueue};
pub use replace::{Bot, ReplaceError, Replacer};
pub use settings::{AmqpAddress, InvalidAmqpUrl, Settings};
pub use worker::{Fatal, Worker};
