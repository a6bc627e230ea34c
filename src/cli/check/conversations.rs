//! Where conversations are kept.

use super::Report;
use crate::{
    app::{
        self, StoreFault,
        settings::{Place, Settings},
    },
    conversation::{OpenError, Store},
};

const CHECK: &str = "store";

/// Looks whether the store that the settings name can be used, and what speaks against it. Nothing is kept there: of a
/// Redis a key is written that expires at once.
pub(super) async fn check(report: &mut Report, settings: &Settings) {
    match settings.conversation.store {
        Place::Memory => {
            report.ok(CHECK, "conversations are kept in the worker's memory: one worker, and gone with it")
        }
        Place::File => file(report, settings).await,
        Place::Redis => redis(report, settings).await,
    }
}

async fn file(report: &mut Report, settings: &Settings) {
    match app::kept_conversations(settings).await {
        Ok(_) => report.ok(CHECK, "the file of conversations can be used, and no worker has it"),
        Err(StoreFault::File(OpenError::Locked(path, _))) => {
            report.ok(CHECK, format!("{} is in use by a worker", path.display()));
        }
        Err(StoreFault::File(OpenError::Missing(path))) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_none_or(std::path::Path::is_dir) {
                report.ok(CHECK, format!("{} isn't there yet; a worker makes it", path.display()));
            } else {
                let message = format!("{} can't be made, as its folder isn't there", path.display());
                report.fail(
                    CHECK,
                    message,
                    "Make the folder, for the worker's user, or correct CHATBOT_CONVERSATION_PATH.",
                );
            }
        }
        Err(error) => report.fail(CHECK, error, ""),
    }
}

async fn redis(report: &mut Report, settings: &Settings) {
    let store = match app::redis_conversations(settings) {
        Ok(store) => store,
        Err(error) => return report.fail(CHECK, error, ""),
    };
    // A key that nobody has: whether it may be asked at all. And one of its own: a Redis that is full, or a replica, is read all
    // the same.
    let looked = async {
        store.get(&crate::domain::Key::of([])).await?;
        store.try_write().await?;
        store.doubts().await
    };
    match looked.await {
        Ok(doubts) if doubts.is_empty() => report.ok(CHECK, "the Redis of conversations can be used, and keeps them"),
        Ok(doubts) => {
            for doubt in doubts {
                report.warn(CHECK, format!("CHATBOT_CONVERSATION_REDIS_URL: {doubt}"), "");
            }
        }
        Err(error) => {
            report.fail(CHECK, error, "Do what it says, start it, or correct CHATBOT_CONVERSATION_REDIS_URL.")
        }
    }
}
