//! The composition root.
pub mod intents;
pub mod settings;
