//! `dead show`: one letter.

use serde::Serialize;

use super::{
    list::Row,
    selection::{Selection, id_prefix},
    walk::{Alike, Visitor, Walk},
};
use crate::{
    amqp::{
        dead::{Held, Letter, Record},
        message::time::now_ms,
    },
    cli::{
        Exit, Failure, Format,
        age::{age, time},
        output, setup,
        topology::Configured,
    },
};

const HELP: &str = "\
Nothing is taken out of the queue. The body is what a user wrote: it is shown only where --body asks for it.

Examples:
  chatbot-worker dead show 1f0c
  chatbot-worker dead show 1f0c --body --format json | jq -r .letter.body";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// The letter's ID, as `dead list` prints it; a beginning that no other has is enough
    #[arg(value_name = "ID", value_parser = id_prefix)]
    id: String,
    /// The body, too
    #[arg(long)]
    body: bool,
    /// How to print: text for people, json for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    selection: Selection,
}

/// Finds it, and shows it.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    setup::runtime()?.block_on(async {
        let walk = Walk::new(&configured, &arguments.selection, std::slice::from_ref(&arguments.id), true).await?;
        let mut finding = Finding { alike: Alike::new([arguments.id.clone()]), found: None, copies: 0 };
        let stopped = walk.each(&mut finding).await?.stopped;
        walk.close().await;
        if stopped {
            return Err(Failure::new(Exit::Interrupted, "stopped before all letters were looked at"));
        }
        finding.alike.whole()?;
        if let Some(letter) = &finding.found {
            output::print(&match arguments.format {
                Format::Text => text(letter, finding.copies, arguments.body, now_ms()),
                Format::Json => output::json(&Shown::of(letter, arguments.body))?,
            })?;
        }
        Ok(Exit::Ok)
    })
}

struct Finding {
    alike: Alike,
    found: Option<Letter>,
    /// How many letters are the same in everything.
    copies: u32,
}

impl Visitor for Finding {
    async fn visit(&mut self, held: Held) -> Result<(), Failure> {
        self.alike.add(held.letter.id);
        self.copies += 1;
        self.found.get_or_insert(held.letter);
        Ok(())
    }
}

/// A letter, for programs: what `dead list` says of it, and what `dead export` writes.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    letter: Record,
}

impl<'a> Shown<'a> {
    fn of(letter: &'a Letter, body: bool) -> Self {
        let mut record = letter.record();
        if !body {
            (record.body, record.body_base64) = (None, None);
        }
        Self { row: Row::of(letter), letter: record }
    }
}

fn text(letter: &Letter, copies: u32, body: bool, now: u64) -> String {
    let trail = letter.trail();
    let when = |at: Option<u64>| at.map(|at| format!("{} ({at})", time(at)));
    let here = letter.age(now).map_or_else(String::new, |here| format!(", {} ago", age(here)));
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            rows.push([name.to_owned(), output::one_line(&value)]);
        }
    };
    row("id", Some(letter.id.to_string()));
    row("copies", (copies > 1).then(|| format!("{copies} letters are the same in everything")));
    row("queue", Some(letter.queue.to_string()));
    row("reason", letter.reason.clone());
    row("error", letter.error.clone());
    row("dead since", when(letter.at).map(|at| at + &here));
    row("by worker", letter.worker.clone());
    row("unreadable", letter.unreadable.clone());
    row("attempts", Some(trail.attempt.to_string()));
    row("starts", (trail.starts > 0).then(|| trail.starts.to_string()));
    row("first queue", trail.first_queue.as_ref().map(ToString::to_string));
    row("routing key", trail.first_routing_key.clone());
    row("first seen", when(trail.first_seen));
    row("deadline", when(trail.deadline));
    row("intent", letter.intent().map(ToString::to_string));
    row("classified", trail.classification.as_ref().and_then(|found| serde_json::to_string(found).ok()));
    row("user id", trail.user_id.clone());
    let record = letter.record();
    for (name, value) in record.properties() {
        row(&name, Some(value));
    }
    row("body", Some(format!("{} bytes", letter.body().len())));
    let mut text = output::table(&rows);
    if body {
        let shown = record.body.or(record.body_base64.map(|base64| format!("(base64) {base64}")));
        text.push_str(&format!("\n{}\n", output::printable(&shown.unwrap_or_default())));
    }
    text
}
