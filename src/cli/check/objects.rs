//! The exchanges and queues: whether they are there and as they must be, who consumes them, and what waits in them.

use super::{Report, broker::Checked};
use crate::{
    amqp::{
        Names, WorkQueue, migrate,
        objects::{admin::Admin, ask::AskError, declare::TopologyMode, inspect::Survey, problem::Problem},
    },
    cli::topology::{PROOF, UNPROVED, orphans as left_over},
};

/// What is missing, or other than the worker declares it. Returns what the user may not declare again.
pub(super) async fn topology(
    report: &mut Report,
    admin: &Admin,
    checked: &Checked<'_>,
    survey: &Survey,
) -> Result<Vec<Problem>, AskError> {
    const CHECK: &str = "topology";
    let declares = checked.settings.topology == TopologyMode::Declare;
    let exchanges = survey.exchanges.iter().map(|(exchange, exists)| ("exchange", &exchange.name, *exists));
    // The queues of dead letters that aren't there yet are made by their first letters.
    let queues = survey.queues.iter().filter(|(queue, depth)| depth.is_some() || !queue.on_demand);
    let queues = queues.map(|(queue, depth)| ("queue", &queue.name, depth.is_some()));
    let objects: Vec<_> = exchanges.chain(queues).collect();
    let missing: Vec<String> =
        objects.iter().filter(|(_, _, exists)| !exists).map(|(kind, name, _)| format!("{kind} '{name}'")).collect();
    if !missing.is_empty() {
        let exchange = checked.settings.names.exchange();
        let message = if missing.len() == objects.len() {
            format!("none of the {} exchanges and queues of '{exchange}' is there", objects.len())
        } else {
            format!("{} of {} exchanges and queues are missing: {}", missing.len(), objects.len(), missing.join(", "))
        };
        if declares && is_exchange_gone(checked, survey) {
            let mend = "A worker makes them when it starts, and an exchange within two minutes while it runs; \
                        `chatbot-worker topology declare` makes them now.";
            report.fail(CHECK, message, mend);
        } else if declares {
            let mend = "A worker makes them when it starts; `chatbot-worker topology declare` makes them now.";
            report.warn(CHECK, message, mend);
        } else {
            let mend = "`chatbot-worker topology declare` makes them, as a user who may configure; or set \
                        CHATBOT_AMQP_TOPOLOGY=declare.";
            report.fail(CHECK, message, mend);
        }
    }
    if migrate::begun(admin, &checked.settings.names).await? {
        let message = format!(
            "a queue is being migrated, or that was begun and isn't done: messages may be held in {}.…",
            checked.settings.names.holding()
        );
        report.warn(CHECK, message, "Unless it still runs, `chatbot-worker topology migrate --yes` goes on with it.");
    }
    if !declares {
        report.warn(CHECK, UNPROVED, PROOF);
    }
    let (mut differing, mut refused) = (false, Vec::<Problem>::new());
    let mut tell = |result: Result<(), AskError>| match result {
        Ok(()) => Ok(()),
        Err(AskError::Refused(problem)) if problem.refused => {
            refused.push(problem);
            Ok(())
        }
        Err(AskError::Refused(problem)) => {
            differing = true;
            let message = format!("{}: the broker says: {}", problem.object, problem.broker);
            report.fail(CHECK, message, &problem.mend);
            Ok(())
        }
        Err(lost) => Err(lost),
    };
    if declares {
        for result in admin.redeclare(survey).await {
            tell(result)?;
        }
    }
    // A worker works on without; that it may not is told by whoever looks for workers.
    refused.retain(|problem| !checked.topology.works_without(problem));
    let untold = untold(survey, declares);
    // Where it declares, the rights that it lacks to them are told with the others.
    if !untold.is_empty() && !declares {
        report.fail(
            CHECK,
            format!(
                "whether these are there, which a worker has to see, isn't told to this user, who has no right to them: {}",
                untold.join(", ")
            ),
            "Where this is a worker's user, `chatbot-worker topology permissions --worker USER` prints the command that grants \
             it what is needed.",
        );
    }
    if missing.is_empty() && !differing && refused.is_empty() && untold.is_empty() {
        let exchanges = survey.exchanges.len();
        let queues = objects.len() - exchanges;
        let unseen = match survey.unseen.len() {
            0 => String::new(),
            unseen => format!("; whether {unseen} more are there isn't told to this user, who needn't know"),
        };
        let known = if declares { "are there, as they must be" } else { "are there" };
        report.ok(CHECK, format!("{exchanges} exchanges and {queues} queues {known}{unseen}"));
    }
    Ok(refused)
}

/// Whether an exchange is missing that was there: a queue is there that it leads to. Where none is, it is only to be made.
fn is_exchange_gone(checked: &Checked<'_>, survey: &Survey) -> bool {
    let leads = |exchange: &str| {
        let mut bindings = checked.topology.bindings.iter().filter(|binding| binding.exchange == exchange);
        bindings.any(|binding| survey.depth(&binding.queue).is_some())
    };
    survey.exchanges.iter().any(|(exchange, exists)| !exists && leads(&exchange.name))
}

/// What a worker has to see, and this user doesn't.
fn untold(survey: &Survey, declares: bool) -> Vec<String> {
    let exchanges = survey.unseen_exchanges.iter().filter(|exchange| !exchange.is_optional);
    let queues = survey.unseen.iter().filter(|queue| declares || queue.is_read);
    let exchanges = exchanges.map(|exchange| format!("exchange '{}'", exchange.name));
    exchanges.chain(queues.map(|queue| format!("queue '{}'", queue.name))).collect()
}

