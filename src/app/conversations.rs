//! The store of conversations that the settings name.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    intents::{HandlerDefinition, IntentsFile},
    settings::{self, Place, Settings},
};
use crate::{
    conversation::{Bounds, FileStore, LOCK_LIMIT, MemoryStore, OpenError, RedisStore, Store},
    redis_link::{InvalidRedisUrl, RedisUrl},
    renewed::Renewed,
};

/// Why there is no store. Waiting won't change it.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The Redis's URL can't be used.
    #[error(transparent)]
    Redis(#[from] InvalidRedisUrl),
    /// The file can't be used.
    #[error(transparent)]
    File(#[from] OpenError),
}

/// A store, for a worker that serves. A file is made where there is none, and waited for, 30 s, where another process has
/// it. To be called in a tokio runtime.
///
/// # Errors
/// [`StoreFault`].
pub async fn conversations(settings: &Settings, intents: &IntentsFile) -> Result<Arc<dyn Store>, StoreFault> {
    Ok(match settings.conversation.store {
        Place::Memory => Arc::new(MemoryStore::new(bounds(settings), &said_often(intents))),
        Place::File => Arc::new(FileStore::open(&path(settings), bounds(settings), true, LOCK_LIMIT).await?),
        Place::Redis => Arc::new(redis_conversations(settings)?),
    })
}

/// What this bot says, as it stands in JSON: its intents' names, and its templates.
pub fn said_often(intents: &IntentsFile) -> String {
    let names = intents.intents.iter().map(|intent| intent.name.to_string());
    let handlers = intents.intents.iter().flat_map(|intent| &intent.handlers);
    let replies = handlers.filter_map(|handler| match handler {
        HandlerDefinition::Template { replies } => Some(replies.iter().map(|(_, text)| text)),
        _ => None,
    });
    // A text always has a form in JSON.
    names.chain(replies.flatten().map(|text| serde_json::to_string(text).unwrap_or_default())).collect()
}

/// A store, to look at it from outside of the worker; `None` where that can't be, as the worker has it in its memory. To be
/// called in a tokio runtime.
///
/// # Errors
/// [`StoreFault`]; also where there is no file, or a worker has it.
pub async fn kept_conversations(settings: &Settings) -> Result<Option<Arc<dyn Store>>, StoreFault> {
    Ok(match settings.conversation.store {
        Place::Memory => None,
        Place::File => Some(Arc::new(FileStore::open(&path(settings), bounds(settings), false, Duration::ZERO).await?)),
        Place::Redis => Some(Arc::new(redis_conversations(settings)?)),
    })
}

/// The store in a Redis. To be called in a tokio runtime.
///
/// # Errors
/// [`InvalidRedisUrl`], also where the settings name none.
pub fn redis_conversations(settings: &Settings) -> Result<RedisStore, InvalidRedisUrl> {
    let conversation = &settings.conversation;
    // The settings are refused where it isn't set, and no URL is one that can't be used.
    let url = conversation.redis_url.as_ref().map_or_else(|| String::new().into(), |url| url.secret().clone());
    let url = renewed(RedisUrl(url), conversation.redis_url_file.clone());
    RedisStore::start(url, settings.amqp.exchange.as_str(), conversation.expires.get())
}

/// The URL of a Redis, read again from its file where it came from one.
pub(super) fn renewed(url: RedisUrl, file: Option<crate::config::ValueFile>) -> Renewed<RedisUrl> {
    match file {
        Some(file) => Renewed::new(url, move || Ok(RedisUrl(file.read::<settings::RedisUrl>()?.secret().clone()))),
        None => Renewed::fixed(url),
    }
}

fn bounds(settings: &Settings) -> Bounds {
    let conversation = &settings.conversation;
    Bounds {
        most: usize::try_from(conversation.max.get()).unwrap_or(usize::MAX),
        bytes: conversation.max_bytes.get(),
        expires: conversation.expires.get(),
    }
}

/// The settings are refused where it isn't set, and no file has no name.
fn path(settings: &Settings) -> PathBuf {
    settings.conversation.path.as_ref().map(|path| path.as_path().to_owned()).unwrap_or_default()
}
