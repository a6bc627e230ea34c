//! The words of the trade: requests, replies, intents, outcomes, and the message codec.
//!
//! **Invariant:** pure. No I/O, no AMQP, no clock; only std, serde, compression and charsets.

mod choice;
pub mod codec;
mod entity;
mod intent;
mod labels;
pub mod language;
mod message;
mod outcome;

pub use choice::{ChoiceRule, Doubt};
pub use entity::Entity;
pub use intent::{Classification, Decision, IntentName, InvalidName, Prediction, Scored, is_valid_name};
pub use labels::{Labels, stem};
pub use message::{ERROR_TYPE, ErrorReply, MAX_SHORT, MessageError, REPLY_TYPE, REQUEST_TYPE, Reply, Request, SENDER};
pub use outcome::{DeadLetter, DeadReason, ErrorCode, Outcome};