/// Whether every work queue has somebody to work on it. Where no worker tells of itself (`are_heard`), how many consume tells
/// whether there are several.
pub(super) fn consumers(report: &mut Report, checked: &Checked<'_>, survey: &Survey, are_heard: bool) {
    const CHECK: &str = "consumers";
    let names = &checked.settings.names;
    let lacks = |name: &String| survey.depth(name).is_some_and(|depth| depth.consumers == 0);
    let mut workers = vec![names.queue(&WorkQueue::Requests), names.queue(&WorkQueue::Suspects), names.died()];
    workers.extend(checked.served.iter().map(|&intent| names.queue(&WorkQueue::Intent(intent.clone()))));
    let lanes = survey
        .queues
        .iter()
        .filter(|(queue, _)| matches!(names.work_queue(&queue.name), Some(WorkQueue::Conversation(_))));
    workers.extend(lanes.map(|(queue, _)| queue.name.clone()));
    workers.retain(|name| survey.depth(name).is_some());
    let idle: Vec<String> = workers.iter().filter(|name| lacks(name)).cloned().collect();
    if !workers.is_empty() && idle.len() == workers.len() {
        report.warn(CHECK, "no worker consumes any queue", "Start one: `chatbot-worker`.");
    } else if !idle.is_empty() {
        report.warn(
            CHECK,
            format!("no worker consumes {}", idle.join(", ")),
            "Start a worker whose CHATBOT_WORKER_QUEUES and intents file take them in.",
        );
    } else if !workers.is_empty() {
        report.ok(CHECK, format!("each of the {} queues of workers is consumed", workers.len()));
    }
    let requests = survey.depth(&names.queue(&WorkQueue::Requests)).map_or(0, |depth| depth.consumers);
    if let Some(store) = checked.own_store.filter(|_| requests > 1 && !are_heard) {
        report.fail(
            CHECK,
            format!("{requests} workers consume, and each keeps conversations in a store of its own ({store})"),
            "Run one worker, or set CHATBOT_CONVERSATION_STORE=redis for all: a conversation that changes its worker begins anew.",
        );
    }
    people(report, checked, survey);
    for intent in checked.external {
        let queue = names.queue(&WorkQueue::Intent((*intent).clone()));
        if lacks(&queue) {
            report.warn(
                CHECK,
                format!("no program consumes {queue}, the queue of the external intent '{intent}'"),
                "Start the program that answers it, or give the intent a reply of its own.",
            );
        }
    }
}

/// Whether somebody takes what goes to people, where the bot sends any.
fn people(report: &mut Report, checked: &Checked<'_>, survey: &Survey) {
    let queue = checked.settings.names.queue(&WorkQueue::Person);
    if survey.depth(&queue).is_some_and(|depth| depth.consumers == 0) {
        report.warn(
            "consumers",
            format!("no program consumes {queue}, where conversations go that a person is to have: the bot answers these itself"),
            "Start the program by which people speak, or take 'person' out of the intents file's [conversation].",
        );
    }
}

/// What waits, and what couldn't be answered.
pub(super) fn messages(report: &mut Report, checked: &Checked<'_>, survey: &Survey) {
    const CHECK: &str = "messages";
    let names = &checked.settings.names;
    let dead_died = Names::dead(&names.died());
    let (mut waiting, mut retrying) = (0_u64, 0_u64);
    for (queue, depth) in &survey.queues {
        let Some(messages) = depth.map(|depth| depth.messages).filter(|messages| *messages > 0) else { continue };
        if queue.name == dead_died {
            report.warn(
                CHECK,
                format!("{messages} in {dead_died}: messages that no worker could even dead-letter"),
                "Look at the workers' logs, then drop them: `chatbot-worker dead purge --queue died --yes`.",
            );
        } else if survey.asked().any(|work| Names::dead(&work.name) == queue.name) {
            // Told by `dead_letters`.
        } else if names.retry_delay(&queue.name).is_some() {
            retrying += u64::from(messages);
        } else {
            waiting += u64::from(messages);
        }
    }
    let unseen = survey.unseen.iter().filter(|queue| names.work_queue(&queue.name).is_some()).count();
    let unseen = match unseen {
        0 => String::new(),
        unseen => format!("; what waits in {unseen} more queues isn't told to this user"),
    };
    report.ok(CHECK, format!("{waiting} wait to be worked on, {retrying} to be tried again{unseen}"));
}

/// Queues of what is no longer configured.
pub(super) async fn orphans(report: &mut Report, admin: &Admin, checked: &Checked<'_>) -> Result<(), AskError> {
    const CHECK: &str = "orphans";
    let orphans = left_over::candidates(&checked.settings.names, checked.topology, checked.listed);
    let survey = admin.survey(&orphans).await?;
    let found = survey.queues.iter().filter_map(|(queue, depth)| Some((&queue.name, (*depth)?)));
    let found: Vec<String> = found.map(|(name, depth)| format!("{name} (messages: {})", depth.messages)).collect();
    if !found.is_empty() {
        report.warn(
            CHECK,
            format!("queues of intents or retry delays that are no longer configured: {}", found.join(", ")),
            "`chatbot-worker topology prune` deletes those that are empty.",
        );
    } else if !survey.unseen.is_empty() {
        report.ok(CHECK, "whether queues are left of what is no longer configured isn't told to this user");
    } else if checked.listed.is_some() {
        report.ok(CHECK, "no queue is left of what is no longer configured");
    } else {
        report.ok(
            CHECK,
            format!(
                "no queue is left of the built-in bot's intents; to look for others: `{} | chatbot-worker check \
                 --queues -`",
                left_over::LIST
            ),
        );
    }
    Ok(())
}
