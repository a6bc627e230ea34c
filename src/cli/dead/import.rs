//! `dead import`: letters from a file, back into their queues.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{next_done, publisher, signals, stopping, walk::progress};
use crate::{
    amqp::{
        Names,
        dead::Record,
        publishing::publisher::{Message, PublishError, Publisher},
    },
    cli::{Exit, Failure, output, setup, topology::Configured},
};

/// How many letters are on their way to the broker at a time.
const IN_FLIGHT: usize = 64;

const HELP: &str = "\
Each letter goes back into the dead-letter queue that it belongs to, as it was; one exported from another exchange goes
into that queue of this one. Where the queue of an intent isn't there, which its first letter makes, the letter goes to
those of the requests, and is listed as the intent's all the same. The whole file is checked before the first is published. A letter that was changed has to
lose its `id` first, which says that it wasn't.

Importing a file twice makes two of each letter, which share their ID. Where it was stopped, it says which line comes
next.

Example:
  chatbot-worker dead import dead.jsonl";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// The file that `dead export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Puts them back.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    let names = configured.names();
    let mut letters = 0;
    for message in messages(&arguments.file, names)? {
        message?;
        letters += 1;
    }
    setup::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        signals::watch(stop.clone(), stopping)?;
        let bar = progress();
        bar.set_length(letters);
        let mut importing =
            Importing { publisher: Arc::new(publisher(&configured).await?), tasks: JoinSet::new(), imported: 0 };
        let result = importing.all(&arguments.file, names, &stop, &bar).await;
        bar.finish_and_clear();
        importing.publisher.link().close(configured.amqp.broker.connect_timeout).await;
        let imported = importing.imported;
        output::print(&format!("imported: {imported} of {letters}\n"))?;
        result?;
        if imported < letters {
            let file = arguments.file.display();
            output::tell(&format!("stopped; to go on: tail -n +{} {file} > rest, and import that\n", imported + 1));
            return Ok(Exit::Interrupted);
        }
        Ok(Exit::Ok)
    })
}

struct Importing {
    publisher: Arc<Publisher>,
    tasks: JoinSet<Result<(), PublishError>>,
    imported: u64,
}

impl Importing {
    async fn all(
        &mut self,
        file: &Path,
        names: &Names,
        stop: &CancellationToken,
        bar: &indicatif::ProgressBar,
    ) -> Result<(), Failure> {
        let mut result = Ok(());
        for message in messages(file, names)? {
            if stop.is_cancelled() || result.is_err() {
                break;
            }
            let (message, publisher) = (message?, self.publisher.clone());
            while result.is_ok() && self.tasks.len() >= IN_FLIGHT {
                result = self.one().await;
            }
            if result.is_ok() {
                self.tasks.spawn(async move { put(&publisher, message).await });
            }
            bar.set_position(self.imported);
        }
        while !self.tasks.is_empty() {
            result = result.and(self.one().await);
        }
        result
    }

    async fn one(&mut self) -> Result<(), Failure> {
        match next_done(&mut self.tasks, &self.publisher).await? {
            None => Ok(()),
            Some(Ok(())) => {
                self.imported += 1;
                Ok(())
            }
            Some(Err(PublishError::Returned(queue))) => Err(Failure::new(
                Exit::Config,
                format!("there is no queue '{queue}': a worker or `chatbot-worker topology declare` makes it"),
            )),
            Some(Err(error)) => Err(Failure::new(Exit::Unavailable, error)),
        }
    }
}

/// Puts a letter where it belongs, or where one goes that finds no queue there.
async fn put(publisher: &Publisher, [own, other]: [Message; 2]) -> Result<(), PublishError> {
    match publisher.publish(own).await {
        Err(PublishError::Returned(_)) => publisher.publish(other).await,
        done => done,
    }
}

/// The letters of a file, ready to be published, line by line.
fn messages<'a>(
    path: &'a Path,
    names: &'a Names,
) -> Result<impl Iterator<Item = Result<[Message; 2], Failure>> + 'a, Failure> {
    let wrong = |what: &dyn std::fmt::Display| Failure::new(Exit::Data, format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| wrong(&format!("can't be read: {error}")))?;
    Ok(BufReader::new(file).split(b'\n').enumerate().map(move |(number, line)| {
        let line = line.map_err(|error| wrong(&format!("can't be read: {error}")))?;
        let message = Record::parse(&line).and_then(|record| record.into_messages(names));
        message.map_err(|error| wrong(&format!("line {}: {error}", number + 1)))
    }))
}
