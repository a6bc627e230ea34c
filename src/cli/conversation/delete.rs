//! `conversation delete`: forget some.

use super::{store_failure, which::Which};
use crate::{
    cli::{Exit, Failure, output},
    conversation::Store,
};

const HELP: &str = "\
A turn that is being worked on meanwhile isn't kept, and is worked on again, as the first of a new conversation.

Examples:
  chatbot-worker conversation delete 1f0c9a
  chatbot-worker conversation delete --conversation c-1 --sender alice --user shop
  chatbot-worker conversation delete --sender alice --all       all that a user ever said, as far as it is kept";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// All of them, where several fit
    #[arg(long)]
    all: bool,
}

/// Deletes them, or says that several fit.
pub(super) async fn run(arguments: &Arguments, store: &dyn Store) -> Result<Exit, Failure> {
    let found = arguments.which.find(store).await?;
    if found.len() > 1 && !arguments.all {
        let message = format!("{} conversations fit, and none was deleted: add --all, or say which", found.len());
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut deleted = 0;
    for (key, _) in found.values() {
        deleted += u64::from(store.delete(key).await.map_err(store_failure)?);
    }
    output::print(&format!("deleted: {deleted}\n"))?;
    Ok(Exit::Ok)
}
