//! Who is alive, and whether they fit together.

use std::time::Instant;

use super::Report;
use crate::{
    amqp::{
        Names,
        objects::{admin::Admin, ask::AskError},
        presence::{Alive, roll_call},
    },
    cli::workers::short,
};

const CHECK: &str = "workers";
const RIGHTS: &str = "`chatbot-worker topology permissions` prints the command that grants it: with `--worker USER` to a worker's \
                      user, with `--operator USER` to an operator's.";

/// Asks the workers, and tells what speaks against how they are set up. Whether any could be heard at all.
pub(super) async fn check(report: &mut Report, admin: &Admin, names: &Names) -> Result<bool, AskError> {
    match roll_call(admin.link(), names).await {
        Ok(alive) => {
            tell(report, &alive, Instant::now());
            Ok(alive.at(Instant::now()).next().is_some())
        }
        // That it is missing is told.
        Err(AskError::Refused(problem)) if problem.missing => Ok(false),
        Err(AskError::Refused(problem)) => {
            let message = format!(
                "this user can't ask who is alive; a worker with it knows of no others, and can't be told to stop an answer: \
                 {}: the broker says: {}",
                problem.object, problem.broker
            );
            report.warn(CHECK, message, if problem.refused { RIGHTS } else { &problem.mend });
            Ok(false)
        }
        Err(lost) => Err(lost),
    }
}

fn tell(report: &mut Report, alive: &Alive, now: Instant) {
    let count = alive.at(now).count();
    let alone = alive.alone_among_others(now);
    for beat in &alone {
        let store = beat.store.map(|store| store.to_string()).unwrap_or_default();
        let lanes = if beat.waits { "; it takes no queue of conversations while others live" } else { "" };
        report.fail(
            CHECK,
            format!("{} keeps conversations where no other worker sees them ({store}), and there are others{lanes}", beat.name),
            "Run one worker, or set CHATBOT_CONVERSATION_STORE=redis for all: a conversation that changes its worker begins anew.",
        );
    }
    let bots = alive.bots(now);
    if bots.len() > 1 {
        let each = bots.iter().map(|bot| {
            let answer = alive.at(now).filter(|(beat, _)| beat.bot == **bot);
            let names: Vec<_> = answer.map(|(beat, _)| beat.name.as_str()).collect();
            format!("{} ({})", short(bot), names.join(", "))
        });
        report.warn(
            CHECK,
            format!("workers answer from {} different bots: {}", bots.len(), each.collect::<Vec<_>>().join(", ")),
            "Unless one is being replaced, give all the same intents file, documents, models and services.",
        );
    } else if count > 0 && alone.is_empty() {
        let which = if count == 1 { "one worker is".to_owned() } else { format!("{count} workers are") };
        report.ok(
            CHECK,
            format!("{which} alive, with the bot {}", bots.iter().map(|bot| short(bot)).collect::<String>()),
        );
    }
}
