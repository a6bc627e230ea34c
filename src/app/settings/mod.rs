//! The settings: what there is to set, read from the defaults, a file and the environment.
//!
//! Each section is the form in which an operator writes it; the modules take plain values made from it. `config/
//! default.toml` documents every setting, and a test holds the two to one another.

mod amqp;
mod amqp_url;
mod answered;
mod attachments;
mod backend;
mod conversation;
mod door;
mod http;
mod intents;
mod log;
mod model;
mod overload;
mod reply;
mod retry;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    amqp::{Amqp, ExchangeName, Topology},
    amqp_url::{AmqpUrl, AmqpUrlOptions},
    answered::{Answered, RedisUrl},
    attachments::{AllowedHost, Attachments},
    backend::{Backend, Embedded, Flag, Format, HeaderName, JsonObject, Kind, Pointer, Text, Tokens},
    conversation::{Conversation, Place},
    door::{Door, KeyUse},
    http::{Http, ListenAddress},
    intents::Intents,
    log::{Log, LogFilter, LogFormat},
    model::{LastResort, Model, ModelName, Threshold},
    overload::{Depth, Overload},
    reply::{AddressPattern, Reply},
    retry::{Delay, Delays, Retry},
    worker::{Queues, Worker},
};
use crate::config::{
    Conflict, Effective, Loaded, NamedSections, Problems, Program, ReadFile, ValueFile, Variables, load,
};

/// What the settings' environment variables begin with, without the underscore.
pub const PREFIX: &str = "CHATBOT";

/// The built-in defaults: the file that documents every setting.
pub const DEFAULTS: &str = include_str!("../../../config/default.toml");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    pub amqp: Amqp,
    /// What a worker takes on, and within which bounds.
    pub worker: Worker,
    /// From when on requests are turned away.
    pub overload: Overload,
    pub retry: Retry,
    pub answered: Answered,
    pub conversation: Conversation,
    pub attachments: Attachments,
    pub model: Model,
    /// The built-in model, as a part of a chain.
    pub embedded: Embedded,
    /// The services, by name: each section of the operator's that says its kind, or that the chain lists.
    #[serde(default)]
    pub backend: BTreeMap<String, Backend>,
    pub reply: Reply,
    pub http: Http,
    pub door: Door,
    pub log: Log,
    pub intents: Intents,
}

impl Settings {
    /// Reads the settings. The program passes `Variables::from_os(std::env::vars_os())` and a closure around
    /// [`std::fs::read`].
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(variables: &Variables, read: ReadFile<'_>) -> Result<Loaded<Self>, Problems> {
        Self::load_with_models(&[], variables, read)
    }

    /// The same, with the sections of these models besides those that `model.chain` lists or that have a kind.
    ///
    /// # Errors
    /// As of [`Self::load`].
    pub fn load_with_models(
        models: &[ModelName],
        variables: &Variables,
        read: ReadFile<'_>,
    ) -> Result<Loaded<Self>, Problems> {
        let section = |model: &ModelName| match model {
            ModelName::Embedded => None,
            ModelName::Section(name) => Some(name.clone()),
        };
        let also_listed: Vec<String> = models.iter().filter_map(section).collect();
        let is_name = |name: &str| matches!(name.parse(), Ok(ModelName::Section(_)));
        let named =
            Some(NamedSections { template: "backend", listed_in: ("model", "chain"), marked_by: "kind", is_name });
        let program = Program {
            prefix: PREFIX,
            defaults: DEFAULTS,
            named,
            also_listed: &also_listed,
            elsewhere: conversation::OF_THE_BOT,
            check: Self::conflicts,
        };
        let mut loaded = load(&program, variables, read)?;
        loaded.settings.note_files(&loaded.effective);
        Ok(loaded)
    }

    /// Keeps which secrets came from a file of their own: they are read from it again.
    fn note_files(&mut self, effective: &[Effective]) {
        for setting in effective {
            let Some(file) = ValueFile::of(setting) else { continue };
            match setting.key.split_once('.') {
                Some(("amqp", "url")) => self.amqp.url_file = Some(file),
                Some(("answered", "redis_url")) => self.answered.redis_url_file = Some(file),
                Some(("conversation", "redis_url")) => self.conversation.redis_url_file = Some(file),
                Some((model, "api_key")) => {
                    if let Some(backend) = self.backend.get_mut(model) {
                        backend.api_key_file = Some(file);
                    }
                }
                Some((service, "secret")) => {
                    if let Some(backend) = self.backend.get_mut(service) {
                        backend.secret_file = Some(file);
                    }
                }
                _ => {}
            }
        }
    }

    fn conflicts(&self) -> Vec<Conflict> {
        let of_sections = [
            self.amqp.conflict(),
            self.worker.conflict(),
            self.answered.conflict(),
            self.attachments.conflict(&self.worker),
            self.model.conflict(),
            self.door.conflict(),
        ];
        let of_services = self.backend.iter().flat_map(|(name, backend)| {
            let is_model = self.model.chain.contains(&ModelName::Section(name.clone()));
            backend.conflicts(name, is_model, &self.worker.handler_timeout)
        });
        of_sections.into_iter().flatten().chain(self.conversation.conflicts()).chain(of_services).collect()
    }
}
