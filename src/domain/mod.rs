//! The words of the trade: requests, replies, intents, outcomes, and the message codec.
//!
//! **Invariant:** pure. No I/O, no AMQP, no clock; only std, serde, compression, charsets, Base64, URLs as data, and
//! SHA-256.

mod answer;
mod attachment;
mod choice;
pub mod codec;
mod command;
mod entity;
mod feedback;
mod intent;
mod key;
mod labels;
mod lane;
pub mod language;
mod message;
mod outcome;
mod pass;
mod question;

pub use answer::{Choice, Details, Finish, Part, Progress, Role, Source, Status, Turn, Usage};
pub use attachment::{Attachment, AttachmentKind, Content};
pub use choice::{ChoiceRule, Doubt};
pub use command::{Command, Delivered, Done, Spoken};
pub use entity::Entity;
pub use feedback::{Feedback, Rating};
pub use intent::{Classification, Decision, IntentName, InvalidName, Prediction, Scored, is_valid_name};
pub use key::{InvalidKey, Key};
pub use labels::{Labels, stem};
pub use lane::Lane;
pub use message::{
    CANCEL_TYPE, DONE_TYPE, ERROR_TYPE, ErrorReply, MAX_SHORT, MessageError, PART_TYPE, REPLY_TYPE, REQUEST_TYPE,
    Reply, Request, SENDER,
};
pub use outcome::{Address, DeadLetter, DeadReason, ErrorCode, Handed, Outcome};
pub use pass::{InvalidPass, Pass, Token};
pub use question::is_question;
