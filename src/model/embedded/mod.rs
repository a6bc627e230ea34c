//! The embedded intent model.
