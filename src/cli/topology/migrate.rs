//! `topology migrate`: put the worker's queue in the place of one with other arguments, with what it holds.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{Configured, Exit, Failure, ask_failure, connect_failure, output, topology_failure};
use crate::{
    amqp::{
        migrate::{MigrateError, Migrator, Moved, Stage, Task},
        objects::problem::{Problem, TopologyError},
    },
    cli::{Format, setup},
};

const HELP: &str = "\
A queue's arguments can't be changed. Where somebody else declared one, the broker refuses the worker's declaration (406
PRECONDITION_FAILED). This puts the worker's queue in its place: what the queue holds, and what is published meanwhile, is
held in another, '<exchange>.holding.…', and moved back.

Nothing is lost, whatever happens: if it is interrupted, even by kill -9, run it again, and it goes on. Up to 100 messages
may then come twice, and so may one that is published while a binding is changed over. Stop what consumes the queue first,
and wait until it has ended; clients may go on publishing. The user has to have the right to configure, write and read all
that begins with '<exchange>.'.

A moved message keeps its body, properties, headers and routing key, but for user_id, which becomes the header
chatbot-user-id, and the count of its deliveries. The time of its expiration begins anew. Bindings that somebody else made
of the old queue are lost with it.

An exchange can't be replaced so: one of another type or durability is told with what differs and what to do, and the command
ends with 78, once the queues are done.

Examples:
  chatbot-worker topology migrate --dry-run     what is to be migrated, and how
  chatbot-worker topology migrate --yes
  chatbot-worker topology migrate --dry-run --format json | jq -r .queue";

/// How often to tell how far it is.
const PROGRESS: Duration = Duration::from_secs(1);

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// Print what is to be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it
    #[arg(long)]
    yes: bool,
    /// How to print; as JSON, an object a line for each queue
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A queue that is to be migrated, or was, for programs.
#[derive(Debug, Serialize)]
struct Line<'a> {
    queue: &'a str,
    messages: u32,
    consumers: u32,
    /// The broker's words; null where only the rest of a migration is to be done.
    difference: Option<&'a str>,
    stages: Vec<&'static str>,
    /// What was moved back; null where nothing was done.
    moved: Option<u64>,
    /// How many of these lost something that couldn't be read.
    unreadable: Option<u64>,
}

impl<'a> Line<'a> {
    fn of(task: &'a Task, moved: Option<Moved>) -> Self {
        Self {
            queue: &task.queue.name,
            messages: task.depth.messages,
            consumers: task.depth.consumers,
            difference: task.difference.as_deref(),
            stages: stages(task).map(name).collect(),
            moved: moved.map(|moved| moved.messages),
            unreadable: moved.map(|moved| moved.unreadable),
        }
    }
}

/// Migrates, or tells what it would migrate.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    setup::runtime()?.block_on(async {
        let migrator = Migrator::open(&configured.amqp.broker, configured.names()).await.map_err(failure)?;
        let tasks = migrator.survey(&configured.topology).await.map_err(failure)?;
        let exchanges = migrator.exchanges(&configured.topology).await.map_err(failure)?;
        if !arguments.yes {
            output::print(&match arguments.format {
                Format::Text => plan(&tasks),
                Format::Json => {
                    tasks.iter().map(|task| output::json_line(&Line::of(task, None))).collect::<Result<_, _>>()?
                }
            })?;
            migrator.close().await;
            others(exchanges)?;
            return match arguments.dry_run || tasks.is_empty() {
                true => Ok(Exit::Ok),
                false => Err(Failure::new(Exit::Usage, "nothing was migrated: add --yes to do what is listed")),
            };
        }
        if let Some(reason) = consumed(&tasks) {
            return Err(Failure::new(Exit::No, reason));
        }
        for task in &tasks {
            let moved = migrate(&migrator, task).await.map_err(failure)?;
            output::print(&match arguments.format {
                Format::Text => format!("migrated queue '{}'{}\n", task.queue.name, told(moved)),
                Format::Json => output::json_line(&Line::of(task, Some(moved)))?,
            })?;
        }
        migrator.done().await.map_err(failure)?;
        migrator.close().await;
        // Queues are bound to an exchange of any type, so they are migrated all the same.
        others(exchanges)?;
        let summary = match tasks.len() {
            0 => "Every queue that is there is as it must be.\n".to_owned(),
            count => format!("Done. Queues that are as they must be now: {count}.\n"),
        };
        if arguments.format == Format::Text {
            output::print(&summary)?;
        }
        Ok(Exit::Ok)
    })
}

