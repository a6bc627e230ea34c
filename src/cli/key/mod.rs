//! `key`: the keys of those who ask through the door.

mod file;
mod list;
mod new;
mod revoke;

use clap::Subcommand;

use super::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  chatbot-worker key new shop --file keys.toml                 a key for a program, put into the file
  chatbot-worker key new desk --names-senders                  one that may say who the sender is: what to put there
  chatbot-worker key new page --public --origin https://shop.example.com --rate 20 --file keys.toml
                                                               one for the pages of a site
  chatbot-worker key list --file keys.toml                     whose keys there are
  chatbot-worker key revoke shop --file keys.toml              takes one back: its lines are taken out

CHATBOT_DOOR_KEYS_PATH names the file to the door, which reads it again within seconds once it has changed.

Exit codes: 0 done, 1 there is a key of that name already, or none to revoke, 64 the command line is wrong, 71 the file can't be read or written, or
the system gives no random numbers, 78 the file of keys, or the settings, aren't as they must be.";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key, and print it this once: the file has its hash alone
    #[command(after_long_help = EXAMPLES)]
    New(new::Arguments),
    /// List the keys of a file: whose they are, of which kind, and their limits
    List(list::Arguments),
    /// Take a key back: doors refuse it within seconds, and close the sockets that it has opened
    Revoke(revoke::Arguments),
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::New(arguments) => new::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Revoke(arguments) => revoke::run(arguments),
    }
}
