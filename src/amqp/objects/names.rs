//! The names of exchanges, queues, routing keys and headers; all of them, in this one place.
//!
//! **Invariant:** an exchange's and an intent's name hold no dot, so that no two objects can share a name.

use std::{fmt, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::domain::{IntentName, InvalidName, Lane, is_valid_name};

/// Header of ours: the intent that a forwarded message goes to.
pub const INTENT: &str = "chatbot-intent";
/// Header of ours: how a forwarded message was classified, as JSON.
pub const CLASSIFICATION: &str = "chatbot-classification";
/// Header of ours on a forward: what is known by name in its conversation, as JSON.
pub const SLOTS: &str = "chatbot-slots";
/// Header of ours: the number of this attempt, from 1.
pub const ATTEMPT: &str = "chatbot-attempt";
/// Header of ours: how often a suspect was started.
pub const STARTS: &str = "chatbot-starts";
/// Header of ours on a forward or a replay: that it may be a second copy, as AMQP's `redelivered` says of a delivery.
pub const REDELIVERED: &str = "chatbot-redelivered";
/// Header of ours: which retry queue, by its delay in milliseconds.
pub const RETRY_DELAY: &str = "chatbot-retry-delay-ms";
/// Header of ours: when the answer is of no more use, in Unix milliseconds.
pub const DEADLINE: &str = "chatbot-deadline";
/// Header of ours: the first work queue.
pub const FIRST_QUEUE: &str = "chatbot-queue";
/// Header of ours: the routing key with which the client published.
pub const FIRST_ROUTING_KEY: &str = "chatbot-routing-key";
/// Header of ours: when a worker first saw it, in Unix milliseconds.
pub const FIRST_SEEN: &str = "chatbot-first-seen";
/// Header of ours: the `user_id` that the client published with.
pub const USER_ID: &str = "chatbot-user-id";
/// Header of ours on what goes to a person: what lets a person's program speak in the conversation. It is the one header
/// but the deadline that is read in what a client published, as it is its own proof.
pub const CONVERSATION: &str = "chatbot-conversation";
/// Header of ours on a relay: that nobody took the message out of the queue of people.
pub const RETURNED: &str = "chatbot-returned";
/// Header of ours on a dead letter: the reason.
pub const DEAD_REASON: &str = "chatbot-dead-reason";
/// Header of ours on a dead letter: the reason in a sentence.
pub const DEAD_ERROR: &str = "chatbot-dead-error";
/// Header of ours on a dead letter: when, in Unix milliseconds.
pub const DEAD_AT: &str = "chatbot-dead-at";
/// Header of ours on a dead letter: which worker.
pub const DEAD_WORKER: &str = "chatbot-dead-worker";
/// What all headers of ours begin with.
pub const OUR_HEADERS: &str = "chatbot-";
/// The client asks for a compressed reply with this header.
pub const ACCEPT_ENCODING: &str = "accept-encoding";

/// The client asks for its answer in parts, as it is being written, with this header.
pub const ACCEPT_STREAM: &str = "accept-stream";

/// Kombu says with this header how it has compressed a body.
pub const COMPRESSION: &str = "compression";

/// The `type` of a message that `check` publishes to see where it is led: to a work queue, or, by a routing key that nobody
/// binds, to [`Names::died`] where the policy for such messages is in force. A worker that finds it drops it.
pub const PROBE_TYPE: &str = "chat.probe";

/// The routing key by which a client has an answer stopped.
pub const CANCEL_KEY: &str = "cancel";

/// The routing keys that reach [`WorkQueue::Requests`].
pub const REQUESTS_BINDING: &str = "request.#";
/// The routing key that reaches [`WorkQueue::Person`].
pub const PERSON_KEY: &str = "person";

/// A queue of messages to be worked on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WorkQueue {
    /// Texts to classify.
    Requests,
    /// Requests of one intent.
    Intent(IntentName),
    /// Messages that were there when a worker died more than once.
    Suspects,
    /// Conversations, each in its order.
    Conversation(Lane),
    /// What goes to people, whose program consumes it.
    Person,
}

