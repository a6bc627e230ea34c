//! `chatbot-worker` answers chat messages over RabbitMQ: it classifies their intent, replies, and loses nothing.
//!
//! The crate's layout, with its invariants, is `docs/ARCHITECTURE.md`. Data flows one way:
//! delivery → [`domain::codec`] → `pipeline` → [`domain::Outcome`] → `amqp::settle`.

pub mod amqp;
pub mod answered;
pub mod app;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod corpus;
pub mod domain;
pub mod door;
pub mod entity;
pub mod eval;
mod excerpt;
pub mod handler;
mod host;
pub mod http;
pub mod knowledge;
pub mod listener;
pub mod model;
pub mod outbound;
mod page_files;
pub mod pipeline;
pub mod redis_link;
pub mod renewed;
pub mod retry;
pub mod sharing;
pub mod simplified;
pub mod telemetry;
pub mod utf8;
