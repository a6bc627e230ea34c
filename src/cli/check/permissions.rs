//! What the user may do on the broker.

use super::{Report, broker::Checked};
use crate::amqp::{
    Names, WorkQueue,
    inspect::{InspectError, Inspector, Right},
    settings::TopologyMode,
};

const CHECK: &str = "permissions";

/// Tries each right that a worker needs in its mode, and tells what is missing, all of it.
pub(super) async fn check(
    report: &mut Report,
    inspector: &Inspector,
    checked: &Checked<'_>,
) -> Result<(), InspectError> {
    let needed = needed(checked);
    let mut missing = 0;
    for (right, what) in &needed {
        if let Some(words) = inspector.refusal(right).await? {
            missing += 1;
            report.fail(
                CHECK,
                format!("the user may not {what}: {words}"),
                "`chatbot-worker topology permissions` prints the command that grants what is needed.",
            );
        }
    }
    if missing == 0 {
        report.ok(CHECK, format!("the user may do all that a worker has to ({} rights tried)", needed.len()));
    }
    Ok(())
}

fn needed(checked: &Checked<'_>) -> Vec<(Right, String)> {
    let names = &checked.settings.names;
    let (exchange, retry, died) = (names.exchange().to_owned(), names.retry_exchange(), names.died());
    let mut rights = Vec::new();
    let mut need = |right: Right| {
        let what = describe(&right);
        rights.push((right, what));
    };
    for exchange in ["", &exchange, &retry] {
        need(Right::Publish(exchange.to_owned()));
    }
    let consumes = &checked.settings.consume;
    let work = [WorkQueue::Requests, WorkQueue::Suspects].into_iter();
    let work = work.chain(checked.served.iter().map(|&intent| WorkQueue::Intent(intent.clone())));
    let mut consumed: Vec<String> =
        work.filter(|queue| consumes.work(queue)).map(|queue| names.queue(&queue)).collect();
    consumed.extend(consumes.died().then(|| died.clone()));
    if checked.settings.topology == TopologyMode::Declare {
        need(Right::Publish(died));
        for exchange in &checked.topology.exchanges {
            need(Right::DeclareExchange(exchange.name.clone()));
        }
        for queue in &checked.topology.queues {
            need(Right::DeclareQueue(queue.name.clone()));
        }
        for binding in &checked.topology.bindings {
            need(Right::Bind { queue: binding.queue.clone(), exchange: binding.exchange.clone() });
        }
        // To declare a queue that dead-letters takes the right to read it.
        let is_dead = |name: &String| checked.topology.queues.iter().any(|queue| Names::dead(&queue.name) == *name);
        let dead_lettering = checked.topology.queues.iter().map(|queue| queue.name.clone());
        consumed.extend(dead_lettering.filter(|name| !is_dead(name)));
        consumed.sort();
        consumed.dedup();
    }
    for queue in consumed {
        need(Right::Consume(queue));
    }
    rights
}

fn describe(right: &Right) -> String {
    match right {
        Right::Publish(exchange) if exchange.is_empty() => {
            "publish to the default exchange, which replies and dead letters take".to_owned()
        }
        Right::Publish(exchange) => format!("publish to the exchange '{exchange}'"),
        Right::Consume(queue) => format!("read the queue '{queue}'"),
        Right::DeclareQueue(queue) => format!("declare the queue '{queue}'"),
        Right::DeclareExchange(exchange) => format!("declare the exchange '{exchange}'"),
        Right::Bind { queue, exchange } => format!("bind the queue '{queue}' to the exchange '{exchange}'"),
    }
}
