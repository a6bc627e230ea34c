//! A question a line of standard input, an answer a line of standard output.

use std::io::ErrorKind;

use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin};

use super::{Asker, answer, exit, failure};
use crate::{
    cli::{Exit, Failure, Format, output},
    domain::codec::Answered,
};

/// Standard input, line by line.
pub(super) struct Questions {
    lines: Lines<BufReader<Stdin>>,
    number: usize,
}

impl Questions {
    pub(super) fn new() -> Self {
        Self { lines: BufReader::new(stdin()).lines(), number: 0 }
    }

    /// The next line that isn't blank; none at the end.
    ///
    /// # Errors
    /// A [`Failure`] where it isn't UTF-8, or can't be read.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            self.number += 1;
            match self.lines.next_line().await {
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(line) => return Ok(line),
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return Err(Failure::new(
                        Exit::Data,
                        format!("line {} of standard input isn't UTF-8", self.number),
                    ));
                }
                Err(error) => return Err(Failure::new(Exit::Os, format!("can't read standard input: {error}"))),
            }
        }
    }
}

/// Asks each line's question.
pub(super) async fn run(asker: &mut Asker<'_>) -> Result<Exit, Failure> {
    let mut questions = Questions::new();
    let mut worst = Exit::Ok;
    while let Some(question) = questions.next().await? {
        let asked = asker.ask(&question).await.map_err(failure);
        let answer = asked.map_err(|failure| Failure {
            message: format!("line {} of standard input: {}", questions.number, failure.message),
            ..failure
        })?;
        match (asker.arguments.format, &answer.answered) {
            (Format::Json, _) => output::print(&answer::json_line(&answer.body))?,
            (Format::Text, Answered::Reply(reply)) => output::print(&answer::line(reply))?,
            (Format::Text, Answered::Error(error)) => {
                output::tell(&format!("line {}: {}", questions.number, answer::error_line(error)));
            }
        }
        if exit(&answer) != Exit::Ok {
            worst = exit(&answer);
        }
    }
    Ok(worst)
}
