//! A reply, as far as other forms can tell it. Another program's may leave out all but its text.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::{Code, Fault};
use crate::domain::{Choice, ErrorCode, Finish, Usage};

/// What is told of a reply.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    pub(super) id: String,
    #[serde(rename = "body")]
    pub(super) text: String,
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    pub(super) data: Option<Box<RawValue>>,
    pub(super) usage: Option<Usage>,
    pub(super) finish: Option<Finish>,
}

impl Told {
    /// # Errors
    /// Where it is no reply.
    pub(super) fn read(body: &[u8]) -> Result<Self, Fault> {
        let message = "what came back is no reply of a chatbot-worker";
        serde_json::from_slice(body).map_err(|_| Fault::new(Code::Contract(ErrorCode::Internal), message))
    }
}
