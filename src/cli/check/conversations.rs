//! Where conversations are kept.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

use super::Report;
use crate::{
    app::{
        self, StoreFault,
        settings::{Place, Settings},
    },
    conversation::{OpenError, Store},
};

const CHECK: &str = "store";

/// Looks whether the store that the settings name can be used, and what speaks against it. Nothing is kept there: in a
/// Redis a key is written that expires at once, and beside a file that isn't there yet one is made and removed.
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
            match make_beside(&path) {
                Ok(()) => report.ok(CHECK, format!("{} isn't there yet; a worker makes it", path.display())),
                // In the words of a worker, which would end with it.
                Err(error) => report.fail(CHECK, OpenError::Io(path, error), ""),
            }
        }
        Err(error) => report.fail(CHECK, error, ""),
    }
}

/// Makes a file in the same folder, and removes it again.
fn make_beside(path: &Path) -> io::Result<()> {
    let name = format!(".chatbot-worker-check-{}", std::process::id());
    let beside = path.with_file_name(name);
    OpenOptions::new().write(true).create_new(true).open(&beside)?;
    fs::remove_file(beside)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_folder_in_which_a_file_can_be_made_is_left_as_it_is() {
        let folder = std::env::temp_dir().join(format!("check-store-{}", uuid::Uuid::now_v7()));
        let path = folder.join("conversations.redb");
        assert_eq!(make_beside(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::create_dir(&folder).unwrap();
        make_beside(&path).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
        // A name below what is no folder.
        fs::write(&folder, "").unwrap();
        assert!(make_beside(&path).is_err());
        fs::remove_file(&folder).unwrap();
    }
}
