//! Which bot a worker has, as it tells whoever asks.

use serde::{Deserialize, Serialize};

use crate::domain::IntentName;

/// The `type` of the question who is alive. Its body tells whether a worker asks. With a `reply_to` it is the question which bot each has.
pub(in crate::amqp) const QUESTION_TYPE: &str = "chat.workers";
/// The `type` of the answer to it.
pub(in crate::amqp) const BOT_TYPE: &str = "chat.bot";

/// A worker's bot, to be told.
#[derive(Debug, Serialize)]
pub(super) struct BotTold<'a> {
    /// The bot's hash.
    pub(super) bot: &'a str,
    /// Its intents, in alphabetical order.
    pub(super) intents: Vec<&'a IntentName>,
    /// Whether it has conversations, whose queues it consumes.
    pub(super) conversations: bool,
}

/// The same, as it is heard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BotHeard {
    /// The bot's hash.
    pub bot: String,
    /// Its intents.
    pub intents: Vec<IntentName>,
    /// Whether it has conversations.
    #[serde(default)]
    pub conversations: bool,
}
