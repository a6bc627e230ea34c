//! Going through the letters of several queues, with a bar on a terminal, until the end or until told to stop.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::{
    connect, read_failure,
    selection::{Selection, work_queues},
    signals, stopping,
};
use crate::{
    amqp::{
        WorkQueue,
        connection::link::Link,
        dead::{self, Filter, Held, LetterId, Reader},
        message::time::now_ms,
    },
    cli::{
        Exit, Failure, output,
        topology::{Configured, ask_failure},
    },
};

/// How many of the IDs that begin alike are told.
const ALIKE: usize = 5;

/// What is done with each letter.
pub(super) trait Visitor {
    /// Does it. A letter that is dropped without being removed is handed back.
    async fn visit(&mut self, held: Held) -> Result<(), Failure>;

    /// Finishes what is in flight: after a queue's last letter, and before those that weren't removed are handed back.
    async fn settle(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The letters to go through.
pub(super) struct Walk<'a> {
    configured: &'a Configured,
    link: Link,
    /// Whose dead letters are gone through. A queue that isn't there is empty: its first letter makes it.
    queues: Vec<WorkQueue>,
    pub(super) filter: Filter,
    pub(super) stop: CancellationToken,
    /// Shown on a terminal alone.
    bar: ProgressBar,
}

/// How far it came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Walked {
    /// How many letters there were.
    pub(super) there: u64,
    /// How many were looked at.
    pub(super) seen: u64,
    /// How many of them were meant.
    pub(super) matched: u64,
    /// Whether it was stopped.
    pub(super) stopped: bool,
}

impl<'a> Walk<'a> {
    /// Connects, and begins to listen for Ctrl-C.
    pub(super) async fn new(
        configured: &'a Configured,
        selection: &Selection,
        ids: &[String],
        bar: bool,
    ) -> Result<Self, Failure> {
        let filter = selection.filter(configured.names(), ids)?;
        let mut queues = if filter.queues.is_empty() { work_queues(configured) } else { filter.queues.clone() };
        // Where letters go that find no queue of their own.
        if !queues.contains(&WorkQueue::Requests) {
            queues.push(WorkQueue::Requests);
        }
        let stop = CancellationToken::new();
        signals::watch(stop.clone(), stopping)?;
        let link = connect(configured).await?;
        let bar = if bar { progress() } else { ProgressBar::hidden() };
        Ok(Self { configured, link, queues, filter, stop, bar })
    }

    /// Does something with each letter that is meant, and hands back those that it didn't remove.
    pub(super) async fn each(&self, visitor: &mut impl Visitor) -> Result<Walked, Failure> {
        let mut walked = Walked::default();
        self.bar.reset();
        self.bar.set_length(0);
        let names = self.configured.names();
        let filled = dead::filled(&self.link, names, &self.queues).await.map_err(ask_failure)?;
        for queue in &filled {
            let Some(mut reader) = Reader::open(&self.link, names, queue).await.map_err(read_failure)? else {
                continue;
            };
            walked.there += u64::from(reader.there());
            self.bar.inc_length(reader.there().into());
            let gone_through = self.queue(&mut reader, visitor, &mut walked).await;
            let settled = visitor.settle().await;
            let elsewhere = reader.elsewhere();
            let finished = reader.finish().await.map_err(read_failure);
            gone_through.and(settled).and(finished)?;
            if elsewhere > 0 {
                output::tell(&format!(
                    "note: {elsewhere} of the letters of '{queue}' were in other hands (those of another command?) and \
                     weren't looked at\n"
                ));
            }
            if walked.stopped {
                break;
            }
        }
        self.bar.finish_and_clear();
        if walked.matched == 0 && !walked.stopped {
            self.are_known()?;
        }
        Ok(walked)
    }

    /// That nothing fits is an answer; that a queue was asked for which no configured intent has, is mostly a slip.
    fn are_known(&self) -> Result<(), Failure> {
        let known = work_queues(self.configured);
        match self.filter.queues.iter().find(|queue| !known.contains(queue)) {
            None => Ok(()),
            Some(queue) => Err(Failure::new(
                Exit::No,
                format!("no dead letter of '{queue}' is there, or fits; and the intents file has no such intent"),
            )),
        }
    }

    async fn queue(
        &self,
        reader: &mut Reader<'_>,
        visitor: &mut impl Visitor,
        walked: &mut Walked,
    ) -> Result<(), Failure> {
        loop {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    walked.stopped = true;
                    return Ok(());
                }
                next = reader.next() => next.map_err(read_failure)?,
            };
            let Some(held) = next else { return Ok(()) };
            walked.seen += 1;
            if self.filter.matches(&held.letter, now_ms()) {
                walked.matched += 1;
                visitor.visit(held).await?;
            }
            self.bar.inc(1);
        }
    }

    /// Makes whole IDs of beginnings, so that none means more letters than whoever wrote it may think. Goes through all
    /// letters for it, unless there is nothing to do.
    pub(super) async fn resolve(&mut self) -> Result<(), Failure> {
        if self.filter.ids.iter().all(|id| id.len() == LetterId::DIGITS) {
            return Ok(());
        }
        let mut alike = Alike::new(self.filter.ids.iter().cloned());
        if self.each(&mut alike).await?.stopped {
            return Err(Failure::new(Exit::Interrupted, "stopped before anything was done"));
        }
        self.filter.ids = alike.whole()?.iter().map(ToString::to_string).collect();
        Ok(())
    }

    /// Closes the connection.
    pub(super) async fn close(&self) {
        self.link.close(self.link.step_limit()).await;
    }
}

/// The IDs that begin as they were given.
pub(super) struct Alike(BTreeMap<String, BTreeSet<LetterId>>);

impl Alike {
    /// Nothing is found yet.
    pub(super) fn new(beginnings: impl IntoIterator<Item = String>) -> Self {
        Self(beginnings.into_iter().map(|beginning| (beginning, BTreeSet::new())).collect())
    }

    /// Notes an ID.
    pub(super) fn add(&mut self, id: LetterId) {
        for (beginning, found) in &mut self.0 {
            if found.len() < ALIKE && id.to_string().starts_with(beginning) {
                found.insert(id);
            }
        }
    }

    /// The one ID of each beginning.
    ///
    /// # Errors
    /// Where there is none, or more than one.
    pub(super) fn whole(&self) -> Result<BTreeSet<LetterId>, Failure> {
        let mut whole = BTreeSet::new();
        for (beginning, found) in &self.0 {
            if found.is_empty() {
                let message = format!("no letter has an ID that begins with '{beginning}': `dead list` shows them");
                return Err(Failure::new(Exit::No, message));
            }
            if found.len() > 1 {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                let message = format!("the IDs of several letters begin with '{beginning}': {}", found.join(", "));
                return Err(Failure::new(Exit::Usage, message));
            }
            whole.extend(found);
        }
        Ok(whole)
    }
}

impl Visitor for Alike {
    async fn visit(&mut self, held: Held) -> Result<(), Failure> {
        self.add(held.letter.id);
        Ok(())
    }
}

/// A bar on standard error; nothing where that is no terminal.
pub(super) fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {per_sec}  {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
