//! Questions of the command line, and those of standard input, a line each.

use tokio::io::{AsyncBufReadExt, BufReader, Split, Stdin, stdin};

use super::{Exit, Failure, attaching::Attaching};
use crate::{domain::IntentName, utf8};

/// What is asked, and how.
#[derive(Debug, clap::Args)]
pub(super) struct QuestionArguments {
    /// The question; words are joined by spaces. Without it, a conversation on a terminal, or a question a line of
    /// standard input
    pub(super) text: Vec<String>,
    /// Address this intent, rather than have the text classified
    #[arg(long, value_name = "NAME", value_parser = IntentName::new)]
    pub(super) intent: Option<IntentName>,
    /// The language of the answer, such as zh or en-GB; else that of the text
    #[arg(long, value_name = "TAG")]
    pub(super) locale: Option<String>,
    #[command(flatten)]
    pub(super) attaching: Attaching,
}

impl QuestionArguments {
    /// Whether there is a question among them.
    pub(super) fn is_there(&self) -> bool {
        !self.text.is_empty() || !self.attaching.is_empty()
    }
}

/// Standard input, line by line.
pub(super) struct Questions {
    lines: Split<BufReader<Stdin>>,
    number: usize,
}

impl Questions {
    pub(super) fn new() -> Self {
        Self { lines: BufReader::new(stdin()).split(b'\n'), number: 0 }
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> usize {
        self.number
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
