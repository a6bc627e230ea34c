//! What lies between the socket and lapin: it lets no client end the connection, or the process, by what it sends.

mod frame;
mod guard;

pub use frame::Blemish;
pub use guard::{Guard, Mended};
