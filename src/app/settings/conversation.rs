//! The section `conversation`: where conversations are kept, and how much of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::RedisUrl;
use crate::config::{
    Conflict, ValueFile,
    types::{
        BoundedDuration, BoundedSize, Count, CountTo, FilePath, Invalid,
        text::{choose, serde_as_text},
    },
};

/// What the bot's own file has in the section of the same name, and where it belongs.
pub(super) const OF_THE_BOT: &[(&str, &str)] = &[
    ("conversation.yes", BOTS),
    ("conversation.no", BOTS),
    ("conversation.cancel", BOTS),
    ("conversation.person", BOTS),
];
const BOTS: &str = "the bot, and not to who runs it: write it into the intents file, below [conversation]";

/// Where conversations are kept, and how much of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conversation {
    pub store: Place,
    /// The file of the store `file`.
    pub path: Option<FilePath>,
    /// The Redis of the store `redis`.
    pub redis_url: Option<RedisUrl>,
    #[serde(skip)]
    pub redis_url_file: Option<ValueFile>,
    /// How long after its last turn one is kept, 1 min to 30 days; for as long again its user is told that it isn't.
    pub expires: BoundedDuration<60_000, 2_592_000_000>,
    /// How long a person who has one may say nothing, nor its user, 1 min to 30 days; then the bot has it again.
    pub person_idle: BoundedDuration<60_000, 2_592_000_000>,
    /// The most conversations, with those that have expired.
    pub max: CountTo<10_000_000>,
    /// The most bytes of all together.
    pub max_bytes: BoundedSize<{ 1 << 20 }, { 16 << 30 }>,
    /// How many turns of its history are kept.
    pub max_turns: Count,
}

/// Where conversations are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the worker.
    Memory,
    /// In a file.
    File,
    /// In a Redis.
    Redis,
}

const PLACES: [(&str, Place); 3] = [("memory", Place::Memory), ("file", Place::File), ("redis", Place::Redis)];

impl FromStr for Place {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        choose(text, &PLACES)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACES.iter().find(|(_, place)| place == self).map_or("", |(name, _)| name))
    }
}

serde_as_text!(Place);

impl Conversation {
    pub(super) fn conflicts(&self) -> Vec<Conflict> {
        let settings = [
            (Place::File, "path", "CHATBOT_CONVERSATION_PATH", "the path of a file", self.path.is_some()),
            (Place::Redis, "redis_url", "CHATBOT_CONVERSATION_REDIS_URL", "a Redis's URL", self.redis_url.is_some()),
        ];
        let conflict = |(place, name, variable, what, is_set): (Place, &str, &str, &str, bool)| {
            let message = match (self.store == place, is_set) {
                (true, false) => format!(
                    "conversation.store is {place}, but conversation.{name} isn't set: set {variable} to {what}, or \
                     CHATBOT_CONVERSATION_STORE to another store"
                ),
                (false, true) => format!(
                    "conversation.{name} is set, but conversation.store is {}, so it isn't used: set \
                     CHATBOT_CONVERSATION_STORE to {place}, or unset {variable}",
                    self.store
                ),
                _ => return None,
            };
            Some(Conflict { keys: vec![format!("conversation.{name}"), "conversation.store".into()], message })
        };
        settings.into_iter().filter_map(conflict).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    fn fault(variables: &[(&str, &str)]) -> Option<String> {
        let read = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        Settings::load(&variables.iter().copied().collect(), &read).err().map(|problems| problems.to_string())
    }

    #[test]
    fn each_store_needs_its_own_setting_and_no_other() {
        let check = |variables: &[(&str, &str)], expected: &str| {
            let fault = fault(variables).unwrap_or_default();
            assert!(fault.contains(expected), "{variables:?}: {fault}");
            assert_eq!(fault.is_empty(), expected.is_empty(), "{variables:?}: {fault}");
        };
        let store = |name| ("CHATBOT_CONVERSATION_STORE", name);
        let (path, redis) =
            (("CHATBOT_CONVERSATION_PATH", "/c.redb"), ("CHATBOT_CONVERSATION_REDIS_URL", "redis://:s3c@h"));
        check(&[store("memory")], "");
        check(&[store("file"), path], "");
        check(&[store("redis"), redis], "");
        check(&[store("file")], "set CHATBOT_CONVERSATION_PATH");
        check(&[store("redis")], "set CHATBOT_CONVERSATION_REDIS_URL");
        check(&[path], "set CHATBOT_CONVERSATION_STORE to file, or unset CHATBOT_CONVERSATION_PATH");
        check(&[store("file"), path, redis], "unset CHATBOT_CONVERSATION_REDIS_URL");
        check(&[store("disk")], "memory");
        assert!(!fault(&[redis]).unwrap_or_default().contains("s3c"));
    }

    #[test]
    fn what_belongs_to_the_bot_is_refused_with_where_it_belongs() {
        for name in ["YES", "NO", "CANCEL", "PERSON"] {
            let fault = fault(&[(&format!("CHATBOT_CONVERSATION_{name}"), "affirm")]).unwrap_or_default();
            assert!(fault.contains("the intents file, below [conversation]"), "{name}: {fault}");
        }
    }
}
