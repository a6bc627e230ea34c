//! The message codec.
