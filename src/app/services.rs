//! The services that the settings name, made for whoever asks them: each once for a bot, however many intents ask it.
//!
//! **Invariant:** nothing is sent while one is made. A service that is named and isn't there is told with the variable to
//! set.

use std::{
    collections::HashMap,
    num::NonZeroU16,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;

use super::{
    amqp_settings::holds_certificate,
    settings::{Backend, Format, Kind, PREFIX, Settings, Text},
};
use crate::{
    config::types::is_loopback,
    handler::webhook::WebhookHandler,
    outbound::{
        Budget, Connection, Endpoint, Failure, Limits, Purpose, Service, ServiceError, bearer,
        chat::{self, Chat, ChatSettings},
        embeddings::{Embedder, Form},
        fetch::{FetchSettings, Fetcher},
        reach,
        transcription::{Transcriber, TranscriptionSettings},
    },
    utf8,
};

/// The services that answer users, of one bot.
#[derive(Debug)]
pub struct Services<'s> {
    settings: &'s Settings,
    chats: Mutex<HashMap<String, Arc<Chat>>>,
    webhooks: Mutex<HashMap<String, Arc<Service>>>,
    embedders: Mutex<HashMap<String, Arc<Embedder>>>,
}

/// Why a service can't be asked for answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceFault {
    /// There is no section of that name with a kind.
    #[error("there is no service '{name}': set {} to {kind}", variable(.name, "KIND"))]
    Unknown { name: String, kind: Kind },
    /// It is something else.
    #[error("the service '{name}' is of the kind {found}, and has to be of the kind {wanted}: see {}", variable(.name, "KIND"))]
    Kind { name: String, found: Kind, wanted: Kind },
    /// It can't be made of its settings.
    #[error("the service '{name}' can't be made: {reason}")]
    Settings { name: String, reason: String },
}

impl<'s> Services<'s> {
    /// Those of these settings; none is made yet.
    pub fn new(settings: &'s Settings) -> Self {
        Self { settings, chats: Mutex::default(), webhooks: Mutex::default(), embedders: Mutex::default() }
    }

