//! Outcome → publishes → ack.
//!
//! **Invariant:** this alone decides when a delivery may be acked; `acks.rs` writes it. The ack comes last, after the
//! broker has confirmed what was published; where that can't be had, there is no ack, and the broker delivers again.
//! Handed back is only what wasn't started (`consuming/queue.rs`), or can't be settled for long (`consuming/delivery.rs`).

mod broker;
mod keeping;
#[cfg(test)]
pub(in crate::amqp) mod model;
mod person;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use lapin::{Channel, options::BasicNackOptions};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

pub use self::broker::{Broker, SessionLost};
use self::keeping::kept;
use super::{
    acks::Ack,
    events,
    publisher::{Message, PublishError},
    replies::ReplyError,
};
use crate::{
    amqp::{
        Names, WorkQueue,
        message::{
            properties::{Purpose, Received},
            reply_to::ReplyTo,
            time::now_ms,
        },
        values::short,
    },
    answered::Sharing,
    domain::{
        Classification, DeadLetter, DeadReason, ERROR_TYPE, ErrorCode, ErrorReply, IntentName, Lane, MessageError,
        Outcome, REPLY_TYPE, Reply, codec,
    },
    retry::RetryPolicy,
};

/// How long an error reply may hold up the ack.
const ERROR_REPLY_LIMIT: Duration = Duration::from_secs(5);

/// Settles deliveries.
pub struct Settler<B> {
    /// The broker.
    pub broker: B,
    /// The names.
    pub names: Names,
    /// What becomes of a forward that is refused.
    pub retry: RetryPolicy,
    /// This worker's name, for dead letters.
    pub worker: String,
}

/// A delivery, to be settled once.
pub struct Delivery {
    /// What was read of it.
    pub received: Box<Received>,
    /// Where its answer goes; none where there is no address, or one that is not allowed.
    pub reply_to: Option<ReplyTo>,
    /// The client's name for it, as far as it could be read: the property's, else the body's.
    pub request_id: Option<String>,
    /// When it came in.
    pub started: Instant,
    /// Its answer on its way to where workers share theirs.
    pub sharing: Sharing,
    /// Acks it.
    pub ack: Ack,
}

/// Whoever waits for the answer.
#[derive(Clone, Copy)]
struct Client<'a> {
    reply_to: Option<&'a ReplyTo>,
    request_id: Option<&'a str>,
}

/// An answer's name, and what it answers.
#[derive(Clone, Copy)]
struct Answer<'a> {
    kind: &'static str,
    id: &'a str,
    in_reply_to: Option<&'a str>,
}

impl Delivery {
    /// Gives the delivery with this tag, which wasn't started, back to its queue. Only for shutdown.
    ///
    /// By its channel, as all acks here, and not by lapin's `Acker`: that one's promise can stay open for ever when the
    /// connection ends just then, and the session would wait for it.
    pub async fn hand_back(channel: &Channel, tag: u64) {
        let _ = channel.basic_nack(tag, BasicNackOptions { requeue: true, multiple: false }).await;
    }
}

impl<B: Broker> Settler<B> {
    /// Publishes what the outcome asks for, and acks.
    ///
    /// # Errors
    /// [`SessionLost`] where a confirm can't be had; then nothing is acked.
    pub async fn settle(&self, delivery: Delivery, outcome: Outcome) -> Result<(), SessionLost> {
        let Delivery { received, reply_to, request_id, started, sharing, ack } = delivery;
        let client = Client { reply_to: reply_to.as_ref(), request_id: request_id.as_deref() };
        let name = self.publish(&received, client, outcome).await?;
        sharing.done().await;
        self.broker.ack(ack, name, started).await;
        Ok(())
    }