/// What isn't a queue, and isn't as it must be: that is for a person to do.
fn others(exchanges: Vec<Problem>) -> Result<(), Failure> {
    if exchanges.is_empty() { Ok(()) } else { Err(topology_failure(TopologyError::Problems(exchanges))) }
}

/// Migrates one queue; what was moved back.
async fn migrate(migrator: &Migrator, task: &Task) -> Result<Moved, MigrateError> {
    let mut back = Moved::default();
    for stage in stages(task) {
        let mut last = Instant::now();
        let progress = |moved: u64| {
            if last.elapsed() > PROGRESS {
                last = Instant::now();
                let direction = if stage == Stage::MoveOut { "out" } else { "back" };
                output::tell(&format!("queue '{}': {moved} messages moved {direction} so far\n", task.queue.name));
            }
        };
        let moved = migrator.run(task, stage, progress).await?;
        back.unreadable += moved.unreadable;
        if stage == Stage::MoveBack {
            back.messages = moved.messages;
        }
    }
    Ok(back)
}

fn told(Moved { messages, unreadable }: Moved) -> String {
    let unreadable = match unreadable {
        0 => String::new(),
        some => format!(" ({some} without properties that aren't UTF-8)"),
    };
    format!(": it holds the {messages} messages that were held{unreadable}")
}

fn plan(tasks: &[Task]) -> String {
    if tasks.is_empty() {
        return "Nothing is to be migrated: every queue that is there is as it must be.\n".to_owned();
    }
    let mut plan = String::new();
    for task in tasks {
        let name = &task.queue.name;
        let _ = match &task.difference {
            Some(difference) => {
                let depth = task.depth;
                writeln!(plan, "queue '{name}', messages: {}, consumers: {}", depth.messages, depth.consumers)
                    .and_then(|()| writeln!(plan, "  the broker says: {}", output::one_line(difference)))
            }
            None => writeln!(plan, "queue '{name}': a migration was begun, and the rest is to be done"),
        };
        for stage in stages(task) {
            let _ = writeln!(plan, "  - {}", step(stage));
        }
    }
    plan
}

/// What of a migration is to be done.
fn stages(task: &Task) -> impl Iterator<Item = Stage> {
    Stage::ALL.into_iter().filter(|stage| *stage >= task.from)
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Divert => "divert",
        Stage::MoveOut => "move_out",
        Stage::Replace => "replace",
        Stage::MoveBack => "move_back",
        Stage::Finish => "finish",
    }
}

fn step(stage: Stage) -> &'static str {
    match stage {
        Stage::Divert => "bind a queue that holds what is published meanwhile in its place",
        Stage::MoveOut => "move what it holds there, and delete it",
        Stage::Replace => "declare it as the worker does, and bind it again",
        Stage::MoveBack => "move what is held back, and delete the holding queue",
        Stage::Finish => "delete the exchange that led there",
    }
}

/// Which queues are consumed; none may be.
fn consumed(tasks: &[Task]) -> Option<String> {
    let consumed = tasks.iter().filter(|task| task.from == Stage::Divert && task.depth.consumers > 0);
    let reasons: Vec<String> = consumed
        .map(|task| {
            let (queue, consumers) = (task.queue.name.clone(), task.depth.consumers);
            MigrateError::Consumed { queue, consumers }.to_string()
        })
        .collect();
    (!reasons.is_empty()).then(|| format!("nothing was migrated:\n  {}", reasons.join("\n  ")))
}

fn failure(error: MigrateError) -> Failure {
    let Failure { exit, message } = match error {
        MigrateError::Connect(error) => connect_failure(error),
        MigrateError::Inspect(error) => ask_failure(error),
        error => Failure::new(Exit::No, error),
    };
    Failure::new(exit, format!("{message}\nNo message is lost; once that is mended, run this again to go on."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_that_differs_is_a_failure_that_says_what_to_do() {
        assert!(others(Vec::new()).is_ok());
        let problem = Problem {
            object: "exchange 'shop'".to_owned(),
            broker: "406 PRECONDITION_FAILED - inequivalent arg 'type'".to_owned(),
            mend: "Delete it.".to_owned(),
            refused: false,
            missing: false,
            differs: true,
        };
        let Err(failure) = others(vec![problem]) else { unreachable!("it differs") };
        assert_eq!(failure.exit, Exit::Config);
        let said = ["exchange 'shop': the broker says: 406", "Delete it."];
        assert!(said.iter().all(|said| failure.message.contains(said)), "{}", failure.message);
    }
}
