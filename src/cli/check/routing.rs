//! Where messages are led that clients publish: to the queues of workers, and those that nobody binds.

use super::{Report, broker::Checked};
use crate::{
    amqp::{
        WorkQueue,
        objects::{
            admin::Admin,
            ask::AskError,
            declare::TopologyMode,
            inspect::Survey,
            probe::{Unbound, Unroutable},
            topology::Binding,
        },
    },
    domain::IntentName,
};

/// Where messages are led. Tried only where workers take the probes.
pub(super) async fn check(
    report: &mut Report,
    admin: &Admin,
    checked: &Checked<'_>,
    survey: &Survey,
) -> Result<(), AskError> {
    let names = &checked.settings.names;
    let exchange_exists =
        survey.exchanges.iter().any(|(exchange, exists)| exchange.name == names.exchange() && *exists);
    if !exchange_exists {
        return Ok(());
    }
    if survey.depth(&names.died()).is_none_or(|depth| depth.consumers == 0) {
        let (why, mend) = match survey.is_unseen(&names.died()) {
            true => ("this user isn't told whether a worker consumes", "Run this again as a worker's user."),
            false => ("no worker consumes", "Start a worker, and run this again."),
        };
        let message = format!(
            "whether messages with a routing key that nobody binds are answered, and whether queues are bound, isn't known: \
             {why} {}, so it wasn't tried",
            names.died()
        );
        report.warn("unroutable", message, mend);
        return Ok(());
    }
    match unroutable(report, admin, checked).await? {
        Some(unroutable) => bindings(report, admin, checked, survey, unroutable).await,
        None => Ok(()),
    }
}

/// Whether a message whose routing key nobody binds is answered; none where it couldn't be tried.
async fn unroutable(report: &mut Report, admin: &Admin, checked: &Checked<'_>) -> Result<Option<Unroutable>, AskError> {
    const CHECK: &str = "unroutable";
    let unroutable = match admin.unroutable(&checked.settings.names).await {
        Ok(unroutable) => unroutable,
        // The missing right to publish has been told.
        Err(AskError::Refused(problem)) if problem.refused => return Ok(None),
        Err(error) => return Err(error),
    };
    match unroutable {
        Unroutable::Taken => report
            .ok(CHECK, "messages with a routing key that nobody binds reach a worker (or a queue bound to all keys)"),
        Unroutable::Dropped => report.warn(
            CHECK,
            "messages with a routing key that nobody binds are dropped, or returned where a client asks for that",
            "`chatbot-worker topology policy` prints the command that gets them answered.",
        ),
    }
    Ok(Some(unroutable))
}

/// Whether what clients publish is led to the queues of workers.
async fn bindings(
    report: &mut Report,
    admin: &Admin,
    checked: &Checked<'_>,
    survey: &Survey,
    unroutable: Unroutable,
) -> Result<(), AskError> {
    const CHECK: &str = "bindings";
    let names = &checked.settings.names;
    let bindings: Vec<&Binding> = to_workers(checked, survey).collect();
    let keys: Vec<String> = bindings.iter().map(|binding| key(&binding.routing_key).to_owned()).collect();
    if keys.is_empty() {
        return Ok(());
    }
    match admin.unbound(names, &keys, unroutable).await {
        Ok(Unbound::Keys(unbound)) if unbound.is_empty() => {
            report.ok(CHECK, format!("each of the {} queues that workers consume and clients address is bound", keys.len()));
        }
        Ok(Unbound::Keys(unbound)) => {
            let missing = bindings.iter().zip(&keys).filter(|(_, key)| unbound.contains(key));
            let missing: Vec<String> =
                missing.map(|(binding, _)| format!("queue '{}' by '{}'", binding.queue, binding.routing_key)).collect();
            let message = format!(
                "bindings to exchange '{}' are missing, so what clients publish doesn't arrive: {}",
                names.exchange(),
                missing.join(", ")
            );
            let mend = match checked.settings.topology {
                TopologyMode::Declare => {
                    "A worker binds its queues again within two minutes; `chatbot-worker topology declare` binds them now."
                }
                TopologyMode::Verify => "`chatbot-worker topology declare` binds them, as a user who may configure.",
            };
            report.fail(CHECK, message, mend);
        }
        Ok(Unbound::Hidden) => report.warn(
            CHECK,
            "whether the queues of workers are bound can't be told: another queue, or another policy, takes messages with any \
             routing key",
            "`rabbitmqctl list_bindings` tells.",
        ),
        // A user who isn't a worker's may lack the right to hear what dies.
        Err(AskError::Refused(problem)) => {
            let message = format!(
                "whether the queues of workers are bound isn't known: {}: the broker says: {}",
                problem.object, problem.broker
            );
            report.warn(CHECK, message, &problem.mend);
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// What binds queues that workers consume to the exchange where clients publish. Other programs wouldn't know a probe.
fn to_workers<'a>(checked: &'a Checked<'_>, survey: &'a Survey) -> impl Iterator<Item = &'a Binding> {
    let names = &checked.settings.names;
    let is_served = move |intent: &IntentName| checked.served.contains(&intent);
    let bindings = checked.topology.bindings.iter().filter(move |binding| binding.exchange == names.exchange());
    bindings.filter(move |binding| {
        let is_theirs = match names.work_queue(&binding.queue) {
            Some(WorkQueue::Requests | WorkQueue::Conversation(_)) => true,
            Some(WorkQueue::Intent(intent)) => is_served(&intent),
            Some(WorkQueue::Suspects | WorkQueue::Person) | None => false,
        };
        is_theirs && survey.depth(&binding.queue).is_some_and(|depth| depth.consumers > 0)
    })
}

/// A routing key that a binding takes.
fn key(binding: &str) -> &str {
    binding.strip_suffix(".#").unwrap_or(binding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_takes_the_key_by_which_it_is_probed() {
        for (binding, expected) in
            [("request.#", "request"), ("intent.refund", "intent.refund"), ("conversation.a", "conversation.a")]
        {
            assert_eq!(key(binding), expected);
        }
    }
}
