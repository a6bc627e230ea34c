//! What the user may do on the broker.

use std::collections::BTreeMap;

use super::{Report, broker::Checked};
use crate::amqp::{
    Names, WorkQueue,
    objects::{admin::Admin, ask::AskError, declare::TopologyMode, inspect::Survey, problem::Problem, rights::Right},
};

const CHECK: &str = "permissions";
const MEND: &str = "Where this is a worker's user, `chatbot-worker topology permissions --worker USER` prints the command that grants \
                    it what is needed. Another's, such as a client's or an operator's, needs no such right: run this in a \
                    worker's environment.";

/// Whose rights are looked at.
pub(super) struct Whose {
    pub(super) check: &'static str,
    /// Such as `a worker`.
    pub(super) part: &'static str,
    pub(super) mend: &'static str,
}

/// Tries each right that a worker needs in its mode, and tells what is missing, all of it. `refused` is what it may not
/// declare again of the objects that exist.
pub(super) async fn check(
    report: &mut Report,
    admin: &Admin,
    checked: &Checked<'_>,
    survey: &Survey,
    refused: &[Problem],
) -> Result<(), AskError> {
    let worker = Whose { check: CHECK, part: "a worker", mend: MEND };
    let declares = Whose { part: "a worker that declares what other programs consume", ..worker };
    let has_all = tried(report, &worker, admin, &needed(checked, survey), refused).await?;
    if tried(report, &declares, admin, &consumed_by_others(checked), &[]).await? && has_all {
        report.ok(CHECK, "this user may do all that a worker has to");
    }
    Ok(())
}

/// Tries some rights, and tells those that are missing, beside what was `refused` already. Whether none is.
pub(super) async fn tried(
    report: &mut Report,
    whose: &Whose,
    admin: &Admin,
    needed: &[Right],
    refused: &[Problem],
) -> Result<bool, AskError> {
    // For each kind of right: the objects, and the broker's words about the first of them.
    let mut missing: BTreeMap<&str, (Vec<String>, String)> = BTreeMap::new();
    let mut lacks = |action, object: String, words: &str| {
        missing.entry(action).or_insert_with(|| (Vec::new(), words.to_owned())).0.push(object);
    };
    for problem in refused {
        lacks("declare", problem.object.clone(), &problem.broker);
    }
    for (right, words) in needed.iter().zip(admin.refusals(needed).await?) {
        if let Some(words) = words {
            let (action, object) = describe(right);
            lacks(action, object, &words);
        }
    }
    let has_all = missing.is_empty();
    for (action, (objects, words)) in missing {
        let (part, objects) = (whose.part, listed(&objects));
        let message = format!("this user may not {action}, as {part} has to: {objects}; the broker says: {words}");
        report.fail(whose.check, message, whose.mend);
    }
    Ok(has_all)
}

/// What a worker has to do, but for declaring what exists.
fn needed(checked: &Checked<'_>, survey: &Survey) -> Vec<Right> {
    let names = &checked.settings.names;
    let (consumes, died) = (&checked.settings.consume, names.died());
    let published = ["".to_owned(), names.exchange().to_owned(), names.retry_exchange()];
    let mut rights: Vec<Right> = published.into_iter().map(Right::Publish).collect();
    let work = [WorkQueue::Requests, WorkQueue::Suspects].into_iter();
    let work = work.chain(checked.served.iter().map(|&intent| WorkQueue::Intent(intent.clone())));
    let work = work.filter(|queue| consumes.work(queue)).map(|queue| names.queue(&queue));
    let mut read: Vec<String> = work.chain(consumes.died().then(|| died.clone())).collect();
    if checked.settings.topology == TopologyMode::Declare {
        let exchanges = survey.exchanges.iter().filter(|(exchange, exists)| !exists && !exchange.is_optional);
        rights.extend(exchanges.map(|(exchange, _)| Right::DeclareExchange(exchange.name.clone())));
        let queues = survey.queues.iter().filter(|(_, depth)| depth.is_none());
        rights.extend(queues.map(|(queue, _)| Right::DeclareQueue(queue.name.clone())));
        // Of what isn't told whether it exists the right is lacking.
        let exchanges = survey.unseen_exchanges.iter().filter(|exchange| !exchange.is_optional);
        rights.extend(exchanges.map(|exchange| Right::DeclareExchange(exchange.name.clone())));
        rights.extend(survey.unseen.iter().map(|queue| Right::DeclareQueue(queue.name.clone())));
        let bindings = checked.topology.bindings.iter();
        rights.extend(bindings.map(|of| Right::Bind { queue: of.queue.clone(), exchange: of.exchange.clone() }));
        // To declare a queue that dead-letters takes the right to read it, and to publish to where its dead letters go.
        rights.push(Right::Publish(died));
        let queues = || checked.topology.queues.iter().map(|queue| &queue.name);
        let is_dead = |name: &String| queues().any(|work| Names::dead(work) == *name);
        let others = others(checked);
        read.extend(queues().filter(|name| !is_dead(name) && !others.contains(name)).cloned());
    }
    read.sort();
    read.dedup();
    rights.extend(read.into_iter().map(Right::Consume));
    rights
}

/// The queues that other programs consume: those that answer intents, and that by which people speak.
fn others(checked: &Checked<'_>) -> Vec<String> {
    let external = checked.external.iter().map(|&intent| WorkQueue::Intent(intent.clone()));
    external.chain([WorkQueue::Person]).map(|queue| checked.settings.names.queue(&queue)).collect()
}

/// What declaring the queues of others takes: the right to read what dead-letters.
fn consumed_by_others(checked: &Checked<'_>) -> Vec<Right> {
    let mut others = others(checked);
    others.retain(|name| checked.topology.queues.iter().any(|queue| queue.name == *name));
    match checked.settings.topology {
        TopologyMode::Declare => others.into_iter().map(Right::Consume).collect(),
        TopologyMode::Verify => Vec::new(),
    }
}

/// Some of the objects: more would tell no more, since permissions are by pattern.
fn listed(objects: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = objects.len().saturating_sub(SHOWN);
    let shown = objects.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// What the user may not do, and to what.
fn describe(right: &Right) -> (&'static str, String) {
    match right {
        Right::Publish(exchange) if exchange.is_empty() => {
            ("publish", "default exchange (amq.default), which replies and dead letters take".to_owned())
        }
        Right::Publish(exchange) => ("publish", format!("exchange '{exchange}'")),
        Right::Consume(queue) => ("read", format!("queue '{queue}'")),
        Right::DeclareQueue(queue) if queue.is_empty() => {
            ("declare", "a queue that the broker names (amq.gen-…)".to_owned())
        }
        Right::DeclareQueue(queue) => ("declare", format!("queue '{queue}'")),
        Right::DeclareExchange(exchange) => ("declare", format!("exchange '{exchange}'")),
        Right::Bind { queue, exchange } => ("bind", format!("queue '{queue}' to exchange '{exchange}'")),
    }
}
