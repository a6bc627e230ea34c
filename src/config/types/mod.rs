//! The types of settings' values: each reads the text of a variable or of a file, and can't hold a wrong value.
//!
//! Their errors say what is wrong with the value and what would be right, with an example; the setting's name is
//! added by the code that knows it. Each is serialised as the text that an operator may see.

mod count;
mod duration;
mod file_path;
mod fraction;
mod http_url;
mod list;
mod or_off;
mod secret;
mod size;
pub(crate) mod text;

pub use count::{Count, CountTo};
pub use duration::{BoundedDuration, ShownDuration};
pub use file_path::FilePath;
pub use fraction::Fraction;
pub use http_url::{HttpUrl, is_loopback};
pub use list::{List, entries};
pub(crate) use or_off::OFF;
pub use or_off::OrOff;
pub use secret::Secret;
pub use size::{BoundedSize, ShownSize};
pub use text::{Invalid, choose, quote};
