//! `check`: what is wrong, and how to mend it.

use super::{Exit, Failure};

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs the command.
pub(super) fn run(_arguments: &Arguments) -> Result<Exit, Failure> {
    Ok(Exit::Ok)
}
