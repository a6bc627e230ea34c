//! The command line: one command a file.
//!
//! **Invariant:** commands print for people on standard output, or JSON where asked; the log goes to standard error.

mod ask;
mod check;
mod classify;
mod config;
mod exit;
mod health;
mod intents;
mod output;
mod run;
mod setup;
mod topology;

use clap::{Parser, Subcommand, ValueEnum};

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
    /// Ask the bot over RabbitMQ, as a client would, and print the answer
    Ask(ask::Arguments),
    /// Look for what is wrong, from the settings to the broker's objects, and say how to mend it
    Check(check::Arguments),
    /// Show, declare or delete the exchanges and queues, and print what an administrator has to run
    Topology(topology::Arguments),
    /// Classify a text with the bot's model, without a broker
    Classify(classify::Arguments),
    /// Show the settings in force, and where each came from
    Config(config::Arguments),
    /// The intents file
    Intents(intents::Arguments),
    /// Ask a running worker whether it is ready, for a container's health check
    Health(health::Arguments),
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Runs the command that the arguments name.
pub fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command.unwrap_or(Command::Run) {
        Command::Run => run::run(),
        Command::Ask(arguments) => ask::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Topology(arguments) => topology::run(&arguments),
        Command::Classify(arguments) => classify::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Intents(arguments) => intents::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
    };
    exit::report(result)
}
