//! What is decided of a message before, or without, asking a model: from its headers and properties.
//!
//! **Invariant:** pure; the same message gives the same decision.

use std::time::Duration;

use super::{
    properties::Received,
    reply_to::{self, ReplyTo},
    time::unix_ms,
};
use crate::{
    amqp::{Names, WorkQueue, objects::names},
    domain::{
        Command, DeadLetter, DeadReason, ErrorCode, Lane, MessageError, Outcome, Request,
        codec::{decode_request, is_compressed},
    },
    pipeline::{Job, Stage, deadline_exceeded},
};

/// A message that was delivered so often before is set apart: it may be what ended the workers.
const SUSPICIOUS_DELIVERIES: u64 = 2;
/// How often a suspect is started.
const MAX_STARTS: u32 = 2;

/// What becomes of a message, or what the pipeline has to decide.
#[derive(Debug)]
pub enum Admission {
    /// For the pipeline.
    Work(Box<Job>),
    /// Decided.
    Decided(Outcome),
}

/// Where the answer goes, as far as the address is allowed.
pub type Address = Result<Option<ReplyTo>, reply_to::ReplyAddressError>;

/// What a message may be at most.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// The largest body, in bytes, as received and as decompressed.
    pub max_body: usize,
    /// How long a message may have waited.
    pub max_age: Option<Duration>,
    /// Whether the bot has conversations.
    pub has_conversations: bool,
    /// Whether more wait in its queue than may, and this one is to be turned away.
    pub too_many: bool,
}

/// Decides what can be decided of a message from a work queue at `now` (Unix milliseconds).
pub fn admit(received: &Received, queue: &WorkQueue, address: &Address, limits: &Limits, now: u64) -> Admission {
    match check(received, queue, address, limits, now) {
        Ok(job) => Admission::Work(Box::new(job)),
        Err(outcome) => Admission::Decided(outcome),
    }
}

fn check(received: &Received, queue: &WorkQueue, address: &Address, limits: &Limits, now: u64) -> Result<Job, Outcome> {
    if received.is_probe() {
        return Err(Outcome::Drop);
    }
    if received.is_reply() {
        return Err(dead(DeadReason::NotARequest, "it is itself a reply, by its type"));
    }
    if let Some(letter) = received.unreadable() {
        return Err(Outcome::DeadLetter(letter));
    }
    if let Err(refused) = address {
        return Err(dead(DeadReason::ReplyAddress, &refused.to_string()));
    }
    let time_left = received.trail.time_left(now);
    if time_left.is_some_and(|left| left.is_zero()) {
        return Err(Outcome::DeadLetter(deadline_exceeded().into()));
    }
    // What a worker wrote for a person is larger than what its client sent: escapes, and what was said before.
    let written = || limits.max_body.saturating_mul(6).saturating_add(1 << 20);
    let is_written = received.trail.is_returned && !is_compressed(&received.envelope());
    let max_body = if is_written { written() } else { limits.max_body };
    let decode = || decode_request(&received.envelope(), &received.body, max_body).map_err(Outcome::DeadLetter);
    let relayed = if limits.has_conversations { Some(decode()) } else { None };
    if let Some(Ok(request)) = &relayed {
        typed(received, request, limits)?;
        relay(received, queue, request)?;
    }
    if matches!(queue, WorkQueue::Conversation(_)) {
        // What was there when workers died is started in its place.
    } else if *queue == WorkQueue::Suspects {
        suspect(received)?;
    } else if received.redelivered && received.delivery_count >= SUSPICIOUS_DELIVERIES {
        return Err(Outcome::Suspect);
    } else if let Some(why) = overloaded(received, limits, now) {
        return Err(Outcome::DeadLetter(MessageError::new(ErrorCode::Overloaded, why).into()));
    }
    let request = relayed.unwrap_or_else(decode)?;
    if !limits.has_conversations {
        typed(received, &request, limits)?;
    }
    Ok(Job { stage: stage(received), attempt: received.trail.attempt, time_left, ..Job::new(request) })
}

/// Whether a message of its type can be dealt with at all.
fn typed(received: &Received, request: &Request, limits: &Limits) -> Result<(), Outcome> {
    let invalid = |why: String| Err(Outcome::DeadLetter(MessageError::new(ErrorCode::InvalidMessage, why).into()));
    if let Some(why) = Command::refused(request.kind()) {
        return invalid(why);
    }
    let Some(command) = request.command() else { return Ok(()) };
    let kind = command.as_str();
    if !limits.has_conversations && command != Command::Feedback {
        return invalid(format!("{kind} is about a conversation, and this bot has none"));
    }
    match command {
        Command::Message | Command::Release if received.trail.pass.is_none() => invalid(format!(
            "{kind} needs the header {} as the request had it that went to a person",
            names::CONVERSATION
        )),
        Command::Message if !request.has_text() => invalid(format!("{kind} has no 'body': what the person says")),
        Command::Forget if request.conversation.is_none() => {
            invalid(format!("{kind} has to name the conversation to forget: {{\"conversation\": \"…\"}}"))
        }
        _ => Ok(()),
    }
}

