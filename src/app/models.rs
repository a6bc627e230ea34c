//! The models that the settings name, put together.

use std::{num::NonZeroU16, path::Path, sync::Arc, time::Duration};

use super::{
    choice,
    embedded::{Watcher, embedded},
    intents::IntentsFile,
    services::{budget, chat_settings, endpoint, limits, read, variable},
    settings::{Backend, Kind, ModelName, Settings},
};
use crate::{
    config::types::FilePath,
    model::{
        Catalogue, Chain, Intent, Link, ModelClient, Nothing, SHARE, Served,
        embedded::TrainError,
        embeddings::{self, Embeddings},
        http::{Http, Pointers},
        keywords::Keywords,
        openai::{self, OpenAi},
        rasa::Rasa,
        tei::Tei,
    },
    outbound::{Limits, Service, Vectors},
};

/// Why a model can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ModelFault {
    /// The built-in one can't be trained.
    #[error("the intent model can't be trained: {0}")]
    Train(#[from] TrainError),
    /// One of the others.
    #[error("the model '{name}' can't be made: {reason}")]
    Backend {
        /// Its name.
        name: String,
        /// What is wrong, and with which setting.
        reason: String,
    },
}

/// The model that classifies: the built-in one by itself, or the chain that the settings name. Takes a processor's time
/// for training; asks nothing over a network.
///
/// # Errors
/// [`ModelFault`].
pub fn model(
    settings: &Settings,
    intents: &IntentsFile,
    watcher: &dyn Watcher,
) -> Result<Arc<dyn ModelClient>, ModelFault> {
    if intents.intents.iter().all(|intent| intent.examples.is_empty()) {
        return Ok(Arc::new(Nothing));
    }
    let names: Vec<&ModelName> = settings.model.links().collect();
    if names == [&ModelName::Embedded] {
        return Ok(Arc::new(embedded(settings, intents, watcher)?));
    }
    let catalogue = Arc::new(catalogue(intents));
    let links = names.into_iter().map(|name| link(settings, intents, &catalogue, name, watcher));
    Ok(Arc::new(Chain::new(links.collect::<Result<_, _>>()?)))
}

/// A model, or why it can't be made.
pub type Made = Result<Box<dyn ModelClient>, ModelFault>;

/// Each model that the settings name by itself, in the chain's order: those that can't be made too.
pub fn each(settings: &Settings, intents: &IntentsFile, watcher: &dyn Watcher) -> Vec<(ModelName, Made)> {
    let catalogue = Arc::new(catalogue(intents));
    let made = |name: &ModelName| link(settings, intents, &catalogue, name, watcher).map(|link| link.model);
    settings.model.links().map(|name| (name.clone(), made(name))).collect()
}

fn link(
    settings: &Settings,
    intents: &IntentsFile,
    catalogue: &Arc<Catalogue>,
    name: &ModelName,
    watcher: &dyn Watcher,
) -> Result<Link, ModelFault> {
    let (model, min_confidence, min_margin) = match name {
        ModelName::Embedded => {
            let model: Box<dyn ModelClient> = Box::new(embedded(settings, intents, watcher)?);
            (model, settings.embedded.min_confidence, settings.embedded.min_margin)
        }
        ModelName::Section(name) => {
            let backend = section(settings, name)?;
            let model = client(name, backend, &limits_in_chain(settings, backend, name), catalogue)?;
            (model, backend.min_confidence, backend.min_margin)
        }
    };
    // What would be left to the fallback is asked of the next.
    let mut sure = choice(settings, intents);
    if let Some(least) = min_confidence {
        sure.threshold = Some(least.get());
        sure.intents.values_mut().for_each(|own| *own = None);
    }
    sure.margin = sure.margin.max(min_margin.get());
    Ok(Link { model, sure })
}

fn section<'s>(settings: &'s Settings, name: &str) -> Result<&'s Backend, ModelFault> {
    settings.backend.get(name).ok_or_else(|| fault(name, "it has no section".to_owned()))
}

fn fault(name: &str, reason: String) -> ModelFault {
    ModelFault::Backend { name: name.to_owned(), reason }
}

/// The model of a section, to be measured with these intents: it is asked for each text, also where it was asked before
/// or failed often.
///
/// # Errors
/// [`ModelFault`].
pub fn measurable(settings: &Settings, name: &str, intents: Vec<Intent>) -> Made {
    let backend = section(settings, name)?;
    let limits = Limits { breaker_failures: NonZeroU16::MAX, ..limits(backend) };
    served(name, backend, &limits, None, &Arc::new(Catalogue::new(intents))).map_err(|reason| fault(name, reason))
}

