//! A question a line of standard input, an answer a line of standard output.

use tokio::io::{AsyncBufReadExt, BufReader, Split, Stdin, stdin};

use super::{Asker, answer, exit, failure};
use crate::{
    cli::{Exit, Failure, Format, output},
    domain::codec::Answered,
    utf8,
};

/// Standard input, line by line.
pub(super) struct Questions {
    lines: Split<BufReader<Stdin>>,
    number: usize,
}

impl Questions {
    pub(super) fn new() -> Self {
        Self { lines: BufReader::new(stdin()).split(b'\n'), number: 0 }
    }

    /// The next line that isn't blank; none at the end.
    ///
    /// # Errors
    /// A [`Failure`] where it isn't UTF-8, or can't be read.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            self.number += 1;
            let line = self.lines.next_segment().await;
            let line = line.map_err(|error| Failure::new(Exit::Os, format!("can't read standard input: {error}")))?;
            let Some(line) = line else { return Ok(None) };
            let text = utf8::decode(line)
                .map_err(|error| Failure::new(Exit::Data, format!("line {} of standard input {error}", self.number)))?;
            let text = text.trim_end_matches('\r');
            if !text.trim().is_empty() {
                return Ok(Some(text.to_owned()));
            }
        }
    }
}

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
