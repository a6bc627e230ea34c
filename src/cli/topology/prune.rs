//! `topology prune`: delete the queues of what is no longer configured.
//!
//! **Invariant:** a queue that holds a message, or that somebody consumes, stays.

use std::{collections::HashSet, path::PathBuf};

use super::{
    Configured, Exit, Failure, ask_failure,
    orphans::{self, LIST},
    output,
};
use crate::{
    amqp::{
        Names,
        objects::{admin::Admin, ask::AskError, inspect::Depth, topology::Topology},
    },
    cli::setup,
};

const HELP: &str = "\
Queues that hold messages, or that somebody consumes, stay. AMQP can't list queues: give it the broker's list by
--queues. Without it, only the built-in bot's intents are looked for.

Run it with the settings and the intents file that all workers use: an intent that only another worker's file has is no
longer configured here. Queues whose names no worker gives are never touched. What `topology migrate` still holds of such a
queue is kept as well: with the intent in the file again, it goes on and moves that back.

Example:
  rabbitmqctl --quiet list_queues name | chatbot-worker topology prune --queues - --yes";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// Delete, instead of printing what would be deleted
    #[arg(long)]
    yes: bool,
    /// A file with the names of the broker's queues, a line each, as `rabbitmqctl list_queues` prints them; - for the
    /// standard input
    #[arg(long, value_name = "FILE")]
    queues: Option<PathBuf>,
}

/// Prunes, or tells what it would prune.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    let listed = arguments.queues.as_deref().map(setup::read_text).transpose()?;
    let orphans = orphans::candidates(configured.names(), &configured.topology, listed.as_deref());
    setup::runtime()?.block_on(async {
        let admin = configured.connect().await?;
        let survey = admin.survey(&orphans).await.map_err(ask_failure)?;
        let (mut report, mut deletable, mut kept) = (String::new(), 0, HashSet::new());
        // Work queues go before the queues that their dead letters go to, and keep them.
        for (queue, depth) in survey.queues.iter().rev() {
            let Some(depth) = depth else { continue };
            let name = queue.name.as_str();
            let reason = match reason_to_keep(*depth) {
                Some(reason) => Some(reason),
                None if is_dead_of(name, &kept) => Some("its work queue is kept".to_owned()),
                None if arguments.yes => {
                    delete(&admin, configured.names(), name, &orphans).await.map_err(ask_failure)?
                }
                None => None,
            };
            match reason {
                Some(reason) => {
                    report.push_str(&format!("  keep '{name}': {reason}\n"));
                    kept.insert(name);
                }
                None => {
                    report.push_str(&format!("  {} '{name}'\n", if arguments.yes { "deleted" } else { "delete" }));
                    deletable += 1;
                }
            }
        }
        admin.close().await;
        if report.is_empty() {
            let unsure = if listed.is_none() {
                format!(
                    " (only the built-in bot's intents were looked for; `{LIST} | … prune --queues -` looks for all)"
                )
            } else {
                String::new()
            };
            output::print(&format!("No queue is left of what is no longer configured{unsure}.\n"))?;
            return Ok(Exit::Ok);
        }
        output::print(&report)?;
        match (arguments.yes, deletable) {
            (false, 1..) => Err(Failure::new(Exit::Usage, "nothing was deleted: add --yes to delete what is listed")),
            _ if !kept.is_empty() => Err(Failure::new(
                Exit::No,
                "some queues are kept: once what they hold is taken out and nobody consumes them, run this again",
            )),
            _ => Ok(Exit::Ok),
        }
    })
}

fn reason_to_keep(depth: Depth) -> Option<String> {
    match depth {
        Depth { consumers: 1.., .. } => Some(format!("consumers: {}", depth.consumers)),
        Depth { messages: 1.., .. } => Some(format!("messages: {}", depth.messages)),
        Depth { .. } => None,
    }
}

fn is_dead_of(name: &str, kept: &HashSet<&str>) -> bool {
    kept.iter().any(|work| Names::dead(work) == name)
}

/// Deletes a queue that seems empty: first nothing new may come in, then it is looked at again. The reason to keep it
/// where it isn't empty any more; then it gets its bindings back.
async fn delete(admin: &Admin, names: &Names, name: &str, orphans: &Topology) -> Result<Option<String>, AskError> {
    let bindings = || orphans.bindings.iter().filter(|binding| binding.queue == name);
    for binding in bindings() {
        admin.unbind(binding).await?;
    }
    let reason = admin.depth(name).await?.and_then(reason_to_keep);
    if reason.is_some() {
        for binding in bindings() {
            admin.bind(binding).await?;
        }
    } else {
        admin.delete_queue(name).await?;
        if names.held_by(name).is_some() {
            admin.delete_exchange(name).await?;
        }
    }
    Ok(reason)
}
