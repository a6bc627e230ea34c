//! Exit codes (sysexits) and how a failure is told.

use std::process::ExitCode;

use super::output;

/// How the program ends. The numbers are those of BSD's `sysexits.h`, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The answer is 'no': an error reply, a failed check.
    No = 1,
    /// The command line is wrong.
    Usage = 64,
    /// Input is wrong.
    Data = 65,
    /// The broker, or the worker, isn't there.
    Unavailable = 69,
    /// The machine said no.
    Os = 71,
    /// No answer in time.
    Timeout = 75,
    /// The broker refuses the user.
    Refused = 77,
    /// Settings, intents or the broker's objects aren't as they must be.
    Config = 78,
    /// A second Ctrl-C; of a command that goes through many messages, the first.
    Interrupted = 130,
}

/// Why a command failed, for a person.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// What happened, to what, and what to do; empty where nobody is there to be told.
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl ToString) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Tells a failure on standard error, and turns the result into the process's.
pub(super) fn report(result: Result<Exit, Failure>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.message.is_empty() {
                output::tell(&format!("chatbot-worker: {}\n", failure.message));
            }
            failure.exit.into()
        }
    }
}