impl WorkQueue {
    /// The work queue that is shown so, as its name is without the exchange's: `requests`, `suspects`, `intent.<name>`,
    /// `conversation.<digit>`, `person`.
    pub fn parse(shown: &str) -> Option<Self> {
        match shown {
            "requests" => Some(Self::Requests),
            "suspects" => Some(Self::Suspects),
            "person" => Some(Self::Person),
            other => match other.strip_prefix("conversation.") {
                Some(digit) => Lane::parse(digit).map(Self::Conversation),
                None => Some(Self::Intent(IntentName::new(other.strip_prefix("intent.")?).ok()?)),
            },
        }
    }
}

/// Names derived from the exchange's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    exchange: Arc<str>,
}

impl Names {
    /// Names under an exchange.
    ///
    /// # Errors
    /// [`InvalidName`] where the exchange's name doesn't match `[A-Za-z0-9_-]{1,64}`.
    pub fn new(exchange: &str) -> Result<Self, InvalidName> {
        if is_valid_name(exchange) { Ok(Self { exchange: exchange.into() }) } else { Err(InvalidName(exchange.into())) }
    }

    /// The topic exchange where clients publish.
    pub fn exchange(&self) -> &str {
        &self.exchange
    }

    /// The headers exchange before the retry queues.
    pub fn retry_exchange(&self) -> String {
        format!("{}.retry", self.exchange)
    }

    /// The retry queue of a delay.
    pub fn retry_queue(&self, delay: Duration) -> String {
        format!("{}.retry.{}", self.exchange, delay.as_millis())
    }

    /// The exchange by which workers hand conversations to their queues; no client writes to it.
    pub fn relay_exchange(&self) -> String {
        format!("{}.relay", self.exchange)
    }

    /// The fanout exchange by which workers know of each other; no client writes to it.
    pub fn control_exchange(&self) -> String {
        format!("{}.control", self.exchange)
    }

    /// A worker's own queue, for as long as its connection lasts.
    pub fn worker_queue(&self, id: Uuid) -> String {
        format!("{}.worker.{id}", self.exchange)
    }

    /// The fanout exchange, and the queue behind it, where the broker itself puts messages.
    pub fn died(&self) -> String {
        format!("{}.died", self.exchange)
    }

    /// A work queue's name.
    pub fn queue(&self, queue: &WorkQueue) -> String {
        match queue {
            WorkQueue::Requests => format!("{}.requests", self.exchange),
            WorkQueue::Intent(intent) => format!("{}.intent.{intent}", self.exchange),
            WorkQueue::Suspects => format!("{}.suspects", self.exchange),
            WorkQueue::Conversation(lane) => format!("{}.conversation.{lane}", self.exchange),
            WorkQueue::Person => format!("{}.person", self.exchange),
        }
    }

    /// The work queue of a name; none where no work queue is named so.
    pub fn work_queue(&self, name: &str) -> Option<WorkQueue> {
        WorkQueue::parse(name.strip_prefix(&*self.exchange)?.strip_prefix('.')?)
    }

    /// The delay of the retry queue of a name; none where no retry queue is named so.
    pub fn retry_delay(&self, name: &str) -> Option<Duration> {
        let millis = name.strip_prefix(&self.retry_exchange())?.strip_prefix('.')?;
        let delay = Duration::from_millis(millis.parse().ok()?);
        (self.retry_queue(delay) == name).then_some(delay)
    }

    /// The exchange that is there while any queue is being migrated, and marks that.
    pub fn holding(&self) -> String {
        format!("{}.holding", self.exchange)
    }

    /// The queue, and the exchange before it, that hold what is moved out of a queue of ours while that is replaced.
    pub fn holding_of(&self, queue: &str) -> String {
        let rest = queue.strip_prefix(&*self.exchange).and_then(|rest| rest.strip_prefix('.'));
        format!("{}.{}", self.holding(), rest.unwrap_or(queue))
    }

