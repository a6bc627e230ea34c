//! Questions, a line of standard input each.

use tokio::io::{AsyncBufReadExt, BufReader, Split, Stdin, stdin};

use super::{Exit, Failure};
use crate::utf8;

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
