//! `dead export`: letters in a file.
//!
//! **Invariant:** a letter is removed from its queue only once the file with it is on disk.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, ErrorKind, Write},
    path::PathBuf,
};

use super::{
    read_failure,
    selection::Chosen,
    walk::{Visitor, Walk},
};
use crate::{
    amqp::dead::Held,
    cli::{Exit, Failure, output, setup, topology::Configured},
};

/// How many letters are removed once the file is on disk, which takes a while each time.
const BATCH: usize = 100;

const HELP: &str = "\
Each line is a letter, whole: its queue, properties, headers with their types, and body (as text where it is UTF-8, else
as base64). It holds what users wrote: keep it accordingly. `dead import` puts the letters back. They stay in their
queues, unless --remove takes out each that is in the file, and on disk.

Examples:
  chatbot-worker dead export --all > dead.jsonl
  chatbot-worker dead export --reason invalid_message --output dead.jsonl --remove
  chatbot-worker dead export --queue requests | jq -r .body";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    /// The file to write, which must not exist yet; else standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Take the letters out of their queues
    #[arg(long, requires = "output")]
    remove: bool,
}

/// Writes them.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    let Chosen { id, selection, .. } = &arguments.chosen;
    setup::runtime()?.block_on(async {
        let mut walk = Walk::new(&configured, selection, id, arguments.output.is_some()).await?;
        walk.resolve().await?;
        let file = arguments.output.as_ref().map(|path| {
            let opened = OpenOptions::new().write(true).create_new(true).open(path);
            opened.map_err(|error| {
                let mend = match error.kind() {
                    ErrorKind::AlreadyExists => "; name another, or move that one away: no file is written over",
                    _ => "",
                };
                Failure::new(Exit::Os, format!("{}: can't be made: {error}{mend}", path.display()))
            })
        });
        let file = file.transpose()?.map(BufWriter::new);
        let mut exporting =
            Exporting { file, remove: arguments.remove, written: Vec::new(), exported: 0, unreadable: 0 };
        let walked = walk.each(&mut exporting).await;
        walk.close().await;
        let (exported, unreadable) = (exporting.exported, exporting.unreadable);
        let verb = if arguments.remove { "exported and removed" } else { "exported" };
        output::tell(&format!("{verb}: {exported}\n"));
        if unreadable > 0 {
            output::tell(&format!("kept: {unreadable}, which can't be read whole; `dead list` shows them\n"));
        }
        let walked = walked?;
        if walked.stopped {
            output::tell(&format!("stopped after {} of {} letters\n", walked.seen, walked.there));
            return Ok(Exit::Interrupted);
        }
        if walked.matched == 0 {
            return Err(Failure::new(Exit::No, "no dead letter is there, or fits"));
        }
        Ok(if unreadable > 0 { Exit::No } else { Exit::Ok })
    })
}

struct Exporting {
    /// None for standard output.
    file: Option<BufWriter<File>>,
    remove: bool,
    /// What is in the file, but may not be on disk.
    written: Vec<Held>,
    exported: u64,
    unreadable: u64,
}

impl Visitor for Exporting {
    async fn visit(&mut self, held: Held) -> Result<(), Failure> {
        if held.letter.unreadable.is_some() {
            self.unreadable += 1;
            return Ok(());
        }
        let mut record = held.letter.record();
        record.id = Some(held.letter.id.to_string());
        let line = output::json_line(&record)?;
        match &mut self.file {
            None => {
                output::print(&line)?;
                self.exported += 1;
            }
            Some(file) => {
                file.write_all(line.as_bytes()).map_err(unwritten)?;
                if self.remove {
                    self.written.push(held);
                } else {
                    self.exported += 1;
                }
            }
        }
        if self.written.len() == BATCH { self.settle().await } else { Ok(()) }
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        if let Some(file) = &mut self.file {
            file.flush().and_then(|()| file.get_ref().sync_all()).map_err(unwritten)?;
        }
        for held in self.written.drain(..) {
            held.remove().await.map_err(read_failure)?;
            self.exported += 1;
        }
        Ok(())
    }
}

fn unwritten(error: std::io::Error) -> Failure {
    Failure::new(Exit::Os, format!("the file can't be written: {error}; what isn't in it is in its queue"))
}
