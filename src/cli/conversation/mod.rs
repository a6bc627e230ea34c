//! `conversation`: what is kept of conversations, for whoever is asked about one, or asked to forget it.
//!
//! **Invariant:** a part of all conversations is in memory at a time, however many there are.

mod delete;
mod list;
mod show;
mod which;

use std::sync::Arc;

use clap::Subcommand;

use super::{Exit, Failure, setup};
use crate::{
    amqp::message::time::now_ms,
    app::{self, StoreFault, settings::Settings},
    conversation::{OpenError, Record, Store, StoreError, Stored},
    domain::Key,
};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker conversation list                            all of them
  chatbot-worker conversation list --user shop                those of one user of the broker
  chatbot-worker conversation show 1f0c9a                     one, by the beginning of its key
  chatbot-worker conversation show --conversation c-1         the same by its id
  chatbot-worker conversation delete --conversation c-1       forget it

They are those of the store that CHATBOT_CONVERSATION_STORE names. What a worker keeps in memory nobody else can read. A
file is read while no worker has it; a Redis at any time.

Exit codes: 0 done, 1 there is none, or not the one that was meant, 69 the store is away, or a worker has it, 71 nothing
could be written, 78 the settings or the store aren't as they must be.";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them: whose they are, how long ago the last turn was, how large they are
    List(list::Arguments),
    /// Show one: its state, and what was said
    Show(show::Arguments),
    /// Forget some
    Delete(delete::Arguments),
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = setup::settings()?.settings;
    setup::runtime()?.block_on(async {
        let store = open(&settings).await?;
        match &arguments.command {
            Command::List(arguments) => list::run(arguments, &*store).await,
            Command::Show(arguments) => show::run(arguments, &*store).await,
            Command::Delete(arguments) => delete::run(arguments, &*store).await,
        }
    })
}

async fn open(settings: &Settings) -> Result<Arc<dyn Store>, Failure> {
    const MEMORY: &str = "conversations are kept in each worker's memory (CHATBOT_CONVERSATION_STORE=memory), and can't be \
                          read from outside: to see them, keep them in a file or a Redis";
    match app::kept_conversations(settings).await {
        Ok(Some(store)) => Ok(store),
        Ok(None) => Err(Failure::new(Exit::Config, MEMORY)),
        Err(StoreFault::File(OpenError::Locked(path, _))) => {
            let message =
                format!("{} is in use by a worker: end it first, or keep conversations in a Redis", path.display());
            Err(Failure::new(Exit::Unavailable, message))
        }
        Err(StoreFault::File(error @ OpenError::Missing(_))) => Err(Failure::new(Exit::No, error)),
        Err(error) => Err(Failure::new(Exit::Config, error)),
    }
}

/// How many are read at once.
const PAGE: usize = 100;

/// Shows every conversation to `visit`, as it is read.
async fn each(store: &dyn Store, mut visit: impl FnMut(Key, &Stored) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut from = None;
    loop {
        let page = store.page(from, PAGE).await.map_err(store_failure)?;
        for (key, stored) in &page.found {
            visit(*key, stored)?;
        }
        from = match page.next {
            Some(next) => Some(next),
            None => return Ok(()),
        };
    }
}

fn read(key: &Key, stored: &Stored) -> Result<Record, Failure> {
    Record::read(key, stored).map_err(|error| Failure::new(Exit::Config, error))
}

fn store_failure(error: StoreError) -> Failure {
    let exit = match error {
        StoreError::Away(_) => Exit::Unavailable,
        StoreError::Unusable(_) | StoreError::TooLarge { .. } => Exit::Config,
    };
    Failure::new(exit, error)
}

/// How long ago a conversation changed, in the largest unit.
fn since(record: &Record) -> String {
    super::age::age(std::time::Duration::from_millis(now_ms().saturating_sub(record.changed)))
}
