//! The door: HTTP and web pages as clients of RabbitMQ.

pub mod keys;
