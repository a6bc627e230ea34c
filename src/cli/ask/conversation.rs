//! A conversation on the terminal.

use std::pin::pin;

use tokio::signal::ctrl_c;

use tokio_util::sync::CancellationToken;

use super::{Asker, failure, stream::Shown};
use crate::cli::{Exit, Failure, output, questions::Questions};

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
        let (shown, cancel) = (Shown::default(), CancellationToken::new());
        let stops = asker.arguments.stream;
        let asked = {
            let mut asking = pin!(asker.ask(&question, &shown, &cancel));
            loop {
                tokio::select! {
                    asked = &mut asking => break Some(asked),
                    // The first stops the answer, where it is shown as it is being written.
                    _ = &mut interrupted => {
                        if !stops || cancel.is_cancelled() {
                            break None;
                        }
                        cancel.cancel();
                        interrupted.set(ctrl_c());
                    }
                }
            }
        };
        let Some(asked) = asked else { break };
        let answer = match asked {
            Ok(answer) => answer,
            Err(error) if error.leaves_the_client_whole() => {
                output::tell(&format!("{error}\n"));
                continue;
            }
            Err(error) => return Err(failure(error)),
        };
        asker.print(&answer, &shown)?;
    }
    // The shell's prompt begins on a line of its own.
    output::tell("\n");
    Ok(Exit::Ok)
}
