//! Settings in layers: built-in defaults, a file, environment variables.
//!
//! **Invariant:** generic. It knows no key of the program, never reads the process environment by itself, and prints
//! no value that a type keeps secret. A setting is `section.name`; its variable is `<PREFIX>_<SECTION>_<NAME>`.

mod environment;
mod key;
mod known;
mod kubernetes;
mod layer;
mod load;
mod origin;
mod problem;
pub mod suggest;
mod toml_text;
pub mod types;
mod value_file;
mod variables;

pub use key::Key;
pub use known::NamedSections;
pub use load::{Conflict, Effective, Loaded, Program, ReadFile, load};
pub use origin::Origin;
pub use problem::{Problem, Problems};
pub use value_file::ValueFile;
pub use variables::Variables;