    /// The language model of that name, for answers.
    ///
    /// # Errors
    /// [`ServiceFault`].
    pub fn chat(&self, name: &str) -> Result<Arc<Chat>, ServiceFault> {
        let section = self.section(name, Kind::OpenAi)?;
        let mut chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chat) = chats.get(name) {
            return Ok(Arc::clone(chat));
        }
        let service = self.service(name, section, self.limits(section))?.with_budget(budget(name, section));
        let chat = Arc::new(Chat::new(service, chat_settings(section)));
        chats.insert(name.to_owned(), Arc::clone(&chat));
        Ok(chat)
    }

    /// The longest answer of a language model to a user, in tokens.
    ///
    /// # Errors
    /// [`ServiceFault`].
    pub fn answer_tokens(&self, name: &str) -> Result<NonZeroU16, ServiceFault> {
        self.section(name, Kind::OpenAi).map(|section| section.answer_tokens.get())
    }

    /// Whether the language model of that name looks at pictures.
    ///
    /// # Errors
    /// [`ServiceFault`].
    pub fn looks_at_images(&self, name: &str) -> Result<bool, ServiceFault> {
        self.section(name, Kind::OpenAi).map(|section| section.images.get())
    }

    /// What makes text of recordings, of that name. A bot has one.
    ///
    /// # Errors
    /// [`ServiceFault`].
    pub fn transcriber(&self, name: &str) -> Result<Arc<Transcriber>, ServiceFault> {
        let section = self.section(name, Kind::Transcription)?;
        let limits = Limits { purpose: Purpose::Transcription, ..self.limits(section) };
        let settings = TranscriptionSettings {
            model: section.model.as_ref().map(|model| model.as_str().to_owned()),
            extra: section.extra.as_ref().map(|extra| extra.get().clone()).unwrap_or_default(),
        };
        Ok(Arc::new(Transcriber::new(self.service(name, section, limits)?, settings)))
    }

    /// The handler of the webhook of that name.
    ///
    /// # Errors
    /// [`ServiceFault`].
    pub fn webhook(&self, name: &str) -> Result<WebhookHandler, ServiceFault> {
        let section = self.section(name, Kind::Webhook)?;
        let secret = section.secret.as_ref().map(|secret| secret.expose().to_owned().into());
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(service) = webhooks.get(name) {
            return Ok(WebhookHandler::new(Arc::clone(service), secret));
        }
        let limits = self.limits(section);
        // What may not be told twice isn't sent again, whatever became of it.
        let retries = if section.idempotent.get() { limits.retries } else { 0 };
        let service = Arc::new(self.service(name, section, Limits { retries, ..limits })?);
        webhooks.insert(name.to_owned(), Arc::clone(&service));
        Ok(WebhookHandler::new(service, secret))
    }

    /// The service of embeddings of that name, for documents.
    ///
    /// # Errors
    /// [`ServiceFault`].
    pub fn embedder(&self, name: &str) -> Result<Arc<Embedder>, ServiceFault> {
        let section = self.section(name, Kind::Embeddings)?;
        let mut embedders = self.embedders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(embedder) = embedders.get(name) {
            return Ok(Arc::clone(embedder));
        }
        let service = self.service(name, section, self.limits(section))?.with_budget(budget(name, section));
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
        let form = Form {
            model: text(&section.model),
            prefix: text(&section.prefix),
            passage_prefix: text(&section.passage_prefix),
            extra: section.extra.as_ref().map(|extra| extra.get().clone()).unwrap_or_default(),
            batch: section.batch.get(),
        };
        let embedder = Arc::new(Embedder::new(service, form));
        embedders.insert(name.to_owned(), Arc::clone(&embedder));
        Ok(embedder)
    }

    /// Connects to the service of that name, of whatever kind, and sends it nothing.
    ///
    /// # Errors
    /// [`ServiceError`], where there is no connection until `deadline`.
    pub async fn reach(&self, name: &str, deadline: Instant) -> Result<(), ServiceError> {
        let name: Arc<str> = name.into();
        let fault = |reason: String| ServiceError::new(&name, Failure::Internal, reason);
        let section = self.settings.backend.get(&*name).ok_or_else(|| fault("there is no such section".to_owned()))?;
        reach(&name, connection(&name, section).map_err(fault)?, deadline).await
    }

    fn section(&self, name: &str, wanted: Kind) -> Result<&'s Backend, ServiceFault> {
        let unknown = || ServiceFault::Unknown { name: name.to_owned(), kind: wanted };
        let section = self.settings.backend.get(name).ok_or_else(unknown)?;
        match section.kind.ok_or_else(unknown)? {
            found if found == wanted => Ok(section),
            found => Err(ServiceFault::Kind { name: name.to_owned(), found, wanted }),
        }
    }

    fn limits(&self, section: &Backend) -> Limits {
        let timeout = section.answer_limit(self.settings.worker.handler_timeout.get());
        Limits { purpose: Purpose::Answer, timeout, ..limits(section) }
    }

    fn service(&self, name: &str, section: &Backend, limits: Limits) -> Result<Service, ServiceFault> {
        let fault = |reason| ServiceFault::Settings { name: name.to_owned(), reason };
        Ok(Service::new(endpoint(name, section).map_err(fault)?, &limits))
    }
}

/// What fetches attachments.
///
/// # Errors
/// Why it can't be made, in words.
pub(super) fn fetcher(settings: &Settings) -> Result<Fetcher, String> {
    let attachments = &settings.attachments;
    let hosts = attachments.hosts.iter().flat_map(|hosts| hosts.iter());
    Fetcher::new(FetchSettings {
        hosts: hosts.map(|host| host.get().clone()).collect(),
        max_size: attachments.max_size.get(),
        timeout: attachments.timeout.get(),
    })
    .map_err(|reason| format!("CHATBOT_ATTACHMENTS_HOSTS: attachments can't be fetched: {reason}"))
}

/// The bounds of a service, for classifications.
pub(super) fn limits(backend: &Backend) -> Limits {
    Limits {
        purpose: Purpose::Classification,
        timeout: backend.timeout.get(),
        retries: backend.retries.get().map_or(0, |times| times.get().get().into()),
        concurrency: backend.concurrency.get(),
        breaker_failures: backend.breaker_failures.get(),
        breaker_pause: backend.breaker_pause.get(),
    }
}

/// What a service may cost in a day.
pub(super) fn budget(name: &str, backend: &Backend) -> Option<Budget> {
    backend.tokens_a_day.get().map(|most| Budget::of_process(name, most.get()))
}

/// Where a service is, and how it is reached.
pub(super) fn endpoint(name: &str, backend: &Backend) -> Result<Endpoint, String> {
    Endpoint::new(name.into(), connection(name, backend)?)
}

