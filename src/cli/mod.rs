//! The command line: one command a file.
//!
//! **Invariant:** commands print for people on standard output, or JSON where asked; the log goes to standard error.

mod exit;
mod run;
mod setup;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure};

/// What `--version` tells: the version, and the commit that it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CHATBOT_COMMIT"), ")");

/// Answers chat messages over RabbitMQ: classifies their intent, replies, and loses nothing.
#[derive(Debug, Parser)]
#[command(name = "chatbot-worker", version = VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Consume and answer until Ctrl-C or SIGTERM (the default)
    Run,
}

/// Runs the command that the arguments name.
pub fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command.unwrap_or(Command::Run) {
        Command::Run => run::run(),
    };
    exit::report(result)
}
