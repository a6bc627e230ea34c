//! Where messages are led. AMQP can't be asked for that, so probes are published, and it is seen which of them no queue took.
//!
//! **Invariant:** a probe means nothing, and workers drop it. So it is published only where workers consume what may take it.

use std::collections::HashSet;

use lapin::{
    BasicProperties, Confirmation,
    options::{BasicGetOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use uuid::Uuid;

use super::{
    admin::{Admin, object},
    ask::{AskError, apart},
    names::{Names, PROBE_TYPE},
};
use crate::amqp::values::{short, text};

const PROBE: &[u8] = b"A probe of `chatbot-worker check`; it means nothing and may be dropped.";
/// So many messages are looked through for probes at most: whatever else dies meanwhile is among them.
const MOST_TAPPED: u16 = 10_000;

/// What becomes of messages whose routing key nobody binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unroutable {
    /// The policy leads them to a worker (or some queue is bound to every key).
    Taken,
    /// The broker returns or drops them.
    Dropped,
}

/// Which routing keys nobody binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unbound {
    /// These, of those that were asked about.
    Keys(Vec<String>),
    /// It can't be told: some queue takes messages with any key.
    Hidden,
}

impl Admin {
    /// Publishes a probe whose routing key nobody should bind. Call it only where a worker consumes [`Names::died`]: else it
    /// stays there, where the policy leads it.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn unroutable(&self, names: &Names) -> Result<Unroutable, AskError> {
        let is_returned = self.is_returned(names, PROBE_TYPE, &Uuid::now_v7().to_string()).await?;
        Ok(if is_returned { Unroutable::Dropped } else { Unroutable::Taken })
    }

    /// Publishes a probe by each of these routing keys, and tells which of them no binding of the exchange takes.
    /// `unroutable` is what becomes of messages by a key that surely nobody binds. Call it only where workers consume the
    /// queues to which the keys should lead and, if such messages are taken, [`Names::died`].
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn unbound(&self, names: &Names, keys: &[String], unroutable: Unroutable) -> Result<Unbound, AskError> {
        let id = Uuid::now_v7().to_string();
        if unroutable == Unroutable::Taken {
            return self.tapped(names, keys, &id).await;
        }
        let returned = apart(keys.iter().map(|key| self.is_returned(names, key, &id))).await;
        let mut unbound = Vec::new();
        for (key, returned) in keys.iter().zip(returned) {
            if returned? {
                unbound.push(key.clone());
            }
        }
        Ok(Unbound::Keys(unbound))
    }

    /// The same where the policy has the broker return nothing: what nobody binds then comes by the exchange
    /// [`Names::died`], which copies it to a queue of this connection's own, too.
    async fn tapped(&self, names: &Names, keys: &[String], id: &str) -> Result<Unbound, AskError> {
        let queue = names.worker_queue(Uuid::now_v7());
        let what = object("queue", &queue);
        self.attempt(&what, async |channel| {
            let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
            channel.queue_declare(short(&queue), options, tap_arguments()).await?;
            let (name, died) = (short(&queue), short(&names.died()));
            channel.queue_bind(name, died, short(""), QueueBindOptions::default(), FieldTable::default()).await
        })
        .await?;
        let with_one_that_nobody_binds = keys.iter().map(String::as_str).chain([PROBE_TYPE]);
        for published in apart(with_one_that_nobody_binds.map(|key| self.is_returned(names, key, id))).await {
            published?;
        }
        // Each was confirmed, so it is where it was led.
        let seen = self
            .attempt(&what, async |channel| {
                let mut seen = HashSet::new();
                for _ in 0..MOST_TAPPED {
                    let got = channel.basic_get(short(&queue), BasicGetOptions { no_ack: true }).await?;
                    let Some(delivery) = got.map(|got| got.delivery) else { break };
                    if delivery.properties.message_id().as_ref().is_some_and(|of| of.as_str() == id) {
                        seen.insert(delivery.routing_key.as_str().to_owned());
                    }
                }
                channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await?;
                Ok::<_, lapin::Error>(seen)
            })
            .await?;
        if !seen.contains(PROBE_TYPE) {
            return Ok(Unbound::Hidden);
        }
        Ok(Unbound::Keys(keys.iter().filter(|&key| seen.contains(key)).cloned().collect()))
    }

    /// Publishes a probe; whether the broker returns it, as no queue takes it. On a channel of its own: lapin gives what
    /// comes back to whichever publish on a channel is confirmed next.
    async fn is_returned(&self, names: &Names, key: &str, id: &str) -> Result<bool, AskError> {
        let properties = BasicProperties::default()
            .with_type(short(PROBE_TYPE))
            .with_content_type(short("text/plain"))
            .with_message_id(short(id));
        let what = object("exchange", names.exchange());
        let confirmation = self.attempt(&what, async |channel| {
            channel.confirm_select(Default::default()).await?;
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            channel.basic_publish(short(names.exchange()), short(key), options, PROBE, properties).await?.await
        });
        match confirmation.await? {
            // A queue that refuses it, as it is full, is one to which it was led.
            Confirmation::Ack(returned) | Confirmation::Nack(returned) => Ok(returned.is_some()),
            Confirmation::NotRequested => Err(AskError::Lost("the broker doesn't confirm the probe".to_owned())),
        }
    }
}

/// Bounded, as it also gets whatever else dies at that moment. A virtual host's default type may be another, and no quorum
/// queue is exclusive.
fn tap_arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-queue-type"), text("classic"));
    arguments.insert(short("x-max-length"), AMQPValue::LongLongInt(MOST_TAPPED.into()));
    arguments
}