    /// The queue of ours that [`Names::holding_of`] makes this name of; none where it makes none.
    pub fn held_by(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&self.holding())?.strip_prefix('.')?;
        Some(format!("{}.{rest}", self.exchange))
    }

    /// The dead-letter queue of the queue named so. The queues of conversations share theirs.
    pub fn dead(queue: &str) -> String {
        let shared =
            queue.rsplit_once('.').filter(|(of, digit)| of.ends_with(".conversation") && Lane::parse(digit).is_some());
        format!("{}.dead", shared.map_or(queue, |(of, _)| of))
    }

    /// The routing key of an intent.
    pub fn intent_key(intent: &IntentName) -> String {
        format!("intent.{intent}")
    }

    /// The routing key of a conversation's queue.
    pub fn conversation_key(lane: Lane) -> String {
        format!("conversation.{lane}")
    }

    /// The name of the policy that makes [`Names::died`] the exchange's alternate exchange.
    pub fn unroutable_policy(&self) -> String {
        format!("{}-unroutable", self.exchange)
    }

    /// Whether a queue belongs to this worker's topology, by its name.
    pub fn is_ours(&self, queue: &str) -> bool {
        queue.strip_prefix(&*self.exchange).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl fmt::Display for WorkQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests => f.write_str("requests"),
            Self::Intent(intent) => write!(f, "intent.{intent}"),
            Self::Suspects => f.write_str("suspects"),
            Self::Conversation(lane) => write!(f, "conversation.{lane}"),
            Self::Person => f.write_str("person"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_retry_queues_delay_is_found_again_by_its_name() {
        let names = Names::new("shop").unwrap();
        let check = |name: &str, millis: Option<u64>| {
            assert_eq!(names.retry_delay(name), millis.map(Duration::from_millis), "{name}");
        };
        check("shop.retry.1000", Some(1000));
        for other in ["shop.retry", "shop.retry.", "shop.retry.01", "shop.retry.+1", "shop.retry.1.dead", "x.retry.1"] {
            check(other, None);
        }
    }

    #[test]
    fn what_a_queue_holds_for_is_found_again_by_its_name() {
        let names = Names::new("shop").unwrap();
        for queue in ["shop.requests", "shop.requests.dead", "shop.retry.1000"] {
            assert_eq!(names.held_by(&names.holding_of(queue)).as_deref(), Some(queue));
        }
        for other in ["shop.holding", "shop.requests", "shop2.holding.requests"] {
            assert_eq!(names.held_by(other), None, "{other}");
        }
    }

    #[test]
    fn a_work_queue_is_found_again_by_its_name() {
        let names = Names::new("shop").unwrap();
        let lanes = Lane::ALL.map(WorkQueue::Conversation);
        let intent = WorkQueue::Intent(IntentName::new("refund").unwrap());
        let others = [WorkQueue::Requests, WorkQueue::Suspects, WorkQueue::Person, intent];
        for queue in others.into_iter().chain(lanes) {
            assert_eq!(names.work_queue(&names.queue(&queue)), Some(queue));
        }
        for other in [
            "shop",
            "shop.died",
            "shop.requests.dead",
            "shop.intent.a.dead",
            "shop2.requests",
            "",
            "shop.intent.",
            "shop.conversation",
            "shop.conversation.g",
            "shop.conversation.dead",
        ] {
            assert_eq!(names.work_queue(other), None, "{other}");
        }
    }

    #[test]
    fn the_queues_of_conversations_share_a_queue_of_dead_letters() {
        let names = Names::new("shop").unwrap();
        for lane in Lane::ALL {
            assert_eq!(Names::dead(&names.queue(&WorkQueue::Conversation(lane))), "shop.conversation.dead");
        }
        let odd = Names::new("conversation").unwrap();
        let intent = WorkQueue::Intent(IntentName::new("conversation").unwrap());
        assert_eq!(Names::dead(&odd.queue(&intent)), "conversation.intent.conversation.dead");
        assert_eq!(Names::dead(&odd.queue(&WorkQueue::Requests)), "conversation.requests.dead");
    }
}
