//! `topology delete`: take everything of these settings from the broker.

use super::{Configured, Exit, Failure, ask_failure, output};
use crate::{
    amqp::{migrate, objects::inspect::Survey},
    cli::setup,
};

const HELP: &str = "\
Without --yes it only prints what it would delete. It never deletes a queue that is consumed: stop the workers, and the
programs that answer intents, first. What an interrupted `topology migrate` left is deleted with the rest. Queues of intents and retry delays that are no longer configured stay: see
`chatbot-worker topology prune`.

Example:
  chatbot-worker topology delete --yes --with-messages";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Arguments {
    /// Delete, instead of printing what would be deleted
    #[arg(long)]
    yes: bool,
    /// Delete queues with what they hold: those messages are lost
    #[arg(long)]
    with_messages: bool,
}

/// Deletes, or tells what it would delete.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let configured = Configured::load()?;
    setup::runtime()?.block_on(async {
        let admin = configured.connect().await?;
        let mut survey = admin.survey(&configured.topology).await.map_err(ask_failure)?;
        let names = configured.names();
        survey.extend(migrate::left(&admin, names, &configured.topology).await.map_err(ask_failure)?);
        let what = listing(&survey);
        if what.is_empty() {
            output::print(&format!("Nothing of '{}' is on the broker.\n", names.exchange()))?;
            return Ok(Exit::Ok);
        }
        if let Some(reason) = refusal(&survey, arguments.with_messages) {
            output::print(&what)?;
            return Err(Failure::new(Exit::No, format!("nothing was deleted: {reason}")));
        }
        if !arguments.yes {
            output::print(&what)?;
            return Err(Failure::new(Exit::Usage, "nothing was deleted: add --yes to delete what is listed"));
        }
        // Without the exchanges nothing new comes in; a publish is then an error for its client, and not a loss.
        // The mark of a migration goes last, as without it nobody would look for what it left.
        let marks = |name: &str| name == names.holding();
        for (exchange, _) in survey.exchanges.iter().filter(|(exchange, exists)| *exists && !marks(&exchange.name)) {
            admin.delete_exchange(&exchange.name).await.map_err(ask_failure)?;
        }
        let mut left = Vec::new();
        // Work queues go before the queues that their dead letters go to.
        for (queue, _) in survey.queues.iter().rev() {
            let Some(depth) = admin.depth(&queue.name).await.map_err(ask_failure)? else { continue };
            if depth.consumers > 0 || (depth.messages > 0 && !arguments.with_messages) {
                left.push(queue.name.as_str());
            } else {
                admin.delete_queue(&queue.name).await.map_err(ask_failure)?;
            }
        }
        if left.is_empty() && survey.exchanges.iter().any(|(exchange, _)| marks(&exchange.name)) {
            admin.delete_exchange(&names.holding()).await.map_err(ask_failure)?;
        }
        admin.close().await;
        if !left.is_empty() {
            let left = left.join(", ");
            let message = format!("left, since meanwhile it got a message or a consumer: {left}; run this again");
            return Err(Failure::new(Exit::No, message));
        }
        output::print(&format!("Deleted:\n{what}"))?;
        Ok(Exit::Ok)
    })
}

/// What exists, a line each.
fn listing(survey: &Survey) -> String {
    let exchanges = survey.exchanges.iter().filter(|(_, exists)| *exists);
    let exchanges = exchanges.map(|(exchange, _)| format!("  exchange '{}'\n", exchange.name));
    let queues = survey.queues.iter().filter_map(|(queue, depth)| Some((queue, (*depth)?)));
    let queues = queues.map(|(queue, depth)| {
        let consumed = if depth.consumers > 0 { format!(", consumers: {}", depth.consumers) } else { String::new() };
        format!("  queue '{}', messages: {}{consumed}\n", queue.name, depth.messages)
    });
    exchanges.chain(queues).collect()
}

/// Why nothing may be deleted.
fn refusal(survey: &Survey, with_messages: bool) -> Option<String> {
    let depths = || survey.queues.iter().filter_map(|(_, depth)| *depth);
    let consumed = depths().filter(|depth| depth.consumers > 0).count();
    if consumed > 0 {
        return Some(format!("{consumed} of the queues are consumed: stop the workers, and what else consumes, first"));
    }
    let messages: u64 = depths().map(|depth| u64::from(depth.messages)).sum();
    (messages > 0 && !with_messages)
        .then(|| format!("the queues hold {messages} messages: add --with-messages if they may be lost"))
}
