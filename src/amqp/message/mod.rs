//! A message: its properties and headers, where its reply may go, and what is decided without a model.

pub mod admit;
pub mod cancel;
pub(crate) mod header;
pub mod properties;
pub mod reply_to;
pub(crate) mod time;
pub mod trail;
