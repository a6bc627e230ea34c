//! Queues of intents and retry delays that are no longer configured, and what a migration of these left.
//!
//! AMQP can't list queues. So the names come from what can, `rabbitmqctl list_queues`, or are guessed: the intents of
//! the built-in bot, with which most begin.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    amqp::{Names, WorkQueue, migrate, objects::topology::Topology},
    app::{
        BUILT_IN_NAME,
        intents::{BUILT_IN, IntentsFile},
    },
    domain::{IntentName, Lane},
};

/// The command that lists the queues of a namespace.
pub(in crate::cli) const LIST: &str = "rabbitmqctl --quiet list_queues name";

/// Any queue of conversations: all share their dead letters' queue.
const CONVERSATION: WorkQueue = WorkQueue::Conversation(Lane::ALL[0]);

/// What may be left over, to be looked for on the broker: `listed` is the output of [`LIST`], and of its names only
/// those count that a worker gives.
pub(in crate::cli) fn candidates(names: &Names, configured: &Topology, listed: Option<&str>) -> Topology {
    let (intents, delays) = match listed {
        Some(listed) => named(names, listed),
        None => (built_in(), BTreeSet::new()),
    };
    let delays: Vec<Duration> = delays.into_iter().collect();
    let mut found = Topology::new(names, &intents, &delays);
    let is_of_conversation = |name: &str| {
        name == Names::dead(&names.queue(&CONVERSATION))
            || matches!(names.work_queue(name), Some(WorkQueue::Conversation(_)))
    };
    if listed.is_some_and(|listed| queue_names(listed).any(is_of_conversation)) {
        found = found.with_conversations(names);
    }
    let people = names.queue(&WorkQueue::Person);
    if listed.is_some_and(|listed| queue_names(listed).any(|name| name == people || name == Names::dead(&people))) {
        found = found.with_person(names);
    }
    let mut found = found.without(configured);
    if let Some(listed) = listed {
        let mut left = migrate::scaffold(&found, names);
        left.queues.retain(|queue| queue_names(listed).any(|name| name == queue.name));
        left.bindings.retain(|binding| left.queues.iter().any(|queue| queue.name == binding.queue));
        found.queues.extend(left.queues);
        found.bindings.extend(left.bindings);
    }
    found
}

/// The names with which the lines begin.
fn queue_names(listed: &str) -> impl Iterator<Item = &str> {
    listed.lines().filter_map(|line| line.split_whitespace().next())
}

/// Intents and delays, from lines that begin with a queue's name.
fn named(names: &Names, listed: &str) -> (BTreeSet<IntentName>, BTreeSet<Duration>) {
    let (mut intents, mut delays) = (BTreeSet::new(), BTreeSet::new());
    for name in queue_names(listed) {
        let held = names.held_by(name);
        let name = held.as_deref().unwrap_or(name);
        let work_queue = name.strip_suffix(".dead").unwrap_or(name);
        if let Some(WorkQueue::Intent(intent)) = names.work_queue(work_queue) {
            intents.insert(intent);
        } else if let Some(delay) = names.retry_delay(name) {
            delays.insert(delay);
        }
    }
    (intents, delays)
}

fn built_in() -> BTreeSet<IntentName> {
    let checked = IntentsFile::parse(BUILT_IN_NAME, BUILT_IN);
    checked.map(|checked| checked.file.intents.into_iter().map(|intent| intent.name).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn only_a_workers_names_that_are_no_longer_configured_are_candidates() {
        let names = Names::new("shop").unwrap();
        let kept = [IntentName::new("kept").unwrap()];
        let configured = Topology::new(&names, &kept, &[Duration::from_secs(1)]);
        let check = |listed: &str, expected: &[&str]| {
            let found = candidates(&names, &configured, Some(listed));
            let queues: Vec<_> = found.queues.iter().map(|queue| queue.name.as_str()).collect();
            assert_eq!(queues, expected, "{listed}");
            assert!(found.exchanges.is_empty());
        };
        check("", &[]);
        check("Listing queues for vhost / ...\nname\tmessages\nshop.intent.kept\t3\nshop.retry.1000\t0\n", &[]);
        check("shop.intent.gone\t3\n", &["shop.intent.gone.dead", "shop.intent.gone"]);
        check("shop.intent.gone.dead\n", &["shop.intent.gone.dead", "shop.intent.gone"]);
        check("shop.retry.5000\r\n", &["shop.retry.5000"]);
        check("shop.holding.retry.5000 0\n", &["shop.retry.5000", "shop.holding.retry.5000"]);
        check("shop.holding.intent.kept\nshop.holding.requests\nshop.holding\n", &[]);
        check("shop.person\n", &["shop.person.dead", "shop.person"]);
        check("shop.person.dead\n", &["shop.person.dead", "shop.person"]);
        check("shop.tap\nshop2.intent.a\nshop.requests\nshop.died.dead\nshop.intent.a.b\nother\n", &[]);
    }

    #[test]
    fn without_a_list_the_built_in_bots_intents_are_looked_for() {
        let names = Names::new("shop").unwrap();
        let none: [IntentName; 0] = [];
        let found = candidates(&names, &Topology::new(&names, &none, &[]), None);
        assert!(found.queues.iter().any(|queue| queue.name == "shop.intent.help_info"));
    }
}
