//! `dead`: the messages that couldn't be answered, for whoever has to do something about them.
//!
//! **Invariant:** a command may be stopped at any moment: what is in flight is finished or stays in its queue, and the
//! command says how far it came.

mod export;
mod import;
mod list;
mod purge;
mod replay;
mod selection;
mod show;
mod summary;
mod walk;

use clap::Subcommand;
use tokio::task::JoinSet;

use super::{Exit, Failure, output, signals};
use crate::{
    amqp::{
        Names,
        connection::link::{Link, Use},
        dead::ReadError,
        objects::ask::AskError,
        publishing::publisher::Publisher,
    },
    cli::topology::{Configured, ask_failure, connect_failure},
};

pub(super) use summary::Summary;

const EXAMPLES: &str = "\
Examples:
  chatbot-worker dead list                                       all of them, and how many for which reason
  chatbot-worker dead list --reason timeout --newer-than 2h      some of them
  chatbot-worker dead show 1f0c --body                           one; the beginning of its ID is enough
  chatbot-worker dead replay --reason timeout --rate 50/s        send them again, once the cause is gone
  chatbot-worker dead export --all --output dead.jsonl --remove  take them out, into a file
  chatbot-worker dead import dead.jsonl                          and put them back
  chatbot-worker dead purge --older-than 720h --yes              drop them

A letter is in the dead-letter queue of the work queue that it came to first: `requests`, `intent.<name>`, `suspects`.
The queues are those of the settings and the intents file; `--queue intent.NAME` also reaches that of an intent which
was taken out.

What was there when a command began is what it works on. Meanwhile others don't see these letters: of two commands at
once each gets some, and says so. Workers may add letters at any time. Ctrl-C ends a command in order: what is in
flight is finished, the rest stays in its queue.

The user of CHATBOT_AMQP_URL needs the right to read the .dead queues, which a worker hasn't; `chatbot-worker topology
permissions` prints the command that grants what an operator needs.

Exit codes: 0 done, 1 not all of it could be done (see the message), 64 nothing done for want of --yes, 65 the file is
wrong, 69 the broker is away, 77 the broker refuses the user, 78 the settings, the intents or the broker's objects
aren't as they must be, 130 stopped by Ctrl-C or SIGTERM.";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, and sum them up by queue and reason
    List(list::Arguments),
    /// Show one: why it is there, what happened to it, its properties and headers
    Show(show::Arguments),
    /// Publish them again as their clients did, and take out what the broker has taken
    Replay(replay::Arguments),
    /// Drop them
    Purge(purge::Arguments),
    /// Write them down whole, a JSON object a line
    Export(export::Arguments),
    /// Put what was exported back into the queues that it came from
    Import(import::Arguments),
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Purge(arguments) => purge::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Import(arguments) => import::run(arguments),
    }
}

/// A connection on which dead letters arrive, with headers as large as the broker let through.
async fn connect(configured: &Configured) -> Result<Link, Failure> {
    Link::open(&configured.amqp.broker, "chatbot-worker dead", Use::Consume).await.map_err(connect_failure)
}

/// A channel with confirms, on a connection on which such letters fit into a frame.
async fn publisher(configured: &Configured) -> Result<Publisher, Failure> {
    let link = connect(configured).await?;
    let opened = Publisher::open(link, configured.amqp.broker.confirm_timeout).await;
    opened.map_err(|error| Failure::new(Exit::Unavailable, error))
}

/// How many letters are in the queue of those that can't be read.
async fn unreadable(configured: &Configured) -> Result<u32, Failure> {
    let admin = configured.connect().await?;
    let depth = admin.depth(&Names::dead(&configured.names().died())).await.map_err(ask_failure)?;
    admin.close().await;
    Ok(depth.map_or(0, |depth| depth.messages))
}

/// The next task that has ended; none where there are no more. Once the broker takes no messages all are given up, as it may
/// be long until it does again: whether it takes what is in flight then isn't known.
async fn next_done<T: 'static>(tasks: &mut JoinSet<T>, publisher: &Publisher) -> Result<Option<T>, Failure> {
    tokio::select! {
        biased;
        done = tasks.join_next() => done.transpose().map_err(|error| Failure::new(Exit::Os, error)),
        reason = publisher.link().blocked() => {
            tasks.shutdown().await;
            Err(Failure::new(Exit::Unavailable, AskError::Blocked(reason)))
        }
    }
}

fn read_failure(error: ReadError) -> Failure {
    let exit = match &error {
        ReadError::Refused(problem) if problem.refused => Exit::Refused,
        ReadError::Refused(_) => Exit::Config,
        ReadError::Lost(_) => Exit::Unavailable,
    };
    Failure::new(exit, output::printable(&error.to_string()))
}

/// What is said at the first Ctrl-C.
fn stopping() {
    output::tell("stopping: what is in flight is finished, the rest stays in its queue; once more ends at once\n");
}
