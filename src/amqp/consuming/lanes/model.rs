//! The model check of a lane: every interleaving of deliveries, turns, writes, answers and acks of a few messages, while
//! its consumer moves from worker to worker, with so many faults at most.
//!
//! The broker's part is a quorum queue with a single active consumer: in order, with a prefetch; what wasn't acked comes to
//! the next consumer, behind what came back before it and in front of what is new, its count raised. A lane is left at any
//! moment by closing its channel, by a lost connection or by a worker's death, and but for that what was in work goes on: it
//! writes and publishes, only its acks don't arrive. The store answers at any later time, or not, and then has found
//! the write, or finds it later. What is held and may run, admission, identity, the turn with its record, and settlement are
//! the worker's own code.
//!
//! What is held, in every state that can be reached:
//! - turns are kept in the order of their messages, each once, and answered first in that order;
//! - what is published is what the store holds; nothing is acked but what was answered or is a dead letter;
//! - nothing is a dead letter but what ends its worker each time that it is started;
//! - without further faults every way ends, with all messages acked.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test may")]

mod explore;
mod script;
mod turns;

use std::ops::RangeInclusive;

use self::{
    explore::{Broken, Exploring, Rules},
    turns::Turns,
};
use crate::amqp::publishing::settle::model::search::{Searched, search};

/// Explores, and says how much there was; and the most deaths that were seen.
fn check(what: &str, rules: &Rules) -> (Searched, u8) {
    let mut exploring = Exploring { rules, turns: Turns::new(&rules.messages), deaths: 0 };
    let searched = search(&mut exploring);
    eprintln!("{what}: {} states, {} steps", searched.states, searched.steps);
    (searched, exploring.deaths)
}

fn holds(what: &str, rules: &Rules) {
    assert_eq!(check(what, rules).0.violation, None, "{what}");
}

/// The same where messages end their workers, so often.
fn gives_up(rules: &Rules, most: RangeInclusive<u8>) {
    let Rules { messages, killers, late, faults, .. } = rules;
    let what = format!("of {messages:?}, {late} late, {killers:?} end workers, {faults} faults");
    let (searched, deaths) = check(&what, rules);
    assert_eq!(searched.violation, None, "{what}");
    assert!(most.contains(&deaths), "{what}: {deaths} deaths");
}

/// A broken worker is found out, by that complaint.
fn is_found(what: &str, rules: &Rules, complaint: &str) {
    let violation = check(what, rules).0.violation.expect("it is found out");
    assert!(violation.starts_with(complaint), "{what}: {violation}");
}

#[test]
fn a_conversation_keeps_its_order_through_every_loss() {
    holds("three messages", &Rules::default());
    holds("three messages, all delivered at once", &Rules { prefetch: [3; 2], ..Rules::default() });
}

#[test]
fn two_conversations_side_by_side_keep_their_orders() {
    let rules = Rules { messages: vec![0, 1], ..Rules::default() };
    holds("two conversations", &rules);
    holds(
        "two conversations, three messages",
        &Rules { messages: vec![0, 1, 0], faults: 1, prefetch: [3; 2], ..rules },
    );
}

#[test]
fn a_message_that_always_ends_its_worker_is_given_up_and_those_beside_it_are_answered() {
    for (killers, messages, faults) in [
        (vec![0], vec![0; 3], 1),
        (vec![0], vec![0, 1, 0], 1),
        (vec![1], vec![0; 3], 1),
        (vec![1], vec![0, 1, 0], 1),
        (vec![2], vec![0; 3], 1),
    ] {
        for late in [0, 1] {
            let (messages, killers) = (messages.clone(), killers.clone());
            gives_up(&Rules { messages, late, faults, prefetch: [3; 2], killers, ..Rules::default() }, 4..=5);
        }
    }
}

#[test]
fn two_messages_that_end_their_workers_are_given_up() {
    for messages in [vec![0; 3], vec![0, 1, 0]] {
        let rules = Rules { messages, faults: 0, prefetch: [3; 2], killers: vec![0, 1], ..Rules::default() };
        gives_up(&rules, 8..=10);
    }
}

#[test]
fn a_consumer_that_is_cancelled_is_found_out() {
    let broken = Rules { broken: Some(Broken::Cancels), faults: 1, ..Rules::default() };
    is_found("it cancels", &broken, "turn 2 was kept before an earlier one");
}

#[test]
fn another_prefetch_in_the_second_worker_is_found_out() {
    is_found(
        "another prefetch",
        &Rules { prefetch: [3, 2], ..Rules::default() },
        "turn 2 was kept before an earlier one",
    );
}

#[test]
fn a_write_that_compares_nothing_is_found_out() {
    let broken = Rules { broken: Some(Broken::Overwrites), faults: 1, ..Rules::default() };
    is_found("it overwrites", &broken, "turn");
}

#[test]
fn an_ack_before_the_store_has_the_turn_is_found_out() {
    let broken = Rules { broken: Some(Broken::AcksEarly), faults: 0, ..Rules::default() };
    is_found("it acks early", &broken, "message 0 is acked without an answer");
}

#[test]
fn an_answer_that_the_store_does_not_hold_is_found_out() {
    let broken = Rules { broken: Some(Broken::PublishesItsOwn), faults: 1, ..Rules::default() };
    is_found("it publishes its own", &broken, "turn 0 was answered by what the store doesn't hold");
}

#[test]
fn a_dead_letter_before_its_neighbours_are_settled_is_found_out() {
    let rules = Rules { prefetch: [3; 2], killers: vec![0], faults: 1, ..Rules::default() };
    is_found("it gives up at once", &Rules { broken: Some(Broken::GivesUpAtOnce), ..rules }, "message 1 is dead");
}

#[test]
fn a_start_of_what_may_end_workers_before_the_acks_have_arrived_is_found_out() {
    let rules = Rules { prefetch: [3; 2], killers: vec![1], faults: 0, ..Rules::default() };
    is_found("it starts at once", &Rules { broken: Some(Broken::StartsAtOnce), ..rules }, "message 0 is dead");
}
