//! The command line: one command a file.
//!
//! **Invariant:** commands print for people on standard output, or JSON where asked; the log goes to standard error.

mod age;
mod answer;
mod ask;
mod attaching;
mod check;
mod classify;
mod config;
mod conversation;
mod dead;
mod eval;
mod exit;
mod health;
mod import;
mod intents;
mod key;
mod output;
mod questions;
mod reading;
mod run;
mod serve;
mod setup;
mod signals;
mod topology;
mod train;
mod training;
mod try_out;
mod workers;

use clap::{Parser, Subcommand, ValueEnum};

pub use exit::{Exit, Failure};

/// What `--version` tells: the version, and the commit that it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CHATBOT_COMMIT"), ")");

const ABOUT: &str = "Answers chat messages over RabbitMQ: classifies their intent, replies, and loses nothing";

const LONG_ABOUT: &str = "\
Answers chat messages over RabbitMQ: classifies their intent, replies, and loses nothing.

A client publishes a message to a topic exchange and names in reply_to where it waits for the answer. A
worker consumes the message, classifies the intent of its text, has that intent's handler answer it, and
publishes the answer. What can't be answered now is tried again later; what can't be answered at all is
kept in a dead-letter queue with the reason, and the client is told. Run more workers to go faster.

First steps, with RabbitMQ on this machine (or CHATBOT_AMQP_URL set to where it is):
  chatbot-worker try 我想查询产品规格   the bot's answer, without a broker
  chatbot-worker check                  is there all that a worker needs?
  chatbot-worker run                    answer, until Ctrl-C
  chatbot-worker ask 我想查询产品规格   in another terminal: ask, as a client would";

const AFTER_HELP: &str = "\
Settings are environment variables, CHATBOT_<SECTION>_<NAME>, or lines of a file that CHATBOT_CONFIG names:
  CHATBOT_AMQP_URL=amqps://bot:secret@mq1,amqps://bot:secret@mq2   the broker's nodes
  CHATBOT_AMQP_URL_FILE=/run/secrets/amqp_url                      the same, from a file: so for every variable
  CHATBOT_INTENTS_PATH=my-bot.toml                                 your own bot; else the built-in sample
`chatbot-worker config` shows those in force, and where each came from; `chatbot-worker config --default`
prints all there are, with their documentation.

Exit codes:
    0  all is well
    1  the answer is no: an error reply, a failed check, not ready
   64  the command line is wrong
   65  the input is wrong
   69  there is no broker, or no worker
   71  the operating system refuses something
   75  no answer in time
   77  the broker refuses the user
   78  the settings, the intents file or the broker's objects aren't as they must be
  130  ended by a second Ctrl-C or SIGTERM, without finishing what was in work; `dead`: by the first, in order

`chatbot-worker COMMAND --help` tells more of a command, with examples.";

const RUN_EXAMPLES: &str = "\
Examples:
  chatbot-worker run
  CHATBOT_AMQP_URL=amqp://bot:secret@mq1 chatbot-worker run
  CHATBOT_HTTP_LISTEN=0.0.0.0:8080 CHATBOT_LOG_FORMAT=json chatbot-worker run   in a container
  CHATBOT_WORKER_QUEUES=requests chatbot-worker run                             a part of the work

The first Ctrl-C or SIGTERM lets what is in work finish, for CHATBOT_WORKER_SHUTDOWN_GRACE at most; the second
ends at once. A broker that is away is waited for. The log says where /livez, /readyz and /metrics are served,
and at / a page to watch the worker.
A changed intents file is read again and served within seconds (CHATBOT_INTENTS_WATCH), or at once on SIGHUP,
which doesn't end the worker.

Exit codes:
    0  stopped, when told to
   71  the operating system refuses something, or an address or the file of conversations is in use
   77  the broker refuses the user
   78  the settings, the intents file or the broker's objects aren't as they must be
  130  ended by a second Ctrl-C or SIGTERM";

#[derive(Debug, Parser)]
#[command(name = "chatbot-worker", version = VERSION, about = ABOUT, long_about = LONG_ABOUT)]
#[command(after_long_help = AFTER_HELP, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Consume and answer until Ctrl-C or SIGTERM (the default)
    #[command(after_help = RUN_EXAMPLES)]
    Run,
    /// Open the door to the web alone: HTTP, WebSocket, OpenAI's and Rasa's forms, a page to talk to the bot
    #[command(after_help = serve::HELP)]
    Serve,
    /// Ask the bot over RabbitMQ, as a client would, and print the answer
    Ask(ask::Arguments),
    /// Look for what is wrong, from the settings to the broker's objects, and say how to mend it
    Check(check::Arguments),
    /// Show, declare or delete the exchanges and queues, and print what an administrator has to run
    Topology(topology::Arguments),
    /// List, show, replay, purge, export and import the messages that couldn't be answered
    Dead(dead::Arguments),
    /// List the workers that are alive: bot, store, lanes, what they have in work
    Workers(workers::Arguments),
    /// List, show and forget the conversations that are kept
    Conversation(conversation::Arguments),
    /// Classify a text with the bot's model, without a broker
    Classify(classify::Arguments),
    /// Try the whole bot without a broker: a question, or a conversation on the terminal
    Try(try_out::Arguments),
    /// Train the bot's model and save it, so that workers start at once
    Train(train::Arguments),
    /// Measure how good the bot is, or a model on any data, and say what to do about it
    Eval(eval::Arguments),
    /// Show the settings in force, and where each came from
    Config(config::Arguments),
    /// Print the built-in intents file, to make a bot of your own from
    Intents(intents::Arguments),
    /// Make an intents file of a Rasa project, CSV, JSON, or a folder of them
    Import(import::Arguments),
    /// Make a key for the door, or list those that there are
    Key(key::Arguments),
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
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return told(&error),
    };
    let result = match arguments.command.unwrap_or(Command::Run) {
        Command::Run => run::run(),
        Command::Serve => serve::run(),
        Command::Ask(arguments) => ask::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Topology(arguments) => topology::run(&arguments),
        Command::Dead(arguments) => dead::run(&arguments),
        Command::Workers(arguments) => workers::run(&arguments),
        Command::Conversation(arguments) => conversation::run(&arguments),
        Command::Classify(arguments) => classify::run(&arguments),
        Command::Try(arguments) => try_out::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Intents(arguments) => intents::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Key(arguments) => key::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
    };
    exit::report(result)
}

/// Prints what clap has to say: help or the version, or what is wrong with the command line.
fn told(error: &clap::Error) -> std::process::ExitCode {
    // Where it can't be printed, nobody is there to read it.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() }
}
