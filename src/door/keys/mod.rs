//! Who may ask through the door: keys, origins, addresses, limits.

mod address;
mod origin;

pub use address::{Network, client_address};
pub use origin::{Origin, is_same_origin};
