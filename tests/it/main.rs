//! Tests of the worker on a real broker. `scripts/test` starts one and runs them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test may"
)]

mod admin;
mod alarm;
mod answered;
mod answers;
mod attachments;
mod bindings;
mod channels;
mod chaos;
mod cli;
mod conversation_stores;
mod conversations;
mod dead;
mod deadlines;
mod documents;
mod door;
mod faults;
mod feedback;
mod foreign;
mod hostile;
mod lanes;
mod live;
mod load;
mod main_job;
mod memory;
mod migrate;
mod models;
mod mute;
mod node;
mod overload;
mod person;
mod presence;

mod process;
mod proxy;
mod publisher;
mod raw;
mod redis;
mod redis_server;
mod services;
mod streaming;
mod stub;
mod support;
mod tls;
mod watching;
