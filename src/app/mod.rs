//! The composition root: settings and intents file become a worker.
//!
//! **Invariant:** every part takes plain values made here; only this module knows them all.

mod amqp_settings;
mod conversations;
pub mod corpus;
mod dialogue;
mod door;
mod embedded;
mod fingerprint;
mod handlers;
pub mod import;
pub mod intents;
mod models;
mod reload;
pub mod services;
pub mod settings;
mod watch;

use std::sync::Arc;

pub use self::{
    amqp_settings::{TlsFileError, amqp_settings, broker},
    conversations::{StoreFault, conversations, kept_conversations, redis_conversations, said_often},
    door::{DoorFault, door},
    embedded::{LoadFault, Log, QUIET, Watcher, train, train_to_save},
    handlers::Workshop,
    models::{Made, ModelFault, each, measurable, model},
    reload::Reloader,
};
use crate::{
    amqp::{Bot, InvalidAmqpUrl, Names, Worker, objects::topology::Topology},
    answered::{Answers, Bounds, RedisAnswers, SharedAnswers},
    app::{
        intents::{BUILT_IN, Checked, Faults, IntentDefinition, IntentsFile},
        settings::{Settings, Threshold},
    },
    conversation::Store,
    domain::{ChoiceRule, IntentName, InvalidName},
    entity::{Extractor, InvalidPattern},
    handler::template::TemplateError,
    model::{ModelClient, embedded::Processors},
    pipeline::{Attachments, Conversations, InlineLimit, Parts, Pipeline, Route},
    redis_link::{InvalidRedisUrl, RedisUrl},
    retry::RetryPolicy,
};

/// What faults call the intents file that is built in.
pub const BUILT_IN_NAME: &str = "the built-in intents file";

