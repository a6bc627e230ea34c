//! `conversation show`: one conversation.

use serde::Serialize;
use serde_json::Value;

use super::{list::Row, read, since, which::Which};
use crate::{
    cli::{Exit, Failure, Format, age::time, output},
    conversation::{Record, State, Store, Stored},
    domain::{Key, Role},
};

const HELP: &str = "\
It prints what the user and the bot said, as far back as is kept.

Examples:
  chatbot-worker conversation show 1f0c9a
  chatbot-worker conversation show --conversation c-1 --sender alice
  chatbot-worker conversation show 1f0c9a --format json | jq .state.history";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// How to print: text for people, json for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Finds it, and shows it.
pub(super) async fn run(arguments: &Arguments, store: &dyn Store) -> Result<Exit, Failure> {
    let found = arguments.which.find(store).await?;
    let several = found.len() > 1;
    for (key, stored) in found.values() {
        if several {
            let message = format!("{} conversations fit: choose one by --sender, --user or its key\n", found.len());
            let keys = found.keys().map(|key| format!("  {key}\n")).collect::<String>();
            return Err(Failure::new(Exit::No, message + keys.trim_end()));
        }
        let record = read(key, stored)?;
        output::print(&match arguments.format {
            Format::Text => text(key, &record, stored)?,
            Format::Json => output::json(&Shown { row: Row::of(key, &record, stored), state: &record.state })?,
        })?;
    }
    Ok(Exit::Ok)
}

/// It, for programs.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    state: &'a State,
}

fn text(key: &Key, record: &Record, stored: &Stored) -> Result<String, Failure> {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: &str| rows.push([name.to_owned(), output::one_line(value)]);
    let who = record.who();
    row("key", &key.to_string());
    row("id", &who.conversation);
    row("sender", who.sender.as_deref().unwrap_or("-"));
    row("user", who.user_id.as_deref().unwrap_or("-"));
    row("last turn", &format!("{}, {} ago", time(record.changed), since(record)));
    row("turns", &stored.version.to_string());
    row("size", &format!("{} bytes", stored.bytes.len()));
    let state = serde_json::to_value(&record.state).map_err(|error| Failure::new(Exit::Os, error))?;
    if let Value::Object(parts) = state {
        for (name, part) in parts.iter().filter(|(name, _)| *name != "history") {
            row(name, &part.as_str().map_or_else(|| part.to_string(), str::to_owned));
        }
    }
    let mut text = output::table(&rows);
    if !record.state.history.is_empty() {
        text.push('\n');
    }
    for turn in &record.state.history {
        let mark = match turn.role {
            Role::User => ">",
            Role::Assistant => "<",
        };
        for line in output::printable(&turn.text).lines() {
            text.push_str(&format!("{mark} {line}\n"));
        }
    }
    Ok(text)
}
