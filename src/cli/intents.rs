//! `intents`: the intents file.

use super::{Exit, Failure, output};
use crate::app::intents::BUILT_IN;

const EXAMPLES: &str = "\
A bot of your own, from the one that is built in:
  chatbot-worker intents print > my-bot.toml   change it: its head says how it is written
  export CHATBOT_INTENTS_PATH=my-bot.toml
  chatbot-worker classify 我想退货             what does it understand?
  chatbot-worker run";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the built-in intents file, to start your own from
    Print,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Print => output::print(BUILT_IN)?,
    }
    Ok(Exit::Ok)
}
