//! What operators are told: each event is one function that counts and, where it is rare enough, logs.
//!
//! **Invariant:** never a message's text, a body, a password, or a URL with one.

use std::{fmt, sync::LazyLock, time::Duration};

use metrics::{Counter, Histogram, counter, histogram};

use crate::{
    amqp::message::properties::Received,
    domain::{DeadLetter, Outcome, Reply},
};

/// What is counted for every message. Looked up once, as looking up costs more than counting.
static EVERY_MESSAGE: LazyLock<EveryMessage> = LazyLock::new(|| EveryMessage {
    outcomes: OUTCOMES.map(|outcome| (outcome, counter!("chatbot_outcomes_total", "outcome" => outcome))),
    request_seconds: histogram!("chatbot_request_seconds"),
    replies_sent: counter!("chatbot_replies_total", "result" => "sent"),
    confirmed: counter!("chatbot_confirms_total", "result" => "ack"),
    confirm_seconds: histogram!("chatbot_confirm_seconds"),
});

struct EveryMessage {
    outcomes: [(&'static str, Counter); OUTCOMES.len()],
    request_seconds: Histogram,
    replies_sent: Counter,
    confirmed: Counter,
    confirm_seconds: Histogram,
}

const OUTCOMES: [&str; 10] =
    ["reply", "forward", "person", "message", "done", "relay", "suspect", "retry", "dead-letter", "drop"];

/// A delivery ended as an outcome (one of [`outcome_name`]'s) and was acked.
pub(crate) fn settled(outcome: &'static str, after: Duration) {
    if let Some((_, counter)) = EVERY_MESSAGE.outcomes.iter().find(|(name, _)| *name == outcome) {
        counter.increment(1);
    }
    EVERY_MESSAGE.request_seconds.record(after);
}

/// A request was answered: by the handlers of an intent, and whether for want of a better one.
pub(crate) fn answered(reply: &Reply) {
    let is_fallback = reply.classification.as_ref().is_some_and(|classification| classification.fallback);
    let fallback = if is_fallback { "true" } else { "false" };
    let intent = reply.intent.as_str().to_owned();
    counter!("chatbot_intent_replies_total", "intent" => intent, "fallback" => fallback).increment(1);
}

/// An outcome's name in metrics.
pub(crate) fn outcome_name(outcome: &Outcome) -> &'static str {
    let [reply, forward, person, message, done, relay, suspect, retry, dead_letter, drop] = OUTCOMES;
    match outcome {
        Outcome::Reply(_) => reply,
        Outcome::Forward { .. } => forward,
        Outcome::Person(_) => person,
        Outcome::Speak { .. } => message,
        Outcome::Done(_) => done,
        Outcome::Relay(_) => relay,
        Outcome::Suspect => suspect,
        Outcome::Retry { .. } => retry,
        Outcome::DeadLetter(_) => dead_letter,
        Outcome::Drop => drop,
    }
}

/// The acks of so many settled messages couldn't be written: the broker delivers them again, so they may be answered
/// twice.
pub(crate) fn lost_acks(count: usize) {
    counter!("chatbot_lost_acks_total").increment(count.try_into().unwrap_or(u64::MAX));
    tracing::debug!(count, "the connection was lost before the acks; the messages come again");
}

/// A message goes to a dead-letter queue.
pub(crate) fn dead_lettered(received: &Received, letter: &DeadLetter, queue: &str) {
    counter!("chatbot_dead_letters_total", "reason" => letter.reason.as_str()).increment(1);
    tracing::warn!(
        reason = letter.reason.as_str(),
        error = letter.message,
        queue,
        message_id = received.message_id(),
        attempt = received.trail.attempt,
        "a message is dead-lettered"
    );
}

/// A message is tried again later.
pub(crate) fn retried(received: &Received, error: &str, delay: Duration) {
    tracing::info!(
        error,
        attempt = received.trail.attempt,
        delay = ?delay,
        message_id = received.message_id(),
        "a message is tried again later"
    );
}

/// A reply has arrived.
pub(crate) fn reply_sent() {
    EVERY_MESSAGE.replies_sent.increment(1);
}

/// What became of a reply, or of an error reply, other than that it was sent.
pub(crate) fn replied(result: &'static str) {
    counter!("chatbot_replies_total", "result" => result).increment(1);
}

/// A publish was confirmed, or failed as this word says.
pub(crate) fn confirmed(failed: Option<&'static str>, after: Duration) {
    EVERY_MESSAGE.confirm_seconds.record(after);
    match failed {
        None => EVERY_MESSAGE.confirmed.increment(1),
        Some(result) => counter!("chatbot_confirms_total", "result" => result).increment(1),
    }
}

/// A message that must not be lost is refused and kept, to be published again.
pub(crate) fn kept(error: &impl fmt::Display, queue: &str, tries: usize) {
    if tries == 1 {
        tracing::warn!(queue, error = %error, "a message can't be put there; it is kept and tried again");
    }
}