    /// Publishes what the outcome asks for; tells which outcome it became.
    async fn publish(
        &self,
        received: &Received,
        client: Client<'_>,
        outcome: Outcome,
    ) -> Result<&'static str, SessionLost> {
        let mut next = outcome;
        loop {
            let name = events::outcome_name(&next);
            // What is rare is boxed: a task is as large as its largest branch, and is moved and allocated whole.
            let instead = match next {
                Outcome::Reply(reply) => {
                    let instead = self.reply(received, client.reply_to, &reply).await?;
                    if instead.is_none() {
                        events::answered(&reply);
                    }
                    instead
                }
                Outcome::Forward { intent, classification, slots } => {
                    self.forward(received, &intent, classification.as_deref(), &slots).await?
                }
                Outcome::Person(handed) => Box::pin(self.hand_over(received, &handed)).await?,
                Outcome::Speak { to, spoken, done } => {
                    Box::pin(self.speak(received, client.reply_to, to, &spoken, *done)).await?
                }
                Outcome::Done(done) => Box::pin(self.done(received, client.reply_to, &done)).await?,
                Outcome::Relay(lane) => {
                    self.relay(received, lane).await?;
                    None
                }
                Outcome::Suspect => {
                    Box::pin(self.suspect(received)).await?;
                    None
                }
                Outcome::Retry { delay, error } => {
                    Box::pin(self.retry(received, delay, &error)).await?;
                    None
                }
                Outcome::DeadLetter(letter) => {
                    Box::pin(self.dead_letter(received, client, &letter)).await?;
                    None
                }
                Outcome::Drop => None,
            };
            match instead {
                None => return Ok(name),
                Some(outcome) => next = outcome,
            }
        }
    }

    /// Sends the answer; tells what becomes of the message instead, where it didn't arrive.
    async fn reply(
        &self,
        received: &Received,
        reply_to: Option<&ReplyTo>,
        reply: &Reply,
    ) -> Result<Option<Outcome>, SessionLost> {
        let of = Answer { kind: REPLY_TYPE, id: &reply.id, in_reply_to: reply.in_reply_to.as_deref() };
        self.answer(received, reply_to, of, || codec::encode_reply(reply)).await
    }

    /// Sends an answer of any type, as `encode` writes it.
    async fn answer(
        &self,
        received: &Received,
        reply_to: Option<&ReplyTo>,
        of: Answer<'_>,
        encode: impl Fn() -> Vec<u8> + Send + Sync,
    ) -> Result<Option<Outcome>, SessionLost> {
        let Some(to) = reply_to else {
            events::replied("dropped");
            return Ok(Some(Outcome::Drop));
        };
        let Answer { kind, id, in_reply_to } = of;
        let body = encode().into();
        let message = || answer(received, to, kind, id, in_reply_to, &body);
        let dead = |reason, message| Ok(Some(Outcome::DeadLetter(DeadLetter { reason, message })));
        match self.broker.reply(message, to.direct).await {
            Ok(()) => {
                events::reply_sent();
                Ok(None)
            }
            // Spring's `exchange/key` looks like any queue's name; that there is none of that name tells it apart.
            Err(ReplyError::Gone(_)) if to.address.as_str().contains('/') => {
                events::replied("bad_address");
                let why = "no queue has the name in reply_to; it may be an exchange and a key, which isn't spoken here";
                dead(DeadReason::ReplyAddress, why.to_owned())
            }
            Err(ReplyError::Gone(_)) => {
                events::replied("gone");
                Ok(Some(Outcome::Drop))
            }
            Err(error @ (ReplyError::Refused | ReplyError::Unconfirmed(_))) => {
                events::replied("refused");
                dead(DeadReason::ReplyRefused, error.to_string())
            }
            Err(error @ ReplyError::BadAddress(_)) => {
                events::replied("bad_address");
                dead(DeadReason::ReplyAddress, error.to_string())
            }
            Err(ReplyError::Lost(why)) => Err(SessionLost(why)),
        }
    }

    /// Hands the message to its intent's queue; tells what becomes of it instead, where the broker refuses.
    async fn forward(
        &self,
        received: &Received,
        intent: &IntentName,
        classification: Option<&Classification>,
        slots: &BTreeMap<String, String>,
    ) -> Result<Option<Outcome>, SessionLost> {
        let purpose = Purpose::Forward { intent, classification, slots };
        let properties = received.republished(&self.names, purpose, now_ms());
        let body = received.body.clone();
        self.put(received, &WorkQueue::Intent(intent.clone()), properties, body).await
    }

    /// Puts what was decided of a message into a work queue; tells what becomes of it instead, where the broker refuses.
    async fn put(
        &self,
        received: &Received,
        queue: &WorkQueue,
        properties: lapin::BasicProperties,
        body: Bytes,
    ) -> Result<Option<Outcome>, SessionLost> {
        // By the queue's name, as no client may publish: so whoever reads it can believe our headers.
        let (exchange, routing_key) = (short(""), short(&self.names.queue(queue)));
        let message = Message { exchange, routing_key, mandatory: true, properties, body };
        let told = || match queue {
            WorkQueue::Intent(intent) => format!("the queue of intent '{intent}'"),
            other => format!("the queue '{other}'"),
        };
        let error = match self.broker.publish(message).await {
            Ok(()) => return Ok(None),
            Err(error @ (PublishError::Lost(_) | PublishError::Unconfirmed(_))) => {
                return Err(SessionLost(error.to_string()));
            }
            Err(PublishError::Nacked) => format!("{} refuses messages; it may be full", told()),
            Err(PublishError::Returned(_)) => {
                Box::pin(self.broker.declare_again()).await?;
                format!("{} was missing", told())
            }
        };
        let error = MessageError::new(ErrorCode::Internal, error);
        Ok(Some(self.retry.decide(error, received.trail.attempt, received.trail.time_left(now_ms()))))
    }

    /// Hands the message to the queue of its conversation. Its publish is on its way when this is polled for the first time:
    /// whoever polls in the order of deliveries keeps it.
    async fn relay(&self, received: &Received, lane: Lane) -> Result<(), SessionLost> {
        let properties = received.republished(&self.names, Purpose::Relay, now_ms());
        let message = kept(received, &self.names.relay_exchange(), &Names::conversation_key(lane), properties);
        match self.broker.publish_in_order(message.clone()).await {
            Ok(()) => Ok(()),
            Err(error @ (PublishError::Lost(_) | PublishError::Unconfirmed(_))) => Err(SessionLost(error.to_string())),
            Err(error) => {
                events::kept(&error, message.routing_key.as_str(), 1);
                Box::pin(self.keep(message, None)).await.map(|_| ())
            }
        }
    }

    async fn suspect(&self, received: &Received) -> Result<(), SessionLost> {
        let before = if received.queue == Some(WorkQueue::Suspects) { received.trail.starts } else { 0 };
        let properties =
            received.republished(&self.names, Purpose::Suspect { starts: before.saturating_add(1) }, now_ms());
        let suspects = self.names.queue(&WorkQueue::Suspects);
        self.keep(kept(received, "", &suspects, properties), None).await.map(|_| ())
    }

    async fn retry(&self, received: &Received, delay: Duration, error: &MessageError) -> Result<(), SessionLost> {
        events::retried(received, &error.message, delay);
        let queue = self.names.queue(received.queue.as_ref().unwrap_or(&received.first_queue()));
        let properties = received.republished(&self.names, Purpose::Retry { delay }, now_ms());
        self.keep(kept(received, &self.names.retry_exchange(), &queue, properties), None).await.map(|_| ())
    }

    /// First the letter, then the error reply: a client that hears of it finds it there. An error reply that fails
    /// doesn't hold up the ack.
    async fn dead_letter(
        &self,
        received: &Received,
        client: Client<'_>,
        letter: &DeadLetter,
    ) -> Result<(), SessionLost> {
        let now = now_ms();
        let first = received.first_queue();
        let queue = Names::dead(&self.names.queue(&first));
        let purpose = Purpose::Dead { letter, worker: &self.worker, at: now };
        let message = kept(received, "", &queue, received.republished(&self.names, purpose, now));
        let message = self.keep(message, Some(&first).filter(|first| **first != WorkQueue::Requests)).await?;
        events::dead_lettered(received, letter, message.routing_key.as_str());
        if let (Some(to), Some(code)) = (client.reply_to, letter.reason.error_code()) {
            let error = ErrorReply {
                id: Uuid::now_v7().to_string(),
                in_reply_to: client.request_id.map(str::to_owned),
                error: MessageError::new(code, letter.message.clone()),
            };
            let (request_id, body) = (error.in_reply_to.as_deref(), codec::encode_error(&error).into());
            let message = || answer(received, to, ERROR_TYPE, &error.id, request_id, &body);
            let sent = timeout(ERROR_REPLY_LIMIT, self.broker.reply(message, to.direct)).await;
            events::replied(if matches!(sent, Ok(Ok(()))) { "error" } else { "error_failed" });
        }
        Ok(())
    }
}

/// A reply or an error reply, ready to be published.
fn answer(received: &Received, to: &ReplyTo, kind: &str, id: &str, request_id: Option<&str>, body: &Bytes) -> Message {
    let compressed = received.accepted_encoding().and_then(|encoding| Some((encoding, encoding.compress(body).ok()?)));
    let (encoding, body) = match compressed {
        Some((encoding, body)) => (Some(encoding), body.into()),
        None => (None, body.clone()),
    };
    Message {
        exchange: short(""),
        routing_key: to.address.clone(),
        // A mandatory direct reply is falsely returned on RabbitMQ 3.10 and 4.0.
        mandatory: !to.direct,
        properties: received.reply_properties(kind, id, request_id, encoding),
        body,
    }
}
