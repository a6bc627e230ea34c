//! A question a line of standard input, an answer a line of standard output.

use tokio_util::sync::CancellationToken;

use super::{Asker, exit, failure, stream::Shown};
use crate::{
    cli::{Exit, Failure, Format, answer, output, questions::Questions},
    domain::codec::Answered,
};

pub(super) async fn run(asker: &mut Asker<'_>) -> Result<Exit, Failure> {
    // An answer a line: what of it is shown before can't be a line.
    asker.stream = false;
    let mut questions = Questions::new();
    let mut worst = Exit::Ok;
    while let Some(question) = questions.next().await? {
        let asked = asker.ask(&question, &Shown::default(), &CancellationToken::new()).await.map_err(failure);
        let answer = asked.map_err(|failure| Failure {
            message: format!("line {} of standard input: {}", questions.number(), failure.message),
            ..failure
        })?;
        match (asker.arguments.format, &answer.answered) {
            (Format::Json, _) => output::print(&answer::json_line(&answer.body))?,
            (Format::Text, Answered::Reply(reply)) => output::print(&answer::line(reply))?,
            (Format::Text, Answered::Error(error)) => {
                output::tell(&format!("line {}: {}", questions.number(), answer::error_line(error)));
            }
        }
        if exit(&answer) != Exit::Ok {
            worst = exit(&answer);
        }
    }
    Ok(worst)
}