fn connection(name: &str, backend: &Backend) -> Result<Connection, String> {
    let url = backend.url.as_ref().ok_or("its url isn't set")?.get().clone();
    let header = backend.api_key_header.as_ref().map(|header| header.get());
    let in_query = backend.kind == Some(Kind::Rasa) && header.is_none();
    let key = backend.api_key.as_ref().filter(|_| !in_query).map(|key| bearer(key.expose(), header)).transpose()?;
    let ca = backend.ca_path.as_ref().map(|path| authority(name, path.as_path())).transpose()?;
    Ok(Connection {
        local: is_loopback(&url),
        url,
        key,
        ca,
        connect_timeout: backend.connect_timeout.get(),
        max_response: backend.max_response.get(),
    })
}

fn authority(name: &str, path: &Path) -> Result<Vec<u8>, String> {
    let pem = read(name, "CA_PATH", path)?.into_bytes();
    if holds_certificate(&pem) {
        return Ok(pem);
    }
    let form = "holds no certificate in PEM; it has to begin with -----BEGIN CERTIFICATE-----";
    Err(format!("{}: {} {form}", variable(name, "CA_PATH"), path.display()))
}

/// How a language model is asked.
pub(super) fn chat_settings(backend: &Backend) -> ChatSettings {
    ChatSettings {
        model: backend.model.as_ref().map(|model| model.as_str().to_owned()).unwrap_or_default(),
        format: format(backend.format),
        extra: backend.extra.as_ref().map(|extra| extra.get().clone()).unwrap_or_default(),
    }
}

fn format(format: Format) -> Option<chat::Format> {
    match format {
        Format::Auto => None,
        Format::JsonSchema => Some(chat::Format::JsonSchema),
        Format::StructuredOutputs => Some(chat::Format::StructuredOutputs),
        Format::GuidedJson => Some(chat::Format::GuidedJson),
        Format::JsonObject => Some(chat::Format::JsonObject),
        Format::Plain => Some(chat::Format::Plain),
    }
}

/// A text file that a setting names.
pub(super) fn read(name: &str, key: &str, path: &Path) -> Result<String, String> {
    utf8::read(path).map_err(|reason| format!("{}: {} {reason}", variable(name, key), path.display()))
}

/// The variable of a service's setting.
pub fn variable(name: &str, key: &str) -> String {
    format!("{}_{}_{key}", PREFIX, name.to_uppercase())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    const NOTES: [(&str, &str); 3] = [
        ("CHATBOT_NOTES_KIND", "webhook"),
        ("CHATBOT_NOTES_URL", "http://127.0.0.1:1/notes"),
        ("CHATBOT_NOTES_SECRET", "geheim"),
    ];

    fn settings(variables: &[(&str, &str)]) -> Settings {
        Settings::load(&variables.iter().copied().collect(), &|path| std::fs::read(path)).unwrap().settings
    }

    #[test]
    fn a_service_that_can_not_be_asked_is_told_with_what_to_set() {
        let settings = settings(&NOTES);
        let services = Services::new(&settings);
        let fault = |fault: ServiceFault| fault.to_string();
        assert_eq!(
            services.webhook("orders").map_err(fault).unwrap_err(),
            "there is no service 'orders': set CHATBOT_ORDERS_KIND to webhook"
        );
        assert_eq!(
            services.chat("notes").map_err(fault).unwrap_err(),
            "the service 'notes' is of the kind webhook, and has to be of the kind openai: see CHATBOT_NOTES_KIND"
        );
        assert!(services.webhook("notes").is_ok());
        assert!(services.answer_tokens("notes").is_err());
        assert_eq!(
            services.transcriber("ears").map_err(fault).unwrap_err(),
            "there is no service 'ears': set CHATBOT_EARS_KIND to transcription"
        );
    }

    #[test]
    fn a_service_is_made_once_and_within_the_time_of_a_handler() {
        let settings = settings(&[
            ("CHATBOT_QWEN_KIND", "openai"),
            ("CHATBOT_QWEN_URL", "http://127.0.0.1:1/v1"),
            ("CHATBOT_QWEN_MODEL", "m"),
            ("CHATBOT_MODEL_CHAIN", "qwen"),
            ("CHATBOT_WORKER_HANDLER_TIMEOUT", "7s"),
        ]);
        let services = Services::new(&settings);
        assert!(Arc::ptr_eq(&services.chat("qwen").unwrap(), &services.chat("qwen").unwrap()));
        assert_eq!(services.limits(&settings.backend["qwen"]).timeout.as_secs(), 7);
        assert_eq!(services.answer_tokens("qwen").unwrap().get(), 512);
    }
}