/// Hands a request that names a conversation, or has a pass to one, to that one's queue, before anything else is decided of it: nothing that is
/// decided elsewhere has a place in the order.
fn relay(received: &Received, queue: &WorkQueue, request: &Request) -> Result<(), Outcome> {
    let lane = match request.command() {
        Some(Command::Message | Command::Release) => received.trail.pass.as_ref().map(|pass| pass.lane),
        Some(Command::Forget) | None => request.conversation.as_deref().map(Lane::of),
        Some(Command::Feedback) => None,
    };
    match (queue, lane) {
        (WorkQueue::Conversation(here), Some(lane)) if *here == lane => Ok(()),
        (WorkQueue::Conversation(_), None) => {
            let why = match request.command() {
                Some(Command::Feedback) => "chat.feedback is no turn of a conversation; use the routing key request",
                _ => "a message in a conversation's queue has to name its conversation; use the routing key request",
            };
            Err(Outcome::DeadLetter(MessageError::new(ErrorCode::InvalidMessage, why).into()))
        }
        (_, Some(lane)) => Err(Outcome::Relay(lane)),
        (_, None) => Ok(()),
    }
}

/// Why a message is turned away, before anything is spent on it; none where it isn't.
///
/// How long it has waited is told by when a worker first saw it, else by the client's `timestamp`, and not known without.
/// A retry has waited because it was told to.
fn overloaded(received: &Received, limits: &Limits, now: u64) -> Option<String> {
    if limits.too_many {
        return Some(
            "more messages wait in the queue than CHATBOT_OVERLOAD_MAX_DEPTH allows; try again later".to_owned(),
        );
    }
    let max_age = limits.max_age.filter(|_| received.trail.attempt == 1)?;
    let sent = received.properties.timestamp().map(unix_ms);
    let age = Duration::from_millis(now.saturating_sub(received.trail.first_seen.or(sent)?));
    (age > max_age).then(|| {
        format!("the message waited {age:?}, longer than the {max_age:?} of CHATBOT_OVERLOAD_MAX_AGE; try again later")
    })
}

/// A suspect is started when it comes for the first time; when it comes again, the start before has ended a worker (or
/// its session), and the next is counted before it is made.
fn suspect(received: &Received) -> Result<(), Outcome> {
    match (received.trail.starts, received.redelivered) {
        (1..=MAX_STARTS, false) => Ok(()),
        (starts, _) if starts < MAX_STARTS => Err(Outcome::Suspect),
        _ => Err(dead(
            DeadReason::Error(ErrorCode::Crashed),
            "the worker, or its connection, was lost each time that it was started",
        )),
    }
}

fn stage(received: &Received) -> Stage {
    match received.intent() {
        Some(intent) => {
            let classification = received.trail.classification.clone();
            Stage::Handle { intent: intent.clone(), classification: classification.map(Box::new) }
        }
        None => Stage::Classify,
    }
}

/// What becomes of a message that the broker itself put into [`Names::died`]: told from headers alone.
pub fn died(received: &Received, address: &Address, names: &Names) -> Outcome {
    if received.is_reply() {
        return dead(DeadReason::NotARequest, "it is itself a reply, by its type");
    }
    // That no worker hears it changes nothing.
    if received.is_cancel() {
        return Outcome::Drop;
    }
    if let Err(refused) = address {
        return dead(DeadReason::ReplyAddress, &refused.to_string());
    }
    let death = received.last_death("reason");
    if death.is_none() && received.is_probe() {
        return Outcome::Drop;
    }
    if let (None, Some(letter)) = (death, received.unreadable()) {
        return Outcome::DeadLetter(letter);
    }
    // What nobody took where people would is its conversation's again, in its place: so that no one who takes it late is
    // in its way. While their queue is being migrated, it waits in the one that holds it.
    let people = names.queue(&WorkQueue::Person);
    let is_of_people = |queue: &str| queue == people || names.held_by(queue).as_deref() == Some(people.as_str());
    let of_people = || received.last_death("queue").is_some_and(is_of_people);
    if let Some(pass) = received.trail.pass.as_ref().filter(|_| received.is_relayed && of_people()) {
        return Outcome::Relay(pass.lane);
    }
    let queue = received.last_death("queue").unwrap_or("a queue");
    let error = match death {
        Some("expired") => deadline_exceeded(),
        Some("rejected") => {
            MessageError::new(ErrorCode::HandlerFailed, format!("whoever consumes '{queue}' rejected the message"))
        }
        Some("delivery_limit") => MessageError::new(
            ErrorCode::Crashed,
            format!("the broker gave up after delivering it from '{queue}' too often"),
        ),
        Some("maxlen") => MessageError::new(ErrorCode::Overloaded, format!("'{queue}' is full")),
        Some(other) => MessageError::new(ErrorCode::Internal, format!("the broker took it out of '{queue}': {other}")),
        None => MessageError::new(
            ErrorCode::Unroutable,
            format!("no queue takes the routing key '{}'; use request or intent.<name>", received.routing_key),
        ),
    };
    // Tried in vain, and no attempt is left: the last word, whatever the code allows.
    Outcome::DeadLetter(error.into())
}

fn dead(reason: DeadReason, message: &str) -> Outcome {
    Outcome::DeadLetter(DeadLetter { reason, message: message.to_owned() })
}

#[cfg(test)]
mod tests;
