//! `dead list`: what couldn't be answered, and why.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    Summary,
    selection::Selection,
    unreadable,
    walk::{Visitor, Walk},
};
use crate::{
    amqp::{
        dead::{Held, Letter},
        message::time::now_ms,
    },
    cli::{Exit, Failure, Format, age::age, output, setup, topology::Configured},
};

const HELP: &str = "\
Nothing is taken out of the queues. The letters are printed as they are read, with the
beginning of their IDs; then how many there are by queue and reason.

In JSON each letter is an object on a line, with its whole ID, times in Unix milliseconds; with --count there is one
object alone. What is in the queue of `died` can't be read, and is only counted.

Examples:
  chatbot-worker dead list --count
  chatbot-worker dead list --queue requests --reason timeout,internal
  chatbot-worker dead list --intent refund --older-than 30m
  chatbot-worker dead list --format json | jq -r 'select(.attempt > 2) | .id'";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Only how many there are
    #[arg(long)]
    count: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Lists them.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    setup::runtime()?.block_on(async {
        let walk = Walk::new(&configured, &arguments.selection, &[], arguments.count).await?;
        let died = if arguments.selection.is_empty() { unreadable(&configured).await? } else { 0 };
        let mut listing = Listing { arguments, summary: Summary::default(), widths: None };
        let walked = walk.each(&mut listing).await?;
        walk.close().await;
        let summary = &listing.summary;
        match (arguments.format, arguments.count) {
            (Format::Json, true) => output::print(&output::json(&summary.json(died))?)?,
            (Format::Json, false) => {}
            (Format::Text, _) if walked.matched == 0 => output::print("No dead letter is there, or fits.\n")?,
            (Format::Text, true) => output::print(&summary.table(now_ms()))?,
            (Format::Text, false) => output::print(&format!("\n{}", summary.table(now_ms())))?,
        }
        if died > 0 {
            output::tell(&format!(
                "note: {died} more are in '{}.died.dead', and can't be read: `dead purge --queue died`\n",
                configured.names().exchange()
            ));
        }
        if walked.stopped {
            output::tell(&format!("stopped after {} of {} letters\n", walked.seen, walked.there));
            return Ok(Exit::Interrupted);
        }
        Ok(Exit::Ok)
    })
}

struct Listing<'a> {
    arguments: &'a Arguments,
    summary: Summary,
    /// Of the columns for queue and intent: those of the first rows, widened where one is longer.
    widths: Option<(usize, usize)>,
}

impl Visitor for Listing<'_> {
    async fn visit(&mut self, held: Held) -> Result<(), Failure> {
        let letter = &held.letter;
        self.summary.add(letter);
        if self.arguments.count {
            return Ok(());
        }
        match self.arguments.format {
            Format::Json => output::print(&output::json_line(&Row::of(letter))?),
            Format::Text => {
                let row = self.row(letter);
                output::print(&row)
            }
        }
    }
}

impl Listing<'_> {
    /// A line, below a heading where it is the first. The columns can't be fitted to lines that are still to come.
    fn row(&mut self, letter: &Letter) -> String {
        let queue = letter.queue.to_string();
        let intent = letter.intent().map_or_else(|| "-".to_owned(), ToString::to_string);
        let mut text = String::new();
        let (q, i) = self.widths.unwrap_or((12, 12));
        let (q, i) = (q.max(queue.len()), i.max(intent.len()));
        if self.widths.replace((q, i)).is_none() {
            let _ = writeln!(
                text,
                "{:<12}  {:<q$}  {:<22}  {:<i$}  {:>4}  TRY  ERROR",
                "ID", "QUEUE", "REASON", "INTENT", "AGE"
            );
        }
        let one = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), output::one_line);
        let age = letter.age(now_ms()).map_or_else(|| "-".to_owned(), age);
        let (id, reason, error) = (letter.id.short(), one(&letter.reason), one(&letter.error));
        let attempt = letter.trail().attempt;
        let _ = writeln!(text, "{id:<12}  {queue:<q$}  {reason:<22}  {intent:<i$}  {age:>4}  {attempt:>3}  {error}");
        text
    }
}

/// A letter, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    id: String,
    queue: String,
    reason: Option<&'a str>,
    error: Option<&'a str>,
    intent: Option<&'a str>,
    attempt: u32,
    starts: u32,
    dead_at: Option<u64>,
    first_seen: Option<u64>,
    deadline: Option<u64>,
    routing_key: Option<&'a str>,
    worker: Option<&'a str>,
    message_id: Option<&'a str>,
    body_bytes: usize,
}

impl<'a> Row<'a> {
    pub(super) fn of(letter: &'a Letter) -> Self {
        let trail = letter.trail();
        Self {
            id: letter.id.to_string(),
            queue: letter.queue.to_string(),
            reason: letter.reason.as_deref(),
            error: letter.error.as_deref(),
            intent: letter.intent().map(|intent| intent.as_str()),
            attempt: trail.attempt,
            starts: trail.starts,
            dead_at: letter.at,
            first_seen: trail.first_seen,
            deadline: trail.deadline,
            routing_key: trail.first_routing_key.as_deref(),
            worker: letter.worker.as_deref(),
            message_id: letter.message_id(),
            body_bytes: letter.body().len(),
        }
    }
}
