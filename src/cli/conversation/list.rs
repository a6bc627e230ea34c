//! `conversation list`: whose conversations are kept.

use std::fmt::Write as _;

use serde::Serialize;

use super::{each, since, which::Whose};
use crate::{
    cli::{Exit, Failure, Format, output},
    conversation::{Record, Store, Stored},
    domain::Key,
};

const HELP: &str = "\
They are printed as they are read, in no order, with the beginning of their keys. What was said isn't printed. What changes
meanwhile may be missing, or be there twice.

In JSON each is an object on a line, with its whole key, and the time of its last turn in Unix milliseconds; one that can't
be read has an `error` instead.

Examples:
  chatbot-worker conversation list --user shop
  chatbot-worker conversation list --format json | jq -r 'select(.turns > 100) | .key'";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    whose: Whose,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Lists them.
pub(super) async fn run(arguments: &Arguments, store: &dyn Store) -> Result<Exit, Failure> {
    let (mut widths, mut listed) = (None, 0_u64);
    each(store, |key, stored| {
        let record = Record::read(&key, stored);
        if record.as_ref().is_ok_and(|record| !arguments.whose.fits(record.who())) {
            return Ok(());
        }
        listed += 1;
        match (arguments.format, record) {
            (Format::Json, Ok(record)) => output::print(&output::json_line(&Row::of(&key, &record, stored))?),
            (Format::Json, Err(error)) => {
                let error = error.to_string();
                output::print(&output::json_line(&serde_json::json!({ "key": key, "error": error }))?)
            }
            (Format::Text, Ok(record)) => output::print(&line(&key, &record, stored, &mut widths)),
            (Format::Text, Err(error)) => output::print(&format!("{}  {error}\n", short(&key))),
        }
    })
    .await?;
    if listed == 0 && arguments.format == Format::Text {
        output::print("No conversation is kept, or fits.\n")?;
    }
    Ok(Exit::Ok)
}

/// A line, below a heading where it is the first. The columns can't be fitted to lines that are still to come.
fn line(key: &Key, record: &Record, stored: &Stored, widths: &mut Option<[usize; 3]>) -> String {
    let Row { conversation, sender, user_id, turns, bytes, .. } = Row::of(key, record, stored);
    let cells = [conversation, sender.unwrap_or("-"), user_id.unwrap_or("-")].map(output::one_line);
    let before = widths.unwrap_or([12, 12, 8]);
    let fitted: [usize; 3] =
        std::array::from_fn(|column| before[column].max(unicode_width::UnicodeWidthStr::width(cells[column].as_str())));
    let row = |key: &str, cells: [&str; 3], rest: [&str; 3]| {
        let [id, sender, user]: [String; 3] =
            std::array::from_fn(|column| output::padded(cells[column], fitted[column]));
        let [last, turns, bytes] = rest;
        format!("{key:<12}  {id}  {sender}  {user}  {last:>4}  {turns:>5}  {bytes:>7}\n")
    };
    let mut text = String::new();
    if widths.replace(fitted).is_none() {
        text += &row("KEY", ["ID", "SENDER", "USER"], ["LAST", "TURNS", "BYTES"]);
    }
    let [id, sender, user] = &cells;
    let _ = write!(
        text,
        "{}",
        row(&short(key), [id, sender, user], [&since(record), &turns.to_string(), &bytes.to_string()])
    );
    text
}

/// The beginning of a key, that hardly another has.
fn short(key: &Key) -> String {
    key.to_string().chars().take(12).collect()
}

/// A conversation, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    pub(super) key: Key,
    conversation: &'a str,
    sender: Option<&'a str>,
    user_id: Option<&'a str>,
    /// Unix milliseconds.
    changed: u64,
    turns: u64,
    bytes: usize,
}

impl<'a> Row<'a> {
    pub(super) fn of(key: &Key, record: &'a Record, stored: &Stored) -> Self {
        let who = record.who();
        Self {
            key: *key,
            conversation: &who.conversation,
            sender: who.sender.as_deref(),
            user_id: who.user_id.as_deref(),
            changed: record.changed,
            turns: stored.version,
            bytes: stored.bytes.len(),
        }
    }
}
