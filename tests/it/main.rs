//! Tests of the worker on a real broker. `scripts/test` starts one and runs them.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "a test may")]

mod admin;
mod cli;
mod faults;
mod hostile;
mod main_job;
mod models;
mod node;
mod process;
mod publisher;
mod raw;
mod stub;
mod support;
