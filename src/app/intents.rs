//! The intents file.