/// Why a worker can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A model can't be made.
    #[error(transparent)]
    Model(#[from] ModelFault),
    /// A reply doesn't compile.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// What the intents file names isn't there, or can't be used.
    #[error(transparent)]
    Intents(#[from] Faults),
    /// An entity's pattern doesn't compile.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// What fetches attachments can't be made.
    #[error("{0}")]
    Attachments(String),
    /// A TLS file can't be used.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
    /// A URL can't be used.
    #[error(transparent)]
    Url(#[from] InvalidAmqpUrl),
    /// The URL of the Redis can't be used.
    #[error(transparent)]
    Redis(#[from] InvalidRedisUrl),
    /// The exchange's name can't be used.
    #[error(transparent)]
    Exchange(#[from] InvalidName),
}

/// Loads the intents file that the settings name, or the built-in one.
///
/// # Errors
/// All of its faults.
pub fn load_intents(settings: &Settings) -> Result<Checked, Faults> {
    match &settings.intents.path {
        Some(path) if corpus::is_corpus(path.as_path()) => corpus::load_as_intents(path.as_path()),
        Some(path) => IntentsFile::load(path.as_path()),
        None => IntentsFile::parse(BUILT_IN_NAME, BUILT_IN),
    }
}

/// What the broker must have for these settings and intents.
pub fn topology(settings: &Settings, names: &Names, intents: &IntentsFile) -> Topology {
    let topology = topology_of(settings, names, intents.intents.iter().map(|intent| &intent.name));
    of_conversations(topology, names, Some(intents))
}

/// The same with what a bot's conversations need of it, where it has them; `None` for a bot that isn't known.
pub fn of_conversations(mut topology: Topology, names: &Names, intents: Option<&IntentsFile>) -> Topology {
    let conversation = intents.and_then(|intents| intents.conversation.as_ref());
    if conversation.is_some() {
        topology = topology.with_conversations(names);
    }
    if conversation.is_some_and(|conversation| conversation.person.is_some()) {
        topology = topology.with_person(names);
    }
    topology
}

/// The same for some intents, or none.
pub fn topology_of<'a>(
    settings: &Settings,
    names: &Names,
    intents: impl IntoIterator<Item = &'a IntentName>,
) -> Topology {
    let delays: Vec<_> = settings.retry.delays.iter().collect();
    Topology::new(names, intents, &delays)
}

/// The intents that workers answer.
pub fn served(intents: &IntentsFile) -> impl Iterator<Item = &IntentName> {
    let served = intents.intents.iter().filter(|intent| !intent.external);
    served.map(|intent| &intent.name)
}

/// The intents that other programs answer.
pub fn external(intents: &IntentsFile) -> impl Iterator<Item = &IntentName> {
    let external = intents.intents.iter().filter(|intent| intent.external);
    external.map(|intent| &intent.name)
}

/// Which intent answers, by the settings and the intents file.
pub fn choice(settings: &Settings, intents: &IntentsFile) -> ChoiceRule {
    let own = |intent: &IntentDefinition| (intent.name.clone(), intent.threshold.map(|own| own.get()));
    ChoiceRule {
        fallback: intents.fallback.clone(),
        threshold: match settings.model.threshold {
            Threshold::Fixed(threshold) => Some(threshold.get()),
            Threshold::Auto => None,
        },
        intents: intents.intents.iter().map(own).collect(),
        margin: settings.model.margin.get(),
    }
}

/// A pipeline that answers these intents, classified by this model.
///
/// # Errors
/// [`BuildError`] where a reply or an entity's pattern doesn't compile.
pub fn pipeline(
    settings: &Settings,
    intents: &IntentsFile,
    model: Arc<dyn ModelClient>,
) -> Result<Pipeline, BuildError> {
    let mut workshop = Workshop::open(settings, intents);
    let transcriber = workshop.transcriber();
    let handlers = workshop.handlers()?;
    let fetcher = services::fetcher(settings).map_err(BuildError::Attachments)?;
    let routes = intents.intents.iter().zip(handlers).map(|(intent, handlers)| {
        let route = if intent.external { Route::external(handlers) } else { Route::new(handlers, intent.dispatch) };
        (intent.name.clone(), route)
    });
    Ok(Pipeline::new(Parts {
        model,
        dialogue: dialogue::dialogue(intents)?,
        extractor: Extractor::new(&intents.entities)?,
        routes: routes.collect(),
        choice: choice(settings, intents),
        model_timeout: settings.model.timeout.get(),
        handler_timeout: settings.worker.handler_timeout.get(),
        retry: RetryPolicy { delays: settings.retry.delays.iter().collect() },
        // Half of the memory: the queues of intents have the other.
        inline: InlineLimit {
            bytes: settings.worker.memory_budget.get() / 2,
            requests: settings.amqp.prefetch.get().get().into(),
        },
        // Beside the messages as they came: half as much again.
        attachments: Attachments::new(transcriber, Some(fetcher), settings.worker.memory_budget.get() / 2),
    }))
}

/// What is remembered of answers; none where that is off. To be called in a tokio runtime, where a Redis is named.
///
/// # Errors
/// [`BuildError`] where the Redis's URL can't be used.
pub fn answers(settings: &Settings) -> Result<Option<Arc<Answers>>, BuildError> {
    let answered = &settings.answered;
    let Some(entries) = answered.max_entries.get() else { return Ok(None) };
    let bounds =
        Bounds { entries: entries.get().get().into(), bytes: answered.max_bytes.get(), age: answered.ttl.get() };
    let shared = shared_answers(settings)?.map(|redis| Arc::new(redis) as Arc<dyn SharedAnswers>);
    Ok(Some(Arc::new(Answers::new(bounds, shared))))
}

/// The Redis in which answers are shared; none where the settings name none. To be called in a tokio runtime.
///
/// # Errors
/// [`BuildError`] where its URL can't be used.
pub fn shared_answers(settings: &Settings) -> Result<Option<RedisAnswers>, BuildError> {
    let answered = &settings.answered;
    let started = answered.redis_url.as_ref().map(|url| {
        let url = conversations::renewed(RedisUrl(url.secret().clone()), answered.redis_url_file.clone());
        RedisAnswers::start(url, settings.amqp.exchange.as_str(), answered.ttl.get())
    });
    Ok(started.transpose()?)
}

/// What a worker remembers, whatever bot it serves.
pub struct Memory {
    pub answers: Option<Arc<Answers>>,
    /// Where conversations are kept.
    pub conversations: Arc<dyn Store>,
}

/// The bot of an intents file, with the model trained on so many processors: what a worker begins with, and what a reload
/// puts in its place. One goes on with what the one before remembers.
///
/// # Errors
/// [`BuildError`].
pub fn bot(
    settings: &Settings,
    names: &Names,
    intents: &IntentsFile,
    memory: &Memory,
    processors: Processors,
) -> Result<Bot, BuildError> {
    let model = model(settings, intents, &Log::of(processors))?;
    let mut pipeline = pipeline(settings, intents, model)?;
    if let Some(answers) = &memory.answers {
        pipeline = pipeline.remembering(answers.clone());
    }
    if intents.conversation.is_some() {
        // What the user says, and what the bot does.
        let texts = 2 * usize::from(settings.conversation.max_turns.get().get());
        let conversations = Conversations::new(memory.conversations.clone(), texts);
        pipeline = pipeline.conversing(conversations.idle_after(settings.conversation.person_idle.get()));
    }
    Ok(Bot {
        pipeline: Arc::new(pipeline),
        topology: Arc::new(topology(settings, names, intents)),
        hash: fingerprint::bot(settings, intents).into(),
    })
}

/// The worker of these settings and intents, with the model trained.
///
/// # Errors
/// [`BuildError`].
pub fn worker(settings: &Settings, intents: &IntentsFile, memory: &Memory) -> Result<Worker, BuildError> {
    let amqp = amqp_settings(settings)?;
    let bot = bot(settings, &amqp.names, intents, memory, Processors::All)?;
    Ok(Worker::new(amqp, bot))
}
