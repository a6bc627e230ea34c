//! `check`: what is wrong, and how to mend it.
//!
//! **Invariant:** one fault hides no other: whatever can be looked at is looked at, without a broker too.

mod answers;
mod broker;
mod conversations;
mod dead;
mod door;
mod local;
mod objects;
mod permissions;
mod redis;
mod report;
mod routing;
mod workers;

use std::path::PathBuf;

use self::report::Report;
use super::{Exit, Failure, Format, output, setup, training};
use crate::{
    app::{
        self,
        intents::IntentsFile,
        settings::{Place, Settings},
    },
    domain::IntentName,
};

const HELP: &str = "\
What needs no broker is looked at without one. Each line is printed when it is known, those of the models last. Nothing is
changed on the broker: dead letters are looked at where they are few, and for that moment nobody else sees them; a right is
tried by a request that the broker refuses in any case, so its log gets a channel error for each. Where workers run, messages
that mean nothing are published, which they drop: to each queue that they consume, to see whether it is bound, and by a key that
nobody binds, to see whether unroutable messages reach a worker. Each model of CHATBOT_MODEL_CHAIN that is a service is asked
once, with one of the bot's own examples. Of the services that answer, a language model is asked
for one token and embeddings for one vector; to a webhook, which may act, only a connection is made.

Where CHATBOT_DOOR_LISTEN is set, the door is looked at as well: its keys, who reaches it, what the broker's user may do, and
whether workers tell of their bot. With --door that is all: for a door that runs by itself, `chatbot-worker serve`, in whose
environment it is to be run.

Examples:
  chatbot-worker check
  chatbot-worker check --door
  chatbot-worker check --format json | jq '.[] | select(.status == \"fail\")'
  rabbitmqctl --quiet list_queues name | chatbot-worker check --queues -

Exit codes: 0 nothing fails (warnings may be there), 69 only the broker is away, or takes no messages, 78 something else fails.";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// A file with the names of the broker's queues, a line each, as `rabbitmqctl list_queues` prints them, to find
    /// those that are left over; - for the standard input
    #[arg(long, value_name = "FILE", conflicts_with = "door")]
    queues: Option<PathBuf>,
    /// Check what `serve` needs, and nothing of a worker
    #[arg(long)]
    door: bool,
}

/// Checks everything and prints it.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let listed = arguments.queues.as_deref().map(setup::read_text).transpose()?;
    // For people each line at once: what comes next may take its time.
    let mut report = match arguments.format {
        Format::Text => Report::told(output::print),
        Format::Json => Report::default(),
    };
    match arguments.door {
        true => check_door(&mut report)?,
        false => check(&mut report, listed.as_deref())?,
    }
    report.told_all()?;
    if arguments.format == Format::Json {
        output::print(&report.json())?;
    }
    Ok(report.exit())
}

fn check(report: &mut Report, listed: Option<&str>) -> Result<(), Failure> {
    let Some(settings) = local::settings(report) else { return Ok(()) };
    let intents = local::intents(report, &settings);
    if settings.door.listen.get().is_some() {
        door::local(report, &settings.door);
    }
    let runtime = setup::runtime()?;
    runtime.block_on(around(report, &settings, intents.as_ref(), listed));
    // Last, as many documents and a large bot take long to be read and trained.
    if let Some(intents) = &intents {
        answers::check(report, &settings, intents, &runtime);
        local::models(report, &settings, intents, &runtime);
    }
    Ok(())
}

/// What a door needs that runs by itself.
fn check_door(report: &mut Report) -> Result<(), Failure> {
    let Some(settings) = local::settings(report) else { return Ok(()) };
    door::local(report, &settings.door);
    match app::amqp_settings(&settings) {
        Ok(amqp) => setup::runtime()?.block_on(broker::check_door(report, &settings.amqp, &amqp)),
        Err(error) => wrong_broker(report, &error),
    }
    Ok(())
}

fn wrong_broker(report: &mut Report, error: &impl ToString) {
    report.fail("settings", error.to_string(), "Correct it; nothing is known of the broker before.");
}

/// What lies around a worker: Redis and the broker.
async fn around(report: &mut Report, settings: &Settings, intents: Option<&IntentsFile>, listed: Option<&str>) {
    if let Some(url) = &settings.answered.redis_url {
        redis::check(report, url).await;
    }
    let has_conversations = intents.is_some_and(|file| file.conversation.is_some());
    let place = settings.conversation.store;
    if has_conversations || place != Place::Memory {
        conversations::check(report, settings).await;
    }
    let amqp = match app::amqp_settings(settings) {
        Ok(amqp) => amqp,
        Err(error) => return wrong_broker(report, &error),
    };
    // Where the file has faults, what doesn't hang on it is looked at.
    let known = intents.iter().flat_map(|file| &file.intents).map(|intent| &intent.name);
    let topology = app::topology_of(settings, &amqp.names, known);
    let topology = app::of_conversations(topology, &amqp.names, intents);
    let served: Vec<&IntentName> = intents.into_iter().flat_map(app::served).collect();
    let external: Vec<&IntentName> = intents.into_iter().flat_map(app::external).collect();
    let checked = broker::Checked {
        settings: &amqp,
        topology: &topology,
        served: &served,
        external: &external,
        intents_known: intents.is_some(),
        opens_door: settings.door.listen.get().is_some(),
        own_store: Some(place).filter(|place| has_conversations && *place != Place::Redis),
        listed,
    };
    broker::check(report, &settings.amqp, &checked).await;
}