/// The intents that a model may choose: those with examples.
fn catalogue(intents: &IntentsFile) -> Catalogue {
    let chosen = intents.intents.iter().filter(|intent| !intent.examples.is_empty()).map(|intent| Intent {
        name: intent.name.clone(),
        labels: intent.labels.clone(),
        description: intent.description.clone(),
        examples: intent.examples.iter().map(|example| example.text.clone()).collect(),
    });
    Catalogue::new(chosen.collect())
}

/// The model of a section, whose answers are kept.
fn client(name: &str, backend: &Backend, limits: &Limits, catalogue: &Arc<Catalogue>) -> Made {
    let kept = backend.cache.get().map(|count| (count.get(), backend.cache_ttl.get()));
    served(name, backend, limits, kept, catalogue).map_err(|reason| fault(name, reason))
}

fn served(
    name: &str,
    backend: &Backend,
    limits: &Limits,
    kept: Option<(NonZeroU16, Duration)>,
    catalogue: &Arc<Catalogue>,
) -> Result<Box<dyn ModelClient>, String> {
    let model = limited(name, backend, limits, catalogue)?;
    Ok(if backend.kind == Some(Kind::Keywords) { model } else { Box::new(Served::new(model, kept)) })
}

fn limited(
    name: &str,
    backend: &Backend,
    limits: &Limits,
    catalogue: &Arc<Catalogue>,
) -> Result<Box<dyn ModelClient>, String> {
    let catalogue = Arc::clone(catalogue);
    // What each kind needs is there: the settings were checked. An empty one is refused by the server all the same.
    let text = |text: &Option<_>| text.as_ref().map(|text: &super::settings::Text| text.as_str().to_owned());
    let pointer = |pointer: &Option<super::settings::Pointer>| pointer.as_ref().map(|it| it.as_str().to_owned());
    let extra = backend.extra.as_ref().map(|extra| extra.get().clone()).unwrap_or_default();
    let (batch, batch_wait) = (backend.batch.get(), backend.batch_wait.get());
    let service = || Ok::<_, String>(Service::new(endpoint(name, backend)?, limits).with_budget(budget(name, backend)));
    Ok(match backend.kind.ok_or("its kind isn't set")? {
        Kind::OpenAi => {
            let settings = openai::Settings {
                chat: chat_settings(backend),
                examples: backend.examples.get().map_or(0, |count| count.get().get().into()),
                max_tokens: backend.max_tokens.get().map(|most| most.get().get()),
                max_tokens_setting: variable(name, "MAX_TOKENS"),
            };
            Box::new(OpenAi::new(service()?, settings, catalogue))
        }
        Kind::Embeddings => {
            let (model, prefix) = (text(&backend.model), text(&backend.prefix));
            let settings = embeddings::Settings { model, prefix, extra, batch, batch_wait };
            Box::new(Embeddings::new(service()?, settings, catalogue, Vectors::of_process()))
        }
        Kind::Rasa => {
            // Rasa wants its token in the query; a header that is named goes before a proxy.
            let token = backend.api_key.as_ref().filter(|_| backend.api_key_header.is_none());
            Box::new(Rasa::new(service()?, token.map(|key| key.expose()), catalogue))
        }
        Kind::Tei => Box::new(Tei::new(service()?, batch, batch_wait, catalogue)),
        Kind::Http => {
            let pointers = Pointers {
                intent: pointer(&backend.intent_pointer).unwrap_or_default(),
                confidence: pointer(&backend.confidence_pointer),
                ranking: pointer(&backend.ranking_pointer),
            };
            let body = text(&backend.body).unwrap_or_default();
            let made = Http::new(service()?, body, pointers, catalogue);
            Box::new(made.map_err(|reason| format!("{}: {reason}", variable(name, "BODY")))?)
        }
        kind @ (Kind::Webhook | Kind::Transcription) => return Err(format!("the kind {kind} doesn't classify")),
        Kind::Keywords => {
            let path = backend.rules_path.as_ref().map_or(Path::new(""), FilePath::as_path);
            let rules = read(name, "RULES_PATH", path)?;
            let made = Keywords::parse(name.into(), &rules, &catalogue);
            Box::new(made.map_err(|reason| format!("{}: {reason}", path.display()))?)
        }
    })
}

/// The bounds of a service in the chain. One whose time limit is longer than what the chain leaves it would never be seen
/// to take too long: it is its own fault where it takes all that the chain can give.
fn limits_in_chain(settings: &Settings, backend: &Backend, name: &str) -> Limits {
    let is_last = settings.model.links().last().is_some_and(|last| *last == ModelName::Section(name.to_owned()));
    let most = settings.model.timeout.get().mul_f64(if is_last { 1.0 } else { SHARE });
    let limits = limits(backend);
    Limits { timeout: limits.timeout.min(most), ..limits }
}
