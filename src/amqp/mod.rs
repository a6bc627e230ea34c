//! Everything that speaks AMQP; the only place that names lapin.
//!
//! The folders stand along the way of a message: [`connection`] → [`consuming`] → [`message`] (what it says, and whether
//! it is admitted) → pipeline → outcome → [`publishing`] (settle, publish, ack). [`objects`] is what has to be on the
//! broker; [`dead`] is what an operator does with dead letters.
//!
//! **Invariant:** `tests/tidy.rs` holds which folder may import which; there are no circles.

pub mod asking;
pub mod client;
pub mod connection;
mod consuming;
pub mod dead;
mod lookout;
pub mod message;
pub mod migrate;
pub mod objects;
pub mod presence;
pub mod publishing;
pub mod replace;
pub mod session;
pub mod settings;
pub mod start_error;
mod values;
pub mod worker;

pub use connection::address::{AmqpAddress, InvalidAmqpUrl};
pub use lookout::Lookout;
pub use objects::names::{Names, WorkQueue};
pub use replace::{Bot, ReplaceError, Replacer};
pub use settings::Settings;
pub use worker::{Fatal, Worker};
