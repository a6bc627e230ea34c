//! A conversation on the terminal.

use std::pin::pin;

use tokio::signal::ctrl_c;

use super::{Asker, failure};
use crate::{
    cli::{Exit, Failure, Format, answer, output, questions::Questions},
    domain::codec::Answered,
};

pub(in crate::cli) const GREETING: &str = "Ask the bot; Ctrl-D ends. 请输入您的问题，按 Ctrl-D 结束。\n";
pub(in crate::cli) const PROMPT: &str = "> ";

/// Asks what is typed, until Ctrl-D or Ctrl-C. What isn't an answer goes to standard error, so that the answers can be
/// kept in a file.
pub(super) async fn run(asker: &mut Asker<'_>) -> Result<Exit, Failure> {
    output::tell(GREETING);
    let mut questions = Questions::new();
    let mut interrupted = pin!(ctrl_c());
    loop {
        output::tell(PROMPT);
        let question = tokio::select! {
            question = questions.next() => question?,
            _ = &mut interrupted => None,
            why = asker.client.lost() => {
                return Err(Failure::new(Exit::Unavailable, format!("the connection to the broker was lost: {why}")));
            }
        };
        let Some(question) = question else { break };
        let asked = tokio::select! {
            asked = asker.ask(&question) => asked,
            _ = &mut interrupted => break,
        };
        let answer = match asked {
            Ok(answer) => answer,
            Err(error) if error.leaves_the_client_whole() => {
                output::tell(&format!("{error}\n"));
                continue;
            }
            Err(error) => return Err(failure(error)),
        };
        match (asker.arguments.format, &answer.answered) {
            (Format::Json, _) => output::print(&answer::json_line(&answer.body))?,
            (Format::Text, Answered::Reply(reply)) => output::print(&answer::for_people(reply, answer.took))?,
            (Format::Text, Answered::Error(error)) => output::tell(&answer::error_line(error)),
        }
    }
    // The shell's prompt begins on a line of its own.
    output::tell("\n");
    Ok(Exit::Ok)
}
